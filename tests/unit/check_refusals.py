#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_refusals.py PRINT_REFUSALS: tshark finds no fault in made-up answers, and takes them for answers."""
import shutil
import subprocess
import sys

CHECKS = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum']
# Quoted packets are cut off and have no checksum that could be checked; answers are never quoted themselves.
FAULT = ('_ws.malformed || ip.checksum.status == "Bad" || ip.checksum.status == "Unverified" '
         '|| tcp.checksum.status == "Bad" || icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad"')
KINDS = {
    'tcp.flags.reset == 1': 19 * 2 * 6,
    'icmp.type == 3 && icmp.code == 3': 19 * 7,
    'icmp.type == 3 && icmp.code == 1': 19 * 15,
    'icmpv6.type == 1 && icmpv6.code == 4': 19 * 7,
    'icmpv6.type == 1 && icmpv6.code == 3': 19 * 15,
}


def main():
    if not shutil.which('tshark'):
        print('skipped: tshark is not installed')
        sys.exit(77)
    capture = subprocess.check_output([sys.argv[1]])

    def frames(condition):
        options = [word for name in CHECKS for word in ('-o', f'{name}:TRUE')]
        return subprocess.run(['tshark', '-n', *options, '-r', '-', '-Y', condition], input=capture, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().splitlines()

    faults = frames(FAULT)
    assert not faults, faults[:5]
    for condition, count in KINDS.items():
        assert len(frames(condition)) == count, (condition, len(frames(condition)), count)
    # A known fault is found, so the conditions above mean something.
    at = capture.index(bytes([0x45, 0x00]))
    capture = capture[:at + 10] + bytes([capture[at + 10] ^ 1]) + capture[at + 11:]
    assert len(frames(FAULT)) == 1
    print('tshark agrees')


main()
