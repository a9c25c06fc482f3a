/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - the capture writer: takes finished blocks out of the frame ring and appends them to segments.
 *
 * tap_run() works on descriptors and memory that are handed to it, so a test drives it without a
 * supervisor. Two threads: this one writes; the keeper (keeper.h) seals, compresses and removes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/manifest.h"
#include "capture/pcapng.h"
#include "capture/ring_kind.h"
#include "sys/counts.h"

enum tap_order {
	TAP_GO,
	TAP_DRAIN, /* the producer has ended or is gone: write what is committed, close, end */
};

struct tap_setup {
	int dir_fd;   /* the capture directory */
	int wake_fd;  /* eventfd, readable when the ring passed an eighth; -1: none */
	int order_fd; /* readable when `order` should be asked at once; -1: none */
	void *ring;   /* frame ring */
	size_t ring_size;
	void *records; /* record-tap.ring; NULL: no records */
	size_t records_size;
	struct counts_tap *counts;
	uint64_t segment_size;
	uint64_t segment_time_s;
	uint64_t budget;
	uint64_t keep_free;
	bool compress;
	bool has_key;
	struct manifest_key key;
	uint64_t boot;
	const char *honeynet;
	uint32_t n_interfaces;
	struct pcapng_interface interface[RING_INTERFACES_MAX];
	/* Asked a few times a second and when order_fd is readable. */
	enum tap_order (*order)(void *context);
	/* A marker was reached and all before it is written: frames since the counts were fresh. */
	void (*marked)(void *context, uint64_t marker, uint64_t frames);
	void *context;
};

/* 0 after TAP_DRAIN; -EBADMSG: the frame ring makes no sense; -errno. */
int tap_run(const struct tap_setup *setup);
