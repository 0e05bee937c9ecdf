#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the kernel out of a bzImage that is packed with XZ.

usage: vmlinux.py VMLINUZ VMLINUX.GZ

What comes out is an ELF file packed with gzip's fastest method: Xen unpacks
that several times as fast, which counts where the CPU is emulated.
"""
import gzip
import lzma
import pathlib
import sys

MAGIC = b"\xfd7zXZ\x00"


def unpack(image):
    at = image.find(MAGIC)
    while at >= 0:
        try:
            kernel = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(image[at:])
        except lzma.LZMAError:
            kernel = b""
        if kernel.startswith(b"\x7fELF"):
            return kernel
        at = image.find(MAGIC, at + 1)
    sys.exit("vmlinux.py: no XZ-packed ELF kernel in there")


if len(sys.argv) != 3:
    sys.exit(__doc__)
vmlinux = unpack(pathlib.Path(sys.argv[1]).read_bytes())
pathlib.Path(sys.argv[2]).write_bytes(gzip.compress(vmlinux, compresslevel=1))
