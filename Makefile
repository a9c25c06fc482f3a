# SPDX-License-Identifier: Apache-2.0
# A thin front for people; meson does the work. `make help` lists the targets.
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
FUZZ ?=
MESON_OPTIONS ?=

# Where files go when they are not below PREFIX.
DIRS = --prefix=$(PREFIX) $(if $(filter /usr /usr/local,$(PREFIX)),--sysconfdir=/etc --localstatedir=/var)

all: build

help:
	@echo 'make             build into build/ (bin: build/src/cmd/fishbowl/fishbowl)'
	@echo 'make lab         install what is missing, build, and start a whole honeynet on this machine'
	@echo 'make check       install what is missing, build every way, run every test (up to 25 minutes)'
	@echo 'make quickcheck  the tests that need no network namespaces (under 2 minutes)'
	@echo 'make golden-report  what is recovered from known captures: met, missing, explained (2 minutes)'
	@echo 'make escape      attack from a honeypot in every way we know; counts what comes out (4 minutes)'
	@echo 'make bench       compare with a kernel bridge, and with no control: throughput, delay, CPU, memory'
	@echo 'make flood       a honeypot floods for a minute: what comes out, what the others notice'
	@echo 'make install     PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make deb         build the Debian package into dist/'
	@echo 'make fuzz        FUZZ_SECONDS=$(FUZZ_SECONDS) for each target and each protocol, with clang (FUZZ="stream proto/smb": these)'
	@echo 'make format      put the C files into shape; make check-format only looks'
	@echo 'make clean       remove what was built'

build: deps-build
	@test -f build/build.ninja || meson setup build $(DIRS) -Dtests=false --buildtype=debugoptimized \
		$(MESON_OPTIONS) >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }
	@rm -f build.log
	ninja -C build

deps-%:
	@tools/install-deps $*

install-deps: deps-build deps-lab

lab: deps-lab build
	build/src/cmd/fishbowl/fishbowl lab up --attack

check: deps-build deps-lab deps-check deps-bench
	src/cmd/fb-lab/mount-root tools/check all

quickcheck: deps-build deps-check
	tools/check quick

bench: deps-lab deps-bench build
	meson configure build -Dtests=true
	ninja -C build
	python3 tests/perf/bench.py --build build
	python3 tests/perf/mix.py --build build
	python3 tests/perf/flood.py --build build --seconds 12
	python3 tests/perf/policy.py --build build

flood: deps-lab deps-bench build
	meson configure build -Dtests=true
	ninja -C build
	python3 tests/perf/flood.py --build build

golden-report: deps-lab build
	python3 tests/golden/report.py

escape: deps-lab deps-check deps-escape build
	meson configure build -Dtests=true
	ninja -C build
	src/cmd/fb-lab/mount-root tests/escape/escape.py --build build --keep-going --json build/escape.json

install: build
	@meson configure build $(DIRS) >/dev/null
	DESTDIR=$(DESTDIR) meson install -C build --no-rebuild --quiet

deb: deps-build deps-deb
	tools/make-deb

fuzz: deps-build deps-check
	tools/check fuzz $(FUZZ_SECONDS) $(FUZZ)

format:
	tools/check-format --write

check-format:
	tools/check-format

clean:
	rm -rf build build-check build-clang dist

.PHONY: all help build install-deps lab check quickcheck golden-report escape bench flood install deb fuzz format check-format clean
