#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the kernel out of a bzImage that is packed with XZ or Zstandard.

usage: vmlinux.py VMLINUZ VMLINUX.GZ

What comes out is an ELF file packed with gzip's fastest method: Xen unpacks
that several times as fast, which counts where the CPU is emulated.
"""
import gzip
import lzma
import pathlib
import struct
import subprocess
import sys

XZ = b"\xfd7zXZ\x00"
ZSTANDARD = b"\x28\xb5\x2f\xfd"


def payload(image):
    """What is packed, by the header of the boot protocol, without its length behind it."""
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    return image[start : start + length - 4]


def unpack(packed):
    if packed.startswith(XZ):
        return lzma.decompress(packed, format=lzma.FORMAT_XZ)
    if packed.startswith(ZSTANDARD):
        return subprocess.run(["zstd", "-dcq"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    return b""


if len(sys.argv) != 3:
    sys.exit(__doc__)
vmlinux = unpack(payload(pathlib.Path(sys.argv[1]).read_bytes()))
if not vmlinux.startswith(b"\x7fELF"):
    sys.exit("vmlinux.py: no ELF kernel in there that is packed with XZ or Zstandard")
pathlib.Path(sys.argv[2]).write_bytes(gzip.compress(vmlinux, compresslevel=1))
