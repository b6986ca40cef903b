#!/usr/bin/env python3
"""Computes golden_values.hpp: what Coffer's crypto formats must give, from another program.

Nothing here shares code with Coffer or libsodium: BLAKE2b is Python's own, XChaCha20-Poly1305 is
written out below from RFC 8439 and draft-irtf-cfrg-xchacha-03 and checked against the draft's vector,
and the layouts are typed in again from the tables in crypto/seal_format.hpp and
crypto/key_header_format.hpp.

    python3 tests/crypto/golden_values.py > tests/crypto/golden_values.hpp
"""
import hashlib
import struct

P = 2**130 - 5
MASK = 0xFFFFFFFF


def quarter(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & MASK
        s[z] ^= s[x]
        s[z] = ((s[z] << turn) | (s[z] >> (32 - turn))) & MASK


def rounds(state):
    s = list(state)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, a, b, c, d)
    return s


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def hchacha(key, nonce16):
    s = rounds(SIGMA + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def block(key, counter, nonce12):
    state = SIGMA + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce12)
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(rounds(state), state)))


def stream(key, nonce12, size):
    out = b"".join(block(key, 1 + i, nonce12) for i in range((size + 63) // 64))
    return out[:size]


def subkey(key, nonce):
    return hchacha(key, nonce[:16]), b"\0" * 4 + nonce[16:]


def pad16(data):
    return data + b"\0" * (-len(data) % 16)


def poly_key(key, nonce):
    k, n = subkey(key, nonce)
    first = block(k, 0, n)
    r = int.from_bytes(first[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    return r, int.from_bytes(first[16:32], "little")


def poly_blocks(ad, ct):
    data = pad16(ad) + pad16(ct) + struct.pack("<QQ", len(ad), len(ct))
    return [int.from_bytes(data[i:i + 16], "little") + 2**128 for i in range(0, len(data), 16)]


def poly(r, s, blocks):
    h = 0
    for b in blocks:
        h = (h + b) * r % P
    return ((h + s) % 2**128).to_bytes(16, "little")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def aead(key, nonce, ad, plain):
    k, n = subkey(key, nonce)
    ct = xor(plain, stream(k, n, len(plain)))
    return ct, poly(*poly_key(key, nonce), poly_blocks(ad, ct))


def check_against_the_draft():
    plain = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
             b"future, sunscreen would be it.")
    ct, tag = aead(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)),
                   bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), plain)
    assert ct.hex().startswith("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb")
    assert tag.hex() == "c0875924c1c7987947deafd8780acf49"


def blake(data, key=b"", size=32):
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def kdf(key, context, number):
    """libsodium's crypto_kdf_blake2b_derive_from_key."""
    return hashlib.blake2b(b"", key=key, digest_size=32, salt=struct.pack("<QQ", number, 0),
                           person=context + b"\0" * 8).digest()


def associated(store, role, level, epoch, a, b):
    return store + struct.pack("<BBHIQQ", role, level, 0, epoch, a, b) + b"coffer/1"


STORE = bytes(range(0x00, 0x10))     # what a counting entropy source gives first,
DATA_KEY = bytes(range(0x10, 0x30))  # second
PREFIX = bytes(range(0x30, 0x44))    # and third
NONCE = PREFIX + b"\0" * 4


def slot(kek, store, wrapped, tag, nonce=NONCE, number=0):
    body = struct.pack("<BBHIII Q", 1, 1, 0, 1, 0, 0, 0) + b"\0" * 16 + nonce + wrapped + tag
    assert len(body) == 112
    version_suite = struct.pack("<IHH", 1, 1, 0)
    commitment = blake(version_suite + store + bytes([number]) + body, kdf(kek, b"cofferKE", 1))
    return (body + commitment).ljust(256, b"\0")


def header(slots, data_key, suite=1, page_bytes=4096, generation=1, store=STORE, salts=()):
    head = b"COFFERK1" + struct.pack("<IHHIIQ", 1, suite, 0, page_bytes, 1 + len(salts), generation)
    head += store + b"\0" * 16
    body = (head + slots).ljust(2112, b"\0") + struct.pack("<II", len(salts), 0) + b"".join(salts)
    body = body.ljust(4032, b"\0")
    body += blake(body)
    return body + blake(body, kdf(data_key, b"cofferDK", 4) if data_key else b"")


def salts_from(first, count):
    """What a counting entropy source, at `first`, gives for `count` derived epochs."""
    numbers = bytes((first + i) % 256 for i in range(32 * count))
    return [numbers[i:i + 32] for i in range(0, len(numbers), 32)]


def epoch_key(epoch, salt):
    """The data key of a derived epoch."""
    return blake(b"epoch" + struct.pack("<I", epoch) + salt, kdf(DATA_KEY, b"cofferDK", 7))


def wrap_place(store):
    return associated(store, 8, 0, 1, 1, 0)


def honest_slot(kek):
    wrapped, tag = aead(kdf(kek, b"cofferKE", 2), NONCE, wrap_place(STORE), DATA_KEY)
    return slot(kek, STORE, wrapped, tag)


def collide(key1, key2, nonce, ad):
    """32 bytes of ciphertext and one tag that both keys accept.

    The tags are P1 + s1 and P2 + s2 mod 2^128, and both P are linear in the last ciphertext block x,
    whose coefficient is r^2.  So x is solved for, until it is a block (2^128 <= x < 2^129).
    """
    (r1, s1), (r2, s2) = poly_key(key1, nonce), poly_key(key2, nonce)
    inverse = pow(r1 * r1 - r2 * r2, -1, P)

    def rest(r, blocks):  # what the hash is when the fifth block is zero
        h = 0
        for i, b in enumerate(blocks):
            h = (h + (0 if i == 4 else b)) * r % P
        return h

    for trial in range(10000):
        first = struct.pack("<QQ", trial, 0)
        blocks = poly_blocks(ad, first + b"\0" * 16)
        for turn in range(-4, 5):
            x = (s2 - s1 + turn * 2**128 - rest(r1, blocks) + rest(r2, blocks)) * inverse % P
            if not 2**128 <= x < 2**129:
                continue
            ct = first + (x - 2**128).to_bytes(16, "little")
            tags = [poly(r, s, poly_blocks(ad, ct)) for r, s in ((r1, s1), (r2, s2))]
            if tags[0] == tags[1]:
                return ct, tags[0]
    raise AssertionError("no collision found")


def emit(name, value):
    text = value.hex()
    print(f"inline constexpr std::string_view {name} =")
    lines = [text[i:i + 88] for i in range(0, len(text), 88)]
    print("\n".join(f'    "{line}"' for line in lines) + ";")


def main():
    check_against_the_draft()
    kek = bytes(range(0x40, 0x60))
    print("// Made by golden_values.py, which says how.  Not for editing.")
    print("#pragma once\n\n#include <string_view>\n\nnamespace golden {\n")

    place = associated(STORE, 6, 2, 3, 0x1122334455667788, 0x99AABBCCDDEEFF00)
    emit("kAssociated", place)
    plain = bytes(range(100))
    emit("kSealKey", kek)
    ct, tag = aead(kek, NONCE, place, plain)
    emit("kSealed", ct)
    emit("kSealedTag", tag)
    emit("kChecksumTag", blake(place + NONCE + plain, size=16))

    emit("kFiller", block(bytes(range(32)), 0, b"\0" * 12))

    copy = header(honest_slot(kek), DATA_KEY)
    emit("kHead", copy[:64])
    emit("kSlot", copy[64:320])
    emit("kChecks", copy[4032:])
    emit("kHeaderHash", blake(copy))
    keyless = header(b"", b"", suite=0, page_bytes=65536)
    emit("kKeylessHead", keyless[:64])
    emit("kKeylessChecks", keyless[4032:])

    page_place = associated(STORE, 1, 0, 1, 7, 0)
    for name, number in (("kPagesTag", 1), ("kJournalTag", 2), ("kSuperblockTag", 3)):
        emit(name, aead(kdf(DATA_KEY, b"cofferDK", number), NONCE, page_place, plain)[1])
    emit("kAnchor", blake(b"onetwo", kdf(DATA_KEY, b"cofferDK", 5)))

    first, second = b"\x01" * 32, b"\x02" * 32
    wrap1, wrap2 = (kdf(k, b"cofferKE", 2) for k in (first, second))
    ct, tag = collide(wrap1, wrap2, NONCE, wrap_place(STORE))
    data1, data2 = (xor(ct, stream(*subkey(k, NONCE), 32)) for k in (wrap1, wrap2))
    assert data1 != data2
    forged = header(slot(first, STORE, ct, tag), data1)
    emit("kTwoKeyWrapping1", wrap1)
    emit("kTwoKeyWrapping2", wrap2)
    emit("kTwoKeySlot", forged[64:320])
    emit("kTwoKeyChecks", forged[4032:])

    # Renewed: the salts are what the counting source gives after store id, data key and nonce.
    salts = salts_from(0x44, 59)
    for name, count in (("kOnce", 1), ("kTwice", 2), ("kFull", 59)):
        renewed = header(honest_slot(kek), DATA_KEY, generation=1 + count, salts=salts[:count])
        assert len(renewed) == 4096
        if count < 59:
            emit(name + "Head", renewed[:64])
            emit(name + "Salts", renewed[2112:2112 + 8 + 32 * count])
            emit(name + "Checks", renewed[4032:])
        emit(name + "HeaderHash", blake(renewed))
    for epoch in (2, 3, 60):
        data_key = epoch_key(epoch, salts[epoch - 2])
        place = associated(STORE, 1, 0, epoch, 7, 0)
        for name, number in (("Pages", 1), ("Journal", 2), ("Superblock", 3)):
            emit(f"kEpoch{epoch}{name}Tag",
                 aead(kdf(data_key, b"cofferDK", number), NONCE, place, plain)[1])
        emit(f"kEpoch{epoch}Anchor", blake(b"onetwo", kdf(data_key, b"cofferDK", 5)))
        emit(f"kEpoch{epoch}Backup", blake(bytes(range(32)), kdf(data_key, b"cofferDK", 6)))
    keyless_renewed = header(b"", b"", suite=0, page_bytes=65536, generation=3,
                             salts=salts_from(0x10, 2))
    emit("kKeylessTwice", keyless_renewed[:64] + keyless_renewed[2112:2184])
    emit("kKeylessTwiceChecks", keyless_renewed[4032:])
    print("\n}  // namespace golden")


main()
