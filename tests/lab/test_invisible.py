# SPDX-License-Identifier: Apache-2.0
"""Nobody on either wire can tell that there is a gateway: it answers nothing, says nothing, and what
it lets through is what went in."""
import os
import signal
import struct
import time

import pytest

import raw
from lab import Lab, can_run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

MANAGEMENT = ("10.99.0.1", "fd99::1")
US = ("10.99.0.2", "fd99::2")
FRAMES = int(os.environ.get("FISHBOWL_MIXED_FRAMES", "100000"))


def probes(us, gateway_mac):
    """The fourteen questions that a machine with an address and a network stack answers."""
    (ip4, ip6), (my4, my6) = MANAGEMENT, US
    solicited = bytes.fromhex("3333ff000001")
    ns = struct.pack(">I", 0) + b"\xfd\x99" + b"\0" * 13 + b"\x01" + b"\x01\x01" + us

    def to(mac, packet, kind=None):
        return raw.ethernet(mac, us, packet, kind)

    return {
        "ARP broadcast": to(raw.BROADCAST, raw.arp(us, my4, ip4), 0x0806),
        "ARP unicast": to(gateway_mac, raw.arp(us, my4, ip4), 0x0806),
        "ARP from 0.0.0.0": to(raw.BROADCAST, raw.arp(us, "0.0.0.0", ip4), 0x0806),
        "ICMP to the gateway's MAC": to(gateway_mac, raw.ping(my4, ip4, 1)),
        "TCP to the gateway's MAC": to(gateway_mac, raw.tcp(my4, 4242, ip4, 22)),
        "UDP to a closed port": to(gateway_mac, raw.udp(my4, 4242, ip4, 9)),
        "broadcast ping": to(raw.BROADCAST, raw.ping(my4, "255.255.255.255", 2)),
        "ping of 224.0.0.1": to(bytes.fromhex("01005e000001"), raw.ping(my4, "224.0.0.1", 3)),
        "echo to ff02::1": to(bytes.fromhex("333300000001"), raw.ping(my6, "ff02::1", 4)),
        "ICMPv6 to the gateway's MAC": to(gateway_mac, raw.ping(my6, ip6, 5)),
        "neighbour solicitation": to(solicited, raw.icmp(my6, "ff02::1:ff00:1", 135, ns, ttl=255)),
        "TCP over IPv6": to(gateway_mac, raw.tcp(my6, 4242, ip6, 22)),
        "MLD query": to(bytes.fromhex("333300000001"), raw.icmp(
            "fe80::2", "ff02::1", 130, struct.pack(">HH", 100, 0) + b"\0" * 20, ttl=1)),
        "IGMP query": to(bytes.fromhex("01005e000001"), raw.ip(
            my4, "224.0.0.1", 2, bytes.fromhex("1164ee9b00000000"), ttl=1)),
    }


@pytest.fixture(params=["no", "auto"])
def quiet_lab(request):
    """The gateway's namespace has a management NIC with addresses, as a real machine has."""
    with Lab(data_netns=request.param) as lab:
        raw.silence(lab)
        lab.exec("gw", "ip link add mgmt type veth peer name mgmt-peer")
        lab.exec("gw", ["sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/mgmt/disable_ipv6"])
        for nic in ("mgmt", "mgmt-peer"):
            lab.exec("gw", f"ip link set {nic} up")
        for address in (MANAGEMENT[0] + "/24", MANAGEMENT[1] + "/64"):
            lab.exec("gw", f"ip addr add {address} dev mgmt")
        yield lab


def wires(lab):
    return raw.Nic(lab.ns("attacker"), "out"), raw.Nic(lab.ns("pot0"), "eth0")


def mac_of(lab, nic):
    text = lab.exec("gw", f"cat /sys/class/net/{nic}/address").stdout
    return bytes.fromhex(text.strip().replace(":", ""))


def test_fourteen_probes_get_no_answer(quiet_lab):
    lab = quiet_lab
    macs = {"outside": mac_of(lab, "fbout"), "inside": mac_of(lab, "fbin0")}
    outside, inside = wires(lab)
    lab.start()
    for us, other, mac in ((outside, inside, macs["outside"]), (inside, outside, macs["inside"])):
        asked = probes(us.mac, mac)
        assert len(asked) == 14
        for frame in asked.values():
            us.send(frame)
        time.sleep(1.2)  # MLD and IGMP answers may come late
        answers = us.take()
        assert answers == [], [a.hex() for a in answers]
        foreign = [f for f in other.take() if f not in asked.values()]
        assert foreign == [], [f.hex() for f in foreign]


def test_says_nothing_at_start_stop_kill_and_link_flap(quiet_lab):
    lab = quiet_lab
    outside, inside = wires(lab)
    gateway = lab.start()
    time.sleep(0.5)
    gateway.stop()
    gateway = lab.start()
    gateway.kill("fb-gate")
    wait_for(lambda: "fb-gate" in gateway.pids(), 15)
    if lab.data_netns == "no":
        for nic in ("fbout", "fbin0"):
            lab.exec("gw", f"ip link set {nic} down")
            lab.exec("gw", f"ip link set {nic} up")
    for where, nic in (("attacker", "out"), ("pot0", "eth0")):
        lab.exec(where, f"ip link set {nic} down")
        lab.exec(where, f"ip link set {nic} up")
    time.sleep(1)
    for pid in [gateway.pid, *gateway.pids().values()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    time.sleep(1.5)
    assert [f.hex() for f in outside.take() + inside.take()] == []


def usable(address):
    import ipaddress
    ip = ipaddress.ip_address(address)
    return not (ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.is_link_local or
                ip.packed[-1] == 255)


def addresses(frame):
    """Source and destination IP address of an untagged frame, or None."""
    import ipaddress
    if frame[12:14] == b"\x08\x00" and len(frame) >= 34:
        a, b = frame[26:30], frame[30:34]
    elif frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
        a, b = frame[22:38], frame[38:54]
    else:
        return None
    return str(ipaddress.ip_address(a)), str(ipaddress.ip_address(b))


def captures():
    """[(frames, addresses of its servers)]: captures whose two sides can be told apart."""
    for path in sorted(raw.PCAPS.iterdir()):
        if path.suffix not in (".pcap", ".pcapng", ".cap"):
            continue
        frames = [f for f in raw.file_frames(path) if 14 <= len(f) <= raw.LONGEST and
                  (len(f) <= 1514 or f[12:14] in (b"\x81\x00", b"\x88\xa8"))]
        pairs = [pair for pair in map(addresses, frames) if pair]
        if not pairs:
            yield frames, set()
            continue
        client = pairs[0][0]
        servers = {b for a, b in pairs if a == client and usable(b)}
        if len(servers) <= 8:
            yield frames, servers


def mixed_run():
    """Frames in order as (from inside, frame), and the honeypots' addresses."""
    chosen, inside, others = [], set(), set()
    for frames, servers in captures():
        seen = {ip for pair in map(addresses, frames) if pair for ip in pair}
        clients = seen - servers
        if clients & inside or servers & others or len(inside | servers) > 500:
            continue
        inside |= servers
        others |= clients
        chosen += frames
    run = []
    while len(run) < FRAMES:
        run += [((addresses(f) or ("",))[0] in inside, f) for f in chosen]
    return run[:FRAMES], inside


def send_in_order(run, outside, inside):
    """Sends runs of one direction; waits for what must come out before the next run goes in."""
    got_inside, got_outside, at = [], [], 0
    while at < len(run):
        end = at + 1
        while end < len(run) and run[end][0] == run[at][0] and end - at < 64:
            end += 1
        sender = inside if run[at][0] else outside
        for _, frame in run[at:end]:
            sender.send(frame)
        if not run[at][0]:
            arrived = inside.take_until(end - at)
            assert_same(arrived, [frame for _, frame in run[at:end]])
            got_inside += arrived
        got_outside += outside.take()
        at = end
    return got_inside, got_outside + outside.take_quiet()


def test_mixed_run_is_identical_and_in_order():
    if not raw.PCAPS.is_dir():
        pytest.skip(f"no captures at {raw.PCAPS}")
    run, honeypots = mixed_run()
    with Lab() as lab:
        raw.silence(lab)
        text = "".join(f'honeypot "h{i}" {{ address = {{"{ip}"}} }}\n'
                       for i, ip in enumerate(sorted(honeypots)))
        lab.write_conf(f'outside = "fbout"\ninside = {{"fbin0"}}\nstate_dir = "{lab.state}"\n'
                       f'run_dir = "{lab.run_dir}"\ndata_netns = "no"\n{text}')
        outside, inside = wires(lab)
        gateway = lab.start()
        got_inside, got_outside = send_in_order(run, outside, inside)
        gateway.stop()
        captured = list(raw.pcapng_packets(gateway.segments()))
    sent_in = [frame for from_inside, frame in run if not from_inside]
    sent_out = [frame for from_inside, frame in run if from_inside]
    assert len(sent_in) > FRAMES // 10 and len(sent_out) > FRAMES // 10
    # Whatever comes from the outside arrives, as it was and in order.
    assert_same(got_inside, sent_in)
    # Everything is in the capture, once, as it was and in order; fragments that leave wait for each other.
    assert_same([f for name, f, _ in captured if name == "fbout"], sent_in)
    from_inside = [f for name, f, _ in captured if name == "fbin0"]
    assert_same([f for f in from_inside if not is_fragment(f)], [f for f in sent_out if not is_fragment(f)])
    assert sorted(filter(is_fragment, from_inside)) == sorted(filter(is_fragment, sent_out))
    # From the inside arrives what the capture says was let through, and a good deal was. "internal":
    # for a MAC address that was last seen inside, so it stays there, as behind a switch.
    passed = [f for name, f, comment in captured
              if name == "fbin0" and comment.startswith("pass") and "internal" not in comment]
    assert_same(got_outside, passed)
    print(f"{len(sent_in)} frames in; of {len(sent_out)} frames out {len(passed)} passed")
    assert len(passed) > len(sent_out) // 4


def is_fragment(frame):
    return frame[12:14] == b"\x08\0" and int.from_bytes(frame[20:22], "big") & 0x3fff != 0


def assert_same(got, wanted):
    for i, (a, b) in enumerate(zip(got, wanted)):
        assert a == b, f"frame {i}: {a.hex()} instead of {b.hex()}"
    assert len(got) == len(wanted)

