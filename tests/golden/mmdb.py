# SPDX-License-Identifier: Apache-2.0
"""A small writer of MMDB files (the MaxMind DB file format specification, 2.0): 24-bit records, IPv6 trees."""
import ipaddress
import struct


def value(item):
    if isinstance(item, dict):
        return head(7, len(item)) + b''.join(value(key) + value(item[key]) for key in item)
    if isinstance(item, str):
        data = item.encode()
        return head(2, len(data)) + data
    return number(item, 6)


def number(item, kind):
    data = item.to_bytes((item.bit_length() + 7) // 8, 'big')
    return (head(kind, len(data)) if kind < 8 else bytes([len(data), kind - 7])) + data


def head(kind, size):
    """Of types up to 7, in the control byte itself; sizes below 285."""
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])


def array(items):
    """Type 11 - 7, in a byte of its own."""
    return bytes([len(items), 4]) + b''.join(map(value, items))


def bits_of(net):
    """IPv4 lies below ::/96."""
    net = ipaddress.ip_network(net)
    length = net.prefixlen + (96 if net.version == 4 else 0)
    return [int(net.network_address) >> 127 - n & 1 for n in range(length)]


def insert(node, bits, item):
    """Shorter prefixes come first; a longer one splits what they left."""
    for n, bit in enumerate(bits):
        if n == len(bits) - 1:
            node[bit] = item
            return
        if not isinstance(node[bit], list):
            node[bit] = [node[bit], node[bit]]
        node = node[bit]


def numbered(root):
    nodes = [root]
    for node in nodes:
        nodes += [child for child in node if isinstance(child, list)]
    return nodes


def make(nets):
    """{'192.0.2.0/24': {...}, ...} as a file."""
    root, items, data, place = [None, None], list(nets.values()), b'', {}
    for n, (net, _) in sorted(enumerate(nets.items()), key=lambda pair: len(bits_of(pair[1][0]))):
        insert(root, bits_of(net), n)
    for n, item in enumerate(items):
        place[n] = len(data)
        data += value(item)
    nodes = numbered(root)
    index = {id(node): n for n, node in enumerate(nodes)}

    def record(child):
        if isinstance(child, list):
            return index[id(child)]
        return len(nodes) if child is None else len(nodes) + 16 + place[child]

    tree = b''.join(struct.pack('>I', record(child))[1:] for node in nodes for child in node)
    about = {'binary_format_major_version': number(2, 5), 'binary_format_minor_version': number(0, 5),
             'build_epoch': number(1700000000, 9), 'database_type': value('Test'), 'ip_version': number(6, 5),
             'node_count': number(len(nodes), 6), 'record_size': number(24, 5), 'languages': array(['en']),
             'description': value({'en': 'test'})}
    meta = head(7, len(about)) + b''.join(value(key) + about[key] for key in about)
    return tree + bytes(16) + data + b'\xab\xcd\xefMaxMind.com' + meta
