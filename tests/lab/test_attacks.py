# SPDX-License-Identifier: Apache-2.0
"""Somebody who is root on a honeypot and sends what he likes: nothing of it comes out, and the capture
has all of it."""
import ipaddress
import struct

import pytest

import raw
from lab import Lab, can_run

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

OUT4, OUT6 = "10.66.0.200", "fd66::200"
OWN4, OWN6 = "10.66.0.5", "fd66::5"
ALL = b"\xff" * 6


@pytest.fixture(scope="module")
def net():
    with Lab(pots=2, extra="roach_motel = true") as lab:
        raw.silence(lab)
        lab.outside = raw.Nic(lab.ns("attacker"), "out")
        lab.inside = [raw.Nic(lab.ns(f"pot{i}"), "eth0") for i in range(2)]
        lab.start()
        hello = [ALL + nic.mac + b"\x08\x06" + raw.arp(nic.mac, f"10.66.0.{5 + i}", OUT4)
                 for i, nic in enumerate(lab.inside)]
        for nic, frame in zip(lab.inside, hello):
            nic.send(frame)
        lab.sent = hello[:1]
        lab.outside.send(ALL + lab.outside.mac + b"\x86\xdd" +
                         advertisement("fe80::99", lab.outside.mac))
        lab.outside.take_quiet()
        yield lab


def own(family):
    return (OWN4, OUT4) if family == 4 else (OWN6, OUT6)


def advertisement(address, mac, source=None):
    target = ipaddress.ip_address(address).packed
    return raw.icmp(source or address, "ff02::1", 136, b"\x20\0\0\0" + target + b"\2\1" + mac,
                    ttl=255)


def fragments(family, ident, data):
    """An UDP datagram in two parts."""
    src, dst = own(family)
    whole = raw.udp(src, 7, dst, 7, data)
    body, cut = whole[20 if family == 4 else 40:], 64
    if family == 4:
        parts = [raw.ip(src, dst, 17, part) for part in (body[:cut], body[cut:])]
        heads = [struct.pack(">HH", ident, 0x2000), struct.pack(">HH", ident, cut // 8)]
        out = []
        for part, head in zip(parts, heads):
            part = part[:4] + head + part[8:10] + b"\0\0" + part[12:]
            out.append(part[:10] + struct.pack(">H", raw.checksum(part[:20])) + part[12:])
        return out
    return [raw.ip(src, dst, 44, struct.pack(">BBHI", 17, 0, at | more, ident) + part)
            for at, more, part in ((0, 1, body[:cut]), (cut, 0, body[cut:]))]


def out(net, *frames):
    """What of these frames of the first honeypot comes out."""
    net.outside.take()
    net.sent += frames
    for frame in frames:
        net.inside[0].send(frame)
    return net.outside.take_quiet()


def test_what_is_asked_of_a_plain_frame_is_asked(net):
    mac = net.inside[0].mac
    assert len(out(net, ALL + mac + b"\x08\x06" + raw.arp(mac, OWN4, OUT4))) == 1
    assert out(net, raw.ethernet(net.outside.mac, mac, raw.tcp(OWN4, 1, OUT4, 80))) == []


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("to", ["itself", "another"])
def test_an_inner_frame_lifts_no_refusal(net, family, to):
    src, dst = own(family)
    mac, router = net.inside[0].mac, net.outside.mac
    inner = mac if to == "itself" else net.inside[1].mac
    for packet in (raw.tcp(src, 20 + len(to), dst, 80), raw.udp(src, 20 + len(to), dst, 53),
                   raw.ping(src, dst, len(to)), raw.ip(src, dst, 11, b"secret")):
        for _ in range(3):
            assert out(net, raw.ethernet(router, mac, packet), raw.ethernet(inner, mac, packet),
                       raw.ethernet(router, mac, packet)) == []


@pytest.mark.parametrize("family", [4, 6])
def test_an_inner_fragment_lets_no_other_out(net, family):
    mac, router = net.inside[0].mac, net.outside.mac
    first, last = fragments(family, 77, b"x" * 200)
    assert out(net, raw.ethernet(mac, mac, first), raw.ethernet(router, mac, last),
               raw.ethernet(router, mac, first), raw.ethernet(router, mac, last)) == []


def test_link_local_addresses_of_the_outside(net):
    mac = net.inside[0].mac
    assert out(net, ALL + mac + b"\x86\xdd" + advertisement("fe80::99", mac)) == []
    assert out(net, ALL + mac + b"\x86\xdd" + advertisement("fe80::99", mac, OWN6)) == []
    assert len(out(net, ALL + mac + b"\x86\xdd" + advertisement("fe80::5", mac))) == 1
    net.outside.send(ALL + net.outside.mac + b"\x86\xdd" +
                     advertisement("fe80::5", net.outside.mac))
    net.inside[0].take_until(1)
    assert out(net, ALL + mac + b"\x86\xdd" + advertisement("fe80::5", mac)) == []


def test_clothes(net):
    """The same in tags, in 802.2, with mapped addresses, from nobody, of another family."""
    mac, router = net.inside[0].mac, net.outside.mac
    syn, forged = raw.tcp(OWN4, 9, OUT4, 80), raw.tcp("198.51.100.1", 9, OUT4, 80)
    snap = b"\xaa\xaa\x03\0\0\0\x08\0" + syn
    mapped = raw.tcp("::ffff:10.66.0.5", 9, "::ffff:10.66.0.200", 80)
    frames = [router + mac + struct.pack(">H", len(snap)) + snap]
    for packet in (syn, forged, mapped):
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"
        for tags in (b"", b"\x81\0\0\5", b"\x88\xa8\0\5", b"\x88\xa8\0\5\x81\0\0\6",
                     b"\x91\0\0\5\x91\0\0\5\x91\0\0\5\x91\0\0\5\x91\0\0\5"):
            frames += [router + mac + tags + kind + packet, ALL + mac + tags + kind + packet]
    frames.append(router + mac + b"\x86\xdd" + syn)
    frames.append(router + mac + b"\x08\0" + raw.tcp(OWN6, 9, OUT6, 80))
    frames.append(raw.ethernet(router, mac, raw.udp("0.0.0.0", 68, OUT4, 67)))
    frames.append(raw.ethernet(router, mac, raw.ip("::", "ff02::16", 58, b"\x8f" + b"\0" * 27)))
    # An atomic fragment (RFC 6946), options, a routing header, and all of them.
    body = raw.tcp(OWN6, 9, OUT6, 80)[40:]
    atomic, options = b"\6\0\0\0\0\0\0\1", b"\6\0\1\4\0\0\0\0"
    routing = b"\6\2\0\1\0\0\0\0" + ipaddress.ip_address(OUT6).packed
    frames += [raw.ethernet(router, mac, raw.ip(OWN6, OUT6, kind, head + body))
               for kind, head in ((44, atomic), (60, options), (43, routing), (0, options),
                                  (60, b"\x2c" + options[1:] + atomic))]
    assert out(net, *frames) == []


def test_all_of_it_is_captured(net):
    net.gateway.stop()
    captured = [frame for _, frame, _ in raw.pcapng_packets(net.gateway.segments())]
    assert sorted(net.sent) == sorted(
        frame for frame in captured if frame[6:12] == net.inside[0].mac)
