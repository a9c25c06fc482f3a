# SPDX-License-Identifier: Apache-2.0
"""Captures that are cut, corrupt, empty or no captures: said clearly, kept what was readable, no crash."""

import os
import random
import re
import struct
import subprocess

import pytest

import make_captures
import packets
from fishbowl import FISHBOWL, PCAPS, captures, run

SEED = 20260601
QUICK = bool(os.environ.get("FISHBOWL_QUICK"))  # make quickcheck: a sample; make check: all


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def frames_in(stderr):
    return int(re.search(r"^frames +(\d+) ", stderr, re.M)[1])


def test_every_cut_of_a_pcap(tmp_path):
    """Cut anywhere: the whole packets before the cut are there, and the place of the cut is named."""
    whole = make_captures.tags()["vlan/input.pcap"][:600]
    ends, at = [24], 24
    while at + 16 <= len(whole):
        at += 16 + struct.unpack_from("<I", whole, at + 8)[0]
        ends.append(at)
    for cut in range(0, len(whole), 7):
        done = run("-o", "-", write(tmp_path / "cut.pcap", whole[:cut]))
        clean = cut in ends
        assert done.returncode == (0 if clean else 1), (cut, done.stderr)
        assert frames_in(done.stderr) == sum(end <= cut for end in ends[1:]), cut
        assert clean or re.search(r"cut\.pcap: at byte \d+: ", done.stderr), (cut, done.stderr)


@pytest.mark.skipif(not captures(), reason="no captures: " + PCAPS + " is absent")
def test_random_cuts_of_real_captures(tmp_path):
    choose = random.Random(SEED)
    for _ in range(4 if QUICK else 30):
        name = choose.choice(captures())
        data = open(os.path.join(PCAPS, name), "rb").read()
        cut = choose.randrange(len(data))
        whole = run("-o", "-", os.path.join(PCAPS, name))
        done = run("-o", "-", write(tmp_path / "cut", data[:cut]))
        assert done.returncode in (0, 1), (name, cut, done.stderr)
        assert frames_in(done.stderr) <= frames_in(whole.stderr)
        assert cut < 24 or cut > 200 or done.returncode == 1 or frames_in(done.stderr) < 3, (name, cut)


@pytest.mark.skipif(not captures(), reason="no captures: " + PCAPS + " is absent")
def test_random_byte_flips_of_real_captures(tmp_path):
    choose = random.Random(SEED)
    small = [n for n in captures() if os.path.getsize(os.path.join(PCAPS, n)) < 100_000]
    for _ in range(12 if QUICK else 200):
        name = choose.choice(small)
        data = bytearray(open(os.path.join(PCAPS, name), "rb").read())
        for _ in range(choose.randint(1, 20)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        done = run("-o", "-", write(tmp_path / "flipped", bytes(data)))
        assert done.returncode in (0, 1), (name, done.returncode, done.stderr)


@pytest.mark.parametrize("content, message", [
    (b"", "empty"),
    (b"this is a text file and no capture\n" * 10, "neither pcap nor pcapng"),
    (b"\x00", ""),
    (bytes(4096), ""),
])
def test_no_captures(tmp_path, content, message):
    done = run("-o", tmp_path / "out", write(tmp_path / "wrong", content))
    assert done.returncode == 1
    assert "wrong: " in done.stderr and message in done.stderr
    assert frames_in(done.stderr) == 0
    assert (tmp_path / "out" / "eve.json").read_bytes() == b""


def test_missing_directory_and_forbidden(tmp_path):
    good = write(tmp_path / "good.pcap", make_captures.tags()["vlan/input.pcap"])
    done = run("-o", tmp_path / "out", tmp_path / "missing", tmp_path, good)
    assert done.returncode == 1
    assert f"'{tmp_path}/missing': No such file" in done.stderr
    assert f"'{tmp_path}' is a directory" in done.stderr
    assert frames_in(done.stderr) == 19  # the good one was still read
    done = run("-o", tmp_path / "nothing", tmp_path / "missing")
    assert done.returncode == 1 and not (tmp_path / "nothing").exists()


def test_a_broken_capture_does_not_stop_the_next(tmp_path):
    data = make_captures.tags()["vlan/input.pcap"]
    cut = write(tmp_path / "cut.pcap", data[:-10])
    good = write(tmp_path / "good.pcap", data)
    done = run("-o", tmp_path / "out", cut, good)
    assert done.returncode == 1
    assert "cut.pcap: at byte" in done.stderr and "kept the 18 packets before" in done.stderr
    assert frames_in(done.stderr) == 18 + 19
    assert (tmp_path / "out" / "eve.json").stat().st_size > 0


def test_unknown_link_type(tmp_path):
    data = packets.pcap(147, make_captures.clock([b"what"] * 3))
    done = run("-o", "-", write(tmp_path / "usb.pcap", data))
    assert "of an unknown link type 3" in done.stderr


def test_absurd_times(tmp_path):
    """Times at both ends of what the formats can say, and going back: read, and no arithmetic overflows."""
    frame = make_captures.ethernet([packets.udp(make_captures.A4, make_captures.W4, 1, 2)])[0]
    out = packets.shb()
    for resolution, offset in ((9, 0), (0, 0), (0x80, 2**62), (6, -2**62)):
        out += packets.idb("ethernet", tsresol=resolution, tsoffset=offset)
    for i, ticks in enumerate((0, 2**64 - 1, 2**63, 1, 2**63 - 1, 1_700_000_000)):
        for interface in range(4):
            out += packets.epb(interface, ticks, frame[:-2] + bytes([i, interface]))
    done = run("-o", "-", write(tmp_path / "times.pcapng", out))
    assert done.returncode == 0, done.stderr
    assert frames_in(done.stderr) == 24


def test_output_cannot_be_written(tmp_path):
    good = write(tmp_path / "good.pcap", make_captures.tags()["vlan/input.pcap"])
    write(tmp_path / "file", b"")
    done = run("-o", tmp_path / "file", good)
    assert done.returncode == 3 and "name a directory" in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([FISHBOWL, "replay", "-o", "-", good], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 3 and "No space left" in done.stderr


def test_disk_full_leaves_the_old_result(tmp_path):
    """Incomplete records never stand under the final name."""
    good = write(tmp_path / "good.pcap", make_captures.tags()["vlan/input.pcap"])
    out = tmp_path / "out"
    out.mkdir()
    write(out / "eve.json", b"old\n")
    os.symlink("/dev/full", out / "eve.json.partial")
    done = run("-o", out, good)
    assert done.returncode == 3  # a symbolic link is not followed
    assert (out / "eve.json").read_bytes() == b"old\n"


@pytest.mark.parametrize("args, message", [
    (["-o", "-"], "no capture named"),
    (["-o", "-", "--home", "10.0.0.1/8", "x.pcap"], "--home '10.0.0.1/8'"),
    (["-o", "-", "--external", "[10.0.0.0/8", "x.pcap"], "must end with ']'"),
    (["-o", "-", "--rules", "/nonexistent", "x.pcap"], "rules: /nonexistent: No such file"),
    (["-o", "-", "-c", "/nonexistent", "x.pcap"], "/nonexistent"),
    (["-o", "-", "--check-verdicts", "x.pcap"], "-c FILE"),
])
def test_wrong_arguments(args, message):
    done = run(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
