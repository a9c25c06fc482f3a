# SPDX-License-Identifier: Apache-2.0
"""Data NICs: silent, gated before link-up, in a namespace of their own, and back again."""
import errno
import queue
import subprocess
import threading
import time

import pytest

from portlab import Lab, Wire, inside, ip


@pytest.fixture
def lab(build):
    lab = Lab(build)
    lab.ns = f'{lab.run}data'
    yield lab
    lab.close()
    subprocess.run(['ip', 'netns', 'del', lab.ns], check=False, capture_output=True)


def namespaces():
    return set(subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True, check=True).stdout.split())


def links(ns):
    out = subprocess.run(['ip', '-n', ns, '-o', 'link'], capture_output=True, text=True, check=True).stdout
    return {line.split()[1].split('@')[0].rstrip(':') for line in out.splitlines()}


def rules(ns):
    return subprocess.run(['ip', 'netns', 'exec', ns, 'nft', 'list', 'ruleset'],
                          capture_output=True, text=True, check=True).stdout


class Lines:
    """What a program prints, line by line, with an end to waiting."""

    def __init__(self, process):
        self.process, self.queue = process, queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put(line.strip())

    def until(self, wanted, seconds=5):
        """Skips lines up to the one wanted."""
        seen = []
        while wanted not in seen:
            try:
                seen.append(self.queue.get(timeout=seconds))
            except queue.Empty:
                raise AssertionError(f'{wanted} not in {seen}') from None

    def say(self, line, wanted):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        self.until(wanted)


def hold(lab, data_netns, *nics):
    process = lab.start('nictool', 'hold', data_netns, *nics)
    first = process.stdout.readline()
    assert first.startswith('ready'), first
    return Lines(process), first.split()[1:]


def refusal(lab, *args):
    process = lab.start('nictool', 'hold', *args)
    text = process.stdout.readline().strip()
    assert process.wait(5) == 1
    return text


def test_silent_from_start_to_stop(lab):
    """Nothing leaves either NIC, whatever the kernel would like to say: IPv6 is on at the start."""
    lab.sysctl(lab.g, 'net/ipv6/conf/all/disable_ipv6', 0)
    ip('-n', lab.g, 'link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'other2')
    ip('-n', lab.g, 'link', 'set', 'g0', 'down')
    ip('-n', lab.g, 'addr', 'add', '10.9.0.9/24', 'dev', 'g1')
    a, b = Wire(lab.a, 'e0'), Wire(lab.b, 'e0')
    b.all(2)  # g1 was up: let its first words pass
    process, ns = hold(lab, lab.ns, 'g0', 'g1')
    assert ns == [lab.ns] and {'g0', 'g1'} <= links(lab.ns)
    ip('-n', lab.ns, 'addr', 'add', '10.9.0.9/24', 'dev', 'g1')
    subprocess.run(['ip', 'netns', 'exec', lab.ns, 'ping', '-c1', '-W1', '10.9.0.2'], check=False, capture_output=True)
    ip('-n', lab.ns, 'link', 'set', 'g1', 'down')
    ip('-n', lab.ns, 'link', 'set', 'g1', 'up')
    process.say('port 0', 'port 0')
    process.say('restore', 'restored 0')
    assert a.all(0.5) == [] and b.all(0.5) == []
    assert {'g0', 'g1'} <= links(lab.g)


def test_killed_and_found_again(lab):
    ip('-n', lab.g, 'link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'other2')
    process, ns = hold(lab, 'auto', 'g0', 'g1')
    assert ns[0].startswith('fishbowl-data-g0-')  # the number of this network namespace behind it
    process.process.kill()
    process.process.wait()
    time.sleep(0.3)
    assert {'g0', 'g1'} <= links(ns[0])
    assert rules(ns[0]).count('policy drop') == 4
    process, again = hold(lab, 'auto', 'g0', 'g1')
    assert again == ns and ns[0] in namespaces()
    process.say('restore', 'restored 0')
    assert {'g0', 'g1'} <= links(lab.g)
    assert ns[0] not in namespaces()


@pytest.mark.parametrize('data_netns', ['auto', 'no'])
def test_stays(lab, data_netns):
    process, ns = hold(lab, data_netns, 'g0', 'g1')
    assert ns == [] and rules(lab.g).count('policy drop') == 4
    with inside(lab.g):
        assert open('/proc/sys/net/ipv6/conf/g0/disable_ipv6').read() == '1\n'
        assert open('/proc/sys/net/ipv4/conf/g1/arp_ignore').read() == '8\n'
    process.say('restore', 'restored 0')
    assert rules(lab.g).count('policy drop') == 4


def test_gone_and_back(lab):
    process, _ = hold(lab, lab.ns, 'g0', 'g1')
    ip('-n', lab.a, 'link', 'set', 'e0', 'down')
    process.until('g0 down')
    ip('-n', lab.a, 'link', 'set', 'e0', 'up')
    process.until('g0 up')
    ip('-n', lab.b, 'link', 'del', 'e0')
    process.until('g1 gone')
    ip('link', 'add', 'e0', 'netns', lab.b, 'type', 'veth', 'peer', 'name', 'g1', 'netns', lab.g)
    process.until('g1 back')
    process.say('again 1', 'prepared')
    ip('-n', lab.b, 'link', 'set', 'e0', 'up')
    process.until('g1 up')
    assert 'g1' in links(lab.ns) and rules(lab.ns).count('policy drop') == 4
    process.say('port 1', 'port 0')


def in_ns(ns, *command):
    subprocess.run(['ip', 'netns', 'exec', ns, *command], check=True, capture_output=True)


@pytest.mark.parametrize('change', [
    ('ethtool', '-K', 'g1', 'tx', 'on'),
    ('ethtool', '-K', 'g1', 'tx', 'on', 'tso', 'on'),
    ('tc', 'qdisc', 'add', 'dev', 'g1', 'root', 'pfifo'),
], ids=lambda change: change[0] + change[-2])
def test_uncut(lab, change):
    """A prepared NIC without a queue is one whose kernel cuts; who changes that is noticed, once."""
    process, _ = hold(lab, lab.ns, 'g0', 'g1')
    process.say('merged 0', 'merged 0')
    process.say('merged 1', 'merged 0')
    in_ns(lab.ns, 'ip', 'link', 'set', 'g0', 'down')
    process.until('g0 down')
    in_ns(lab.ns, *change)
    process.until('g1 uncut')
    process.say('merged 1', f'merged {-errno.EOPNOTSUPP}')
    in_ns(lab.ns, 'ip', 'link', 'set', 'g1', 'mtu', '1400')
    process.process.stdin.write('quit\n')
    process.process.stdin.flush()
    assert process.process.wait(5) == 0
    assert process.queue.empty()


def test_locked(lab):
    """No mark opens the gate, for a NIC that comes back neither, until it is unlocked."""
    process, _ = hold(lab, lab.ns, 'g0', 'g1')
    assert rules(lab.ns).count('accept') == 2
    process.say('lock 1', 'done')
    assert rules(lab.ns).count('policy drop') == 4 and 'accept' not in rules(lab.ns)
    ip('-n', lab.ns, 'link', 'del', 'g1')
    process.until('g1 gone')
    ip('-n', lab.g, 'link', 'add', 'g1', 'type', 'veth', 'peer', 'name', 'b9')
    process.until('g1 back')
    process.say('again 1', 'prepared')
    assert rules(lab.ns).count('policy drop') == 4 and 'accept' not in rules(lab.ns)
    process.say('lock 0', 'done')
    assert rules(lab.ns).count('accept') == 2


def test_refusals(lab):
    assert refusal(lab, 'no', 'g0', 'eth7') == \
        'eth7: no such network interface in this network namespace; `ip link` lists them'
    assert refusal(lab, 'no', 'g0', 'g0') == 'g0: is named twice'
    assert 'is the loopback' in refusal(lab, 'no', 'g0', 'lo')
    assert 'is not a namespace name' in refusal(lab, '../x', 'g0', 'g1')
    ip('-n', lab.g, 'link', 'set', 'g1', 'mtu', '1400')
    assert refusal(lab, 'no', 'g0', 'g1') == 'g1: MTU 1400 differs from 1500 of g0; `ip link set g1 mtu 1500`'
    ip('-n', lab.g, 'link', 'add', 'brx', 'type', 'bridge')
    ip('-n', lab.g, 'link', 'set', 'g0', 'master', 'brx')
    assert 'ip link set g0 nomaster' in refusal(lab, 'no', 'g0', 'g1')


def test_mute(lab):
    """The self-test can fail: the same probes are answered by a NIC that was not prepared."""
    def mute(how):
        out = subprocess.run(['ip', 'netns', 'exec', lab.g, lab.build / 'tests/lab/nictool', 'mute', how],
                             capture_output=True, text=True, check=True, timeout=10).stdout
        return dict(line.rsplit(': ', 1) for line in out.splitlines())

    assert mute('prepared') == {'link up': '0', 'total': '0'}
    answers = mute('unprepared')
    assert {'ARP request, broadcast', 'ARP request, unicast', 'ICMP echo', 'TCP SYN'} <= set(answers)
    assert int(answers['link up']) > 0
    assert links(lab.g) == {'lo', 'g0', 'g1'}
