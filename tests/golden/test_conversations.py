# SPDX-License-Identifier: Apache-2.0
"""The flow records of `fishbowl replay` against tshark's conversations, over captures from elsewhere.

For each capture, flow records are summed by 5-tuple (tshark splits TCP by stream, Fishbowl by
connection and timeout; the sums must be the same) and compared with `tshark -z conv,tcp -z conv,udp`:
frames and bytes each way. tshark prints bytes above 10,000 rounded to kB; where it can be done, bytes
are compared exactly with the sum of frame.len as well.

DIFFERENCES lists every difference there is, with its reason. A difference that is not listed fails;
so does a listed one that is not there. A second test proves the reason: the frames that make the
difference are exactly the fragments that tshark shows without a transport header.
"""

import collections
import os
import re
import shutil
import subprocess

import pytest

from fishbowl import PCAPS, captures, records

# (capture, "tcp" or "udp", "side a", "side b"): (ours, tshark's, reason), where the counts are
# frames a->b, bytes a->b, frames b->a, bytes b->a; None: no such conversation there.
LATER = ("tshark counts a fragmented datagram once, as the frame that completed it; a flow record counts "
         "every frame that carried a part")
ALONE = ("fragment whose datagram's ports nobody can know when it arrives: a conversation of its own, "
         "without ports; tshark counts none")
DIFFERENCES = {
    # 18 + 1 last fragments (offset 744) whose first fragments the capture does not have.
    ("http-jpegs.cap", "tcp", "10.1.1.101:0", "209.225.0.6:0"): ([0, 0, 18, 13860], None, ALONE),
    ("http-jpegs.cap", "tcp", "10.1.1.101:0", "209.225.11.237:0"): ([0, 0, 1, 770], None, ALONE),
    # Frame 4 is a last fragment alone. Frames 6 to 8 are one datagram, complete with frame 8.
    ("ipv6-fragmented-dns.pcap", "udp", "2001:470:1f11:81f:d138:5f55:6d4:1fe2:0", "2607:f740:b::f93:0"):
        ([0, 0, 1, 404], None, ALONE),
    ("ipv6-fragmented-dns.pcap", "udp", "2001:470:1f11:81f:d138:5f55:6d4:1fe2:51851",
     "2607:f740:b::f93:53"): ([2, 272, 3, 3424], [2, 272, 1, 436], LATER),
    # Frames 1 to 3 are one datagram, 4 to 6 another with its first fragment last: frames 4 and 5
    # come before the ports. Frame 7 is a first fragment that is never completed.
    ("synth-ipfrag-overlap.pcap", "udp", "192.0.2.101:0", "198.51.100.7:0"): ([0, 0, 2, 156], None, ALONE),
    ("synth-ipfrag-overlap.pcap", "udp", "192.0.2.101:69", "198.51.100.7:2000"):
        ([0, 0, 5, 362], [0, 0, 2, 156], LATER),
}

UNITS = {"bytes": 1, "kB": 1000, "MB": 1000 * 1000}
CONV = re.compile(
    r"^(\S+):(\d+)\s+<->\s+(\S+):(\d+)\s+(\d+) (\d+) (bytes|kB|MB)\s+(\d+) (\d+) (bytes|kB|MB)\s")


def tshark(*args):
    return subprocess.run(["tshark", "-n", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout


def ordered(proto, a, b):
    """The same key for both directions, and whether the sides were swapped."""
    return ((proto, a, b), False) if a <= b else ((proto, b, a), True)


class Sums(dict):
    """(proto, a, b) -> [frames a->b, bytes a->b, frames b->a, bytes b->a]"""

    def add(self, proto, a, b, forth, back):
        key, swapped = ordered(proto, a, b)
        entry = self.setdefault(key, [0, 0, 0, 0])
        for i, n in enumerate([*back, *forth] if swapped else [*forth, *back]):
            entry[i] += n


def tshark_conversations(path):
    """Sums, and the rounding of the bytes: (proto, a, b) -> largest error of one number."""
    sums, error = Sums(), collections.Counter()
    proto = None
    for line in tshark("-r", path, "-q", "-z", "conv,tcp", "-z", "conv,udp").splitlines():
        if line.endswith(" Conversations"):
            proto = line.split()[0].lower()
        m = CONV.match(line)
        if not m:
            continue
        a, b = f"{m[1]}:{m[2]}", f"{m[3]}:{m[4]}"
        back = (int(m[5]), int(m[6]) * UNITS[m[7]])
        forth = (int(m[8]), int(m[9]) * UNITS[m[10]])
        sums.add(proto, a, b, forth, back)
        error[ordered(proto, a, b)[0]] += max(UNITS[m[7]], UNITS[m[10]]) - 1
    return sums, error


def tshark_exact(path):
    """Sums of frame.len over frames that hold one IP packet, unfragmented, and nothing quoted."""
    fields = ["frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
              "udp.srcport", "udp.dstport"]
    args = [x for f in fields for x in ("-e", f)]
    sums = Sums()
    for line in tshark("-r", path, "-Y", "!icmp && !icmpv6", "-T", "fields", "-E", "separator=;",
                       *args).splitlines():
        f = dict(zip(fields, line.split(";")))
        if "," in line or (f["ip.src"] and f["ipv6.src"]):
            continue
        for proto in ("tcp", "udp"):
            if f[proto + ".srcport"]:
                a = (f["ip.src"] or f["ipv6.src"]) + ":" + f[proto + ".srcport"]
                b = (f["ip.dst"] or f["ipv6.dst"]) + ":" + f[proto + ".dstport"]
                sums.add(proto, a, b, (1, int(f["frame.len"])), (0, 0))
    return sums


def fishbowl_flows(path):
    sums = Sums()
    for r in records(path):
        if r["event_type"] != "flow" or r["proto"] not in ("TCP", "UDP"):
            continue
        flow = r["flow"]
        sums.add(r["proto"].lower(), f"{r['src_ip']}:{r['src_port']}", f"{r['dest_ip']}:{r['dest_port']}",
                 (flow["pkts_toserver"], flow["bytes_toserver"]),
                 (flow["pkts_toclient"], flow["bytes_toclient"]))
    return sums


def agree(ours, theirs, exact, error):
    if ours is None or theirs is None or ours[0] != theirs[0] or ours[2] != theirs[2]:
        return False
    if exact and exact[0] == theirs[0] and exact[2] == theirs[2]:
        return ours == exact
    return all(abs(ours[i] - theirs[i]) <= error for i in (1, 3))


def differences(name):
    """-> {key: (ours, tshark's)}, conversations compared, of these exactly"""
    path = os.path.join(PCAPS, name)
    ours = fishbowl_flows(path)
    theirs, error = tshark_conversations(path)
    exact = tshark_exact(path)
    found, exactly = {}, 0
    for key in sorted(set(ours) | set(theirs)):
        exactly += key in exact
        if not agree(ours.get(key), theirs.get(key), exact.get(key), error[key]):
            found[(name, *key)] = (ours.get(key), theirs.get(key))
    return found, len(set(ours) | set(theirs)), exactly


@pytest.mark.skipif(not captures(), reason="no captures: " + PCAPS + " is absent")
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("name", captures()[::3 if os.environ.get("FISHBOWL_QUICK") else 1])
def test_conversations(name):
    found, _, _ = differences(name)
    listed = {key: value for key, value in DIFFERENCES.items() if key[0] == name}
    for key, (mine, theirs) in found.items():
        assert key in listed, f"{key}: flow records {mine}, tshark {theirs}"
        assert (mine, theirs) == tuple(listed[key][:2]), key
    assert not set(listed) - set(found), "listed as different, but equal now"


def by_addresses(entry, sign, into):
    (_, proto, a, b), counts = entry
    key = (proto, a.rsplit(":", 1)[0], b.rsplit(":", 1)[0])
    for i, n in enumerate(counts or [0, 0, 0, 0]):
        into.setdefault(key, [0, 0, 0, 0])[i] += sign * n


def bare_fragments(path):
    """Frames that tshark shows as fragments without TCP or UDP, by protocol and addresses."""
    sums = Sums()
    fields = ["frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto", "ipv6.fraghdr.nxt"]
    fragment = "(ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr) && !tcp && !udp"
    for line in tshark("-r", path, "-Y", fragment, "-T", "fields", "-E", "separator=;",
                       *[x for f in fields for x in ("-e", f)]).splitlines():
        f = dict(zip(fields, line.split(";")))
        proto = {"6": "tcp", "17": "udp"}[f["ip.proto"] or f["ipv6.fraghdr.nxt"]]
        sums.add(proto, f["ip.src"] or f["ipv6.src"], f["ip.dst"] or f["ipv6.dst"],
                 (1, int(f["frame.len"])), (0, 0))
    return dict(sums)


@pytest.mark.skipif(not captures(), reason="no captures: " + PCAPS + " is absent")
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("name", sorted({key[0] for key in DIFFERENCES}))
def test_differences_are_fragments(name):
    difference = {}
    for key, (ours, theirs, _) in DIFFERENCES.items():
        if key[0] == name:
            by_addresses((key, ours), 1, difference)
            by_addresses((key, theirs), -1, difference)
    assert difference == bare_fragments(os.path.join(PCAPS, name))


if __name__ == "__main__":
    total = exact_total = 0
    for capture in captures():
        found, n, exactly = differences(capture)
        total, exact_total = total + n, exact_total + exactly
        for key, (mine, theirs) in found.items():
            print(f"    {key}:\n        ({mine}, {theirs}, ''),")
    print(f"# {total} conversations, {exact_total} with exact bytes")
