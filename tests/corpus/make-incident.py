#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sequences of records into tests/corpus/incident, as tests/fuzz/fuzz_incident.c reads them."""
import pathlib

HERE = pathlib.Path(__file__).parent / 'incident'
FLOW, DROP, ALERT, LOGIN, CHAT, DECODED, FILE, TYPED, HTTP, DNS, GATE, SMTP, STATS, TLS, HOST, SAVE = range(16)
IN, OUT, INTERNAL = 1, 2, 3
SECOND, MINUTE, HOUR = 1 << 6 | 2, 2 << 6 | 2, 3 << 6 | 2
FILE_JSON = b'{"fileinfo":{"filename":"x","size":7,"sha256":"%064x"}}'


def step(what, who=IN, outside=1, pot=1, time=SECOND, where=0, more=0, text=b'', high=0):
    return bytes((what | high << 4, who | outside << 2 | pot << 5, time, where, more, len(text))) + text


def write(name, *steps):
    (HERE / name).write_bytes(b''.join(steps))


def main():
    HERE.mkdir(exist_ok=True)
    saves = (step(SAVE), step(SAVE, who=3, pot=2, time=1, where=3, more=9))
    write('scan', *(step(FLOW, pot=n, where=4, more=3) for n in range(8)), step(STATS, time=HOUR), step(STATS, time=HOUR))
    write('brute', *(step(LOGIN, where=1, text=b'root') for _ in range(20)), step(LOGIN, where=4, text=b'root'), saves[0],
          step(GATE, OUT, outside=2, where=3), step(HTTP, OUT, outside=2, where=3, text=b'{"http":{"hostname":"h","url":"/x"}}'),
          step(FILE, outside=2, where=7, more=3, text=FILE_JSON % 1), *(step(CHAT, OUT, outside=3, where=6, text=b'hi') for _ in range(9)),
          *(step(DROP, OUT, outside=n % 8, time=MINUTE, where=24, more=200, high=9) for n in range(30)), saves[1])
    write('typed', *(step(TYPED, time=n * 7 % 64 | 2 << 6, where=1, text=b'{"telnet":{"command":"w%d"}}' % n) for n in range(9)), *saves,
          step(STATS, time=HOUR), *(step(STATS, time=HOUR) for _ in range(9)))
    write('files', step(FILE, where=7, text=FILE_JSON % 1), step(FILE, outside=2, where=7, text=FILE_JSON % 1), saves[0],
          step(FILE, OUT, where=0, more=7, text=FILE_JSON % 2), step(DECODED, text=b'killall -9 ttserve'))
    write('places', step(HOST, text=b'Example AS', more=3), step(LOGIN, where=4, text=b'root'), saves[0], step(HOST, more=0),
          step(HOST, text=b'\xff' * 200, more=255), step(STATS, time=HOUR), saves[1], step(STATS, time=HOUR))
    write('backdoor', step(FLOW, where=3 << 3, more=2), step(FLOW, OUT, outside=2, where=0, more=0x40, high=2), saves[1],
          step(ALERT, text=b'x' * 100, more=1), step(ALERT, OUT, text=b'y', more=12), step(DNS, OUT, text=b'{"dns":{"queries":[{"rrname":"a"}]}}'))


if __name__ == '__main__':
    main()
