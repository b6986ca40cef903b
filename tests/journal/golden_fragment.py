#!/usr/bin/env python3
"""Prints golden_fragment.hpp: one journal fragment, laid out here by hand from the tables in
journal/journal_format.hpp, journal/record_format.hpp and crypto/seal_format.hpp, and sealed by
calling libsodium (and Python's own BLAKE2b) directly.  Nothing of Coffer's code takes part.

Usage: golden_fragment.py > golden_fragment.hpp
"""

import ctypes
import hashlib
import struct

KEY = bytes(range(32))
STORE = bytes(range(0xA0, 0xB0))
GENERATION = bytes(range(0x10, 0x20))
PREVIOUS_TAG = bytes(range(0x50, 0x60))
NONCE_PREFIX = bytes(range(0xC0, 0xD4))
EPOCH, POSITION, COMMIT, DURABLE = 3, 0x13000, 42, 0x12000

sodium = ctypes.CDLL("libsodium.so.23")
assert sodium.sodium_init() >= 0


def associated(role, a, b):
    return STORE + struct.pack("<BBHIQQ", role, 0, 0, EPOCH, a, b) + b"coffer/1"


def xchacha(data, ad, nonce):
    out = ctypes.create_string_buffer(len(data))
    tag = ctypes.create_string_buffer(16)
    sodium.crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
        out, tag, None, data, ctypes.c_ulonglong(len(data)), ad, ctypes.c_ulonglong(len(ad)),
        None, nonce, KEY)
    return out.raw, tag.raw


def none(data, ad, nonce):
    return data, hashlib.blake2b(ad + nonce + data, digest_size=16).digest()


def body():
    used = bytes(range(1, 21))
    blocks = bytes(range(0x80, 0x90))
    tag = bytes(range(0xE0, 0xF0))
    return b"".join([
        b"\x01" + struct.pack("<QI", 7, len(used)) + used,
        b"\x02" + struct.pack("<QI", 8, len(used)) + used,
        b"\x03" + struct.pack("<QQQI", 9, 41, 0x8000000000000001, len(blocks)) + blocks,
        b"\x04" + struct.pack("<QQII", 10, 0x010203040506, 4000, 3) + tag,
        b"\x05" + struct.pack("<QQII", 11, 0x111213141516, 16, 2) + tag,
        b"\x06" + struct.pack("<Q", 12),
        b"\x07" + struct.pack("<QI", 1000, 17),
        b"\x08" + struct.pack("<QIQ", 2000, 18, 40),
        b"\x09" + struct.pack("<QQ", 77, 88),
    ])


def fragment(seal):
    plain = body()
    # Padded with zeros to a multiple of 256; 176 bytes before it, and 4,096 in a block of the grid.
    assert 176 + len(plain) <= 4096
    plain += bytes(min(-len(plain) % 256, 4096 - 176 - len(plain)))
    body_nonce = NONCE_PREFIX + struct.pack("<I", 0)
    header_nonce = NONCE_PREFIX + struct.pack("<I", 1)
    sealed, body_tag = seal(plain, associated(6, POSITION, COMMIT), body_nonce)
    header = struct.pack("<QQ", POSITION, COMMIT) + GENERATION + PREVIOUS_TAG
    header += struct.pack("<QIIII", DURABLE, len(plain), 0, 1, 1) + body_tag + bytes(24)
    assert len(header) == 112
    sealed_header, header_tag = seal(header, associated(5, POSITION, 0), header_nonce)
    return header_nonce + sealed_header + header_tag + body_nonce + sealed


def show(name, data):
    print(f"inline constexpr std::array<unsigned char, {len(data)}> {name} = {{")
    for at in range(0, len(data), 14):
        print("    " + " ".join(f"0x{b:02x}," for b in data[at:at + 14]))
    print("};")


print("// Made by golden_fragment.py; not by Coffer.")
print("// clang-format off")
print("#pragma once\n\n#include <array>\n\nnamespace coffer::journal::golden {\n")
show("kEncrypted", fragment(xchacha))
print()
show("kUnencrypted", fragment(none))
print("\n}  // namespace coffer::journal::golden")
