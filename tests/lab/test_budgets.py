# SPDX-License-Identifier: Apache-2.0
"""How many new conversations leave: exactly the limit, whatever the protocol, address family, crash or
restart; and answers are never held up by it."""
import os
import signal
import time

import pytest

import raw
from lab import Lab, can_run, wait_for

pytestmark = pytest.mark.skipif(can_run() is not None, reason=str(can_run()))

OUT4, OUT6 = "10.66.0.200", "fd66::200"
POTS = 7
ROACH = 6  # the last one is a roach motel


@pytest.fixture(scope="module")
def net():
    with Lab(pots=POTS) as lab:
        raw.silence(lab)
        text = (f'outside = "fbout"\nstate_dir = "{lab.state}"\nrun_dir = "{lab.run_dir}"\n'
                'data_netns = "no"\ninside = {' + ", ".join(f'"fbin{i}"' for i in range(POTS)) +
                "}\n")
        for i in range(POTS):
            four, six = own(i)
            text += (f'honeypot "pot{i}" {{ address = {{"{four}", "{six}"}}'
                     f'{" roach_motel = true" if i == ROACH else ""} }}\n')
        lab.write_conf(text)
        lab.outside = raw.Nic(lab.ns("attacker"), "out")
        lab.inside = [raw.Nic(lab.ns(f"pot{i}"), "eth0") for i in range(POTS)]
        lab.start()
        yield lab


def own(i):
    return f"10.66.0.{5 + i}", f"fd66::{5 + i:x}"


def pair(i, family):
    return (own(i)[0], OUT4) if family == 4 else (own(i)[1], OUT6)


def arrive(net, i, packets):
    """How many of these packets of honeypot i come out."""
    net.outside.take()
    frames = [raw.ethernet(net.outside.mac, net.inside[i].mac, p) for p in packets]
    for frame in frames:
        net.inside[i].send(frame)
    got = net.outside.take_quiet()
    assert [f for f in got if f not in frames] == []
    return len(got)


def syns(i, family, count=50, first=30000):
    src, dst = pair(i, family)
    return [raw.tcp(src, first + n, dst, 80) for n in range(count)]


def other(i, family, count=50):
    """IP protocol 11 to so many machines."""
    src, dst = pair(i, family)
    base = dst.rsplit("." if family == 4 else ":", 1)[0] + ("." if family == 4 else ":")
    return [raw.ip(src, f"{base}{100 + n}", 11, b"secret" * 8) for n in range(count)]


@pytest.mark.parametrize("pot,family", [(0, 4), (1, 6)])
def test_of_50_connections_10_arrive(net, pot, family):
    assert arrive(net, pot, syns(pot, family)) == 10


def test_ipv4_and_ipv6_share_the_budget(net):
    mixed = [p for two in zip(syns(2, 4, 25), syns(2, 6, 25)) for p in two]
    assert arrive(net, 2, mixed) == 10


@pytest.mark.parametrize("pot,family", [(3, 4), (4, 6)])
def test_udp_icmp_and_other_protocols(net, pot, family):
    src, dst = pair(pot, family)
    assert arrive(net, pot, [raw.udp(src, 20000 + n, dst, 5300) for n in range(50)]) == 20
    assert arrive(net, pot, [raw.ping(src, dst, 100 + n) for n in range(50)]) == 20
    assert arrive(net, pot, other(pot, family)) == 5


def test_more_of_a_connection_that_was_let_out_still_leaves(net):
    src, dst = pair(0, 4)
    net.inside[0].take()
    net.outside.send(raw.ethernet(net.inside[0].mac, net.outside.mac,
                                  raw.tcp(dst, 80, src, 30000, "SA", 1, 2)))
    assert len(net.inside[0].take_until(1)) == 1
    assert arrive(net, 0, [raw.tcp(src, 30000, dst, 80, "A", 2, 2, b"more")]) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_new_leaves_a_roach_motel(net, family):
    src, dst = pair(ROACH, family)
    assert arrive(net, ROACH, syns(ROACH, family)) == 0
    assert arrive(net, ROACH, [raw.udp(src, 20000 + n, dst, 5300) for n in range(50)]) == 0
    assert arrive(net, ROACH, [raw.ping(src, dst, n) for n in range(50)]) == 0
    assert arrive(net, ROACH, other(ROACH, family)) == 0


@pytest.mark.parametrize("pot,family", [(5, 4), (5, 6)])
def test_false_source_addresses_do_not_leave(net, pot, family):
    _, dst = pair(pot, family)
    strange = "198.51.100.{}" if family == 4 else "2001:db8:9::{:x}"
    assert arrive(net, pot, [raw.tcp(strange.format(n + 1), 1000, dst, 80) for n in range(50)]) == 0
    neighbour, _ = pair(0, family)
    assert arrive(net, pot, [raw.udp(neighbour, 1000 + n, dst, 53) for n in range(50)]) == 0


@pytest.mark.parametrize("pot", [0, ROACH])
@pytest.mark.parametrize("family", [4, 6])
def test_answers_to_inbound_connections_are_not_hindered(net, pot, family):
    mine, peer = pair(pot, family)
    net.inside[pot].take()
    for n in range(200):
        net.outside.send(raw.ethernet(net.inside[pot].mac, net.outside.mac,
                                      raw.tcp(peer, 10000 + n, mine, 22)))
    assert len(net.inside[pot].take_until(200)) == 200
    answers = [raw.tcp(mine, 22, peer, 10000 + n, "SA", 5, 2) for n in range(200)]
    assert arrive(net, pot, answers) == 200


def test_budgets_survive_kill_of_the_gate_and_of_everything_and_a_restart(net):
    def up_again():
        assert len(probe_inbound(net)) == 1

    assert arrive(net, 5, syns(5, 4, 6)) == 6
    net.gateway.kill("fb-gate")
    wait_for(lambda: probe_inbound(net), 15)
    assert arrive(net, 5, syns(5, 4, 3, 31000)) == 3
    for pid in [net.gateway.pid, *net.gateway.pids().values()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    net.gateway.process.wait()
    time.sleep(0.3)
    assert arrive(net, 5, syns(5, 4, 5, 32000)) == 0  # nobody is there to let it through
    net.start()
    up_again()
    assert arrive(net, 5, syns(5, 6, 25, 33000) + syns(5, 4, 25, 34000)) == 1
    net.gateway.stop()
    net.start()
    up_again()
    assert arrive(net, 5, syns(5, 4, 50, 35000)) == 0
    assert arrive(net, 0, syns(0, 4, 50, 36000)) == 0


def probe_inbound(net):
    mine, peer = pair(5, 4)
    net.inside[5].take()
    net.outside.send(raw.ethernet(net.inside[5].mac, net.outside.mac, raw.udp(peer, 5, mine, 5)))
    return net.inside[5].take_until(1, 0.3)
