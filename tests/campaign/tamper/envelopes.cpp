// Key headers that somebody made to measure.
//
// Two-key envelopes.  XChaCha20-Poly1305 does not commit to its key: who knows two key-encryption keys makes one
// wrapped key, with one tag, that opens under both, to two data keys.  A store that somebody hands over would then be
// one thing to the holder of one key and another to the holder of the other.  The slot's commitment is against that:
// it fits one of the keys, and the other one is a wrong key.
//
// How such an envelope is made.  Poly1305 of the 48 bytes of additional data, the two blocks c1 and c2 of ciphertext and
// the lengths is, modulo p = 2^130 - 5 and with r and s of the key and nonce,
//   tag = (known(r) + (c1 + 2^128) r^3 + (c2 + 2^128) r^2 mod p) + s  mod 2^128.
// For a tag T and a guess of the bits above 128, both keys together give two linear equations for the two blocks; about
// each sixteenth T has a solution in which both blocks have 128 bits.
//
// Altered headers.  Any field changed, with the checksum, which needs no key, made to fit.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <boost/multiprecision/cpp_int.hpp>
#include <cstring>

#include "crypto/key_header.hpp"
#include "crypto/key_header_format.hpp"
#include "crypto/seal_format.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

namespace {

namespace layout = crypto::key_header_format;
using boost::multiprecision::cpp_int;
using crypto::KeyRing;
using platform::SimulatedPlatform;

using KeyBytes = std::array<std::byte, 32>;

const cpp_int kTwo128 = cpp_int(1) << 128;
const cpp_int kPrime = (cpp_int(1) << 130) - 5;

unsigned char* octets(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* octets(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

KeyBytes derived(const KeyBytes& from, const char* context, std::uint64_t number) {
  KeyBytes out;
  crypto_kdf_derive_from_key(octets(out.data()), out.size(), number, context, octets(from.data()));
  return out;
}

cpp_int number_of(std::span<const std::byte> bytes) {
  cpp_int number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    number = (number << 8) + std::to_integer<unsigned>(bytes[i]);
  }
  return number;
}
void put_number(std::span<std::byte> out, cpp_int number) {
  for (std::byte& b : out) {
    b = static_cast<std::byte>(static_cast<unsigned>(number & 0xff));
    number >>= 8;
  }
}
cpp_int modulo(const cpp_int& n) {
  const cpp_int rest = n % kPrime;
  return rest < 0 ? rest + kPrime : rest;
}
cpp_int inverse(const cpp_int& n) {
  return cpp_int(boost::multiprecision::powm(modulo(n), cpp_int(kPrime - 2), kPrime));
}

/// Poly1305 under one key and nonce, of everything but the ciphertext.
struct OneTimeKey {
  cpp_int r;
  cpp_int s;
  cpp_int known;

  OneTimeKey(const KeyBytes& key, const crypto::Nonce& nonce,
             std::span<const std::byte> associated) {
    std::array<std::byte, 32> first{};
    crypto_stream_xchacha20(octets(first.data()), first.size(), octets(nonce.data()),
                            octets(key.data()));
    for (const std::size_t at : {3u, 7u, 11u, 15u}) first[at] &= std::byte{0x0f};
    for (const std::size_t at : {4u, 8u, 12u}) first[at] &= std::byte{0xfc};
    r = number_of(std::span(first).first(16));
    s = number_of(std::span(first).subspan(16));
    std::array<std::byte, 16> lengths{};
    lengths[0] = std::byte{48};
    lengths[8] = std::byte{32};
    const auto power = [this](unsigned e) {
      return cpp_int(boost::multiprecision::powm(r, cpp_int(e), kPrime));
    };
    known = (number_of(lengths) + kTwo128) * r;
    for (unsigned block = 0; block < 3; ++block) {
      known += (number_of(associated.subspan(16 * block, 16)) + kTwo128) * power(6 - block);
    }
  }
  /// c1 r + c2, both with their bit 128, for a tag with `above` in the bits that it does not show.
  [[nodiscard]] cpp_int line(const cpp_int& tag, unsigned above) const {
    const cpp_int sum = ((tag - s + kTwo128) % kTwo128) + above * kTwo128;
    return modulo((sum - known) * inverse(r * r));
  }
};

struct Envelope {
  crypto::Nonce nonce{};
  KeyBytes wrapped{};
  crypto::Tag tag{};
};

crypto::AssociatedData place_of(std::size_t slot) {
  return {.role = crypto::Role::wrapped_key,
          .level = static_cast<std::uint8_t>(slot),
          .epoch = 1,
          .a = 1,
          .b = 0};
}

Envelope two_key_envelope(const KeyBytes& one, const KeyBytes& two, const crypto::StoreId& store,
                          std::size_t slot, std::mt19937_64& rng) {
  Envelope envelope;
  for (std::byte& b : envelope.nonce) b = static_cast<std::byte>(rng());
  const auto associated = crypto::seal_format::encode(store, place_of(slot));
  const OneTimeKey a(one, envelope.nonce, associated);
  const OneTimeKey b(two, envelope.nonce, associated);
  const cpp_int difference = inverse(a.r - b.r);
  for (;;) {
    for (std::byte& t : envelope.tag) t = static_cast<std::byte>(rng());
    const cpp_int tag = number_of(envelope.tag);
    const cpp_int ya = a.line(tag, static_cast<unsigned>(rng() % 3));
    const cpp_int yb = b.line(tag, static_cast<unsigned>(rng() % 3));
    const cpp_int c1 = modulo((ya - yb) * difference);
    const cpp_int c2 = modulo(ya - c1 * a.r);
    if ((c1 >> 128) != 1 || (c2 >> 128) != 1) continue;
    put_number(std::span(envelope.wrapped).first(16), c1 - kTwo128);
    put_number(std::span(envelope.wrapped).subspan(16), c2 - kTwo128);
    return envelope;
  }
}

KeyBytes opened(const Envelope& envelope, const KeyBytes& wrapping, const crypto::StoreId& store,
                std::size_t slot) {
  KeyBytes data;
  if (!crypto::Sealer(crypto::Suite::xchacha20poly1305, store, wrapping)
           .open(data, envelope.wrapped, envelope.tag, place_of(slot), envelope.nonce)) {
    throw Error("the envelope was to open under both keys");
  }
  return data;
}

template <class Array>
void put(Bytestring& file, std::size_t at, const Array& bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

/// What opening the header says: the type of the error, or nothing.
std::string said(SimulatedPlatform& machine, const Bytestring& file, const Key& key) {
  try {
    static_cast<void>(
        crypto::open_key_header(machine, file, &key, platform::LockPolicy::abort, "keys"));
    return "";
  } catch (const std::exception&) {
    return error_name();
  }
}

/// The same wrapped key in both copies, committed to the first key; one MAC fits one data key, one the other.
std::string two_key_case(std::mt19937_64& rng) {
  const auto machine = SimulatedPlatform::make(rng());
  std::array<KeyBytes, 2> raw;
  for (auto& bytes : raw) {
    for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  }
  const std::array<Key, 2> keys = {Key::from_bytes(raw[0]), Key::from_bytes(raw[1])};
  Bytestring file =
      crypto::create_key_header(*machine, &keys[0], {}, platform::LockPolicy::abort).bytes;
  crypto::StoreId store;
  std::copy_n(&file[layout::kStoreIdAt], store.size(), store.begin());

  const std::size_t slot = rng() % layout::kSlots;
  const std::array<KeyBytes, 2> wrapping = {derived(raw[0], "cofferKE", 2),
                                            derived(raw[1], "cofferKE", 2)};
  const Envelope envelope = two_key_envelope(wrapping[0], wrapping[1], store, slot, rng);
  for (const std::size_t copy : {0u, 1u}) {
    const std::size_t base = copy * layout::kCopyBytes;
    const std::size_t at = base + layout::kSlotsAt + slot * layout::kSlotBytes;
    Bytestring moved(&file[base + layout::kSlotsAt],
                     &file[base + layout::kSlotsAt] + layout::kSlotBytes);
    std::fill_n(&file[base + layout::kSlotsAt], layout::kSlotBytes, std::byte{0});
    put(file, at, moved);
    put(file, at + layout::slot::kNonceAt, envelope.nonce);
    put(file, at + layout::slot::kWrappedAt, envelope.wrapped);
    put(file, at + layout::slot::kTagAt, envelope.tag);
    const std::array<std::byte, 1> number = {static_cast<std::byte>(slot)};
    put(file, at + layout::slot::kCommitmentAt,
        crypto::hash(derived(raw[0], "cofferKE", 1),
                     {std::span(file).subspan(base + layout::kVersionAt, 8), store, number,
                      std::span(file).subspan(at, layout::slot::kCommitmentAt)}));
    put(file, base + layout::kChecksumAt,
        crypto::hash({}, {std::span(file).subspan(base, layout::kChecksumAt)}));
    const KeyBytes data = opened(envelope, wrapping[copy], store, slot);
    put(file, base + layout::kMacAt,
        crypto::hash(derived(data, "cofferDK", 4),
                     {std::span(file).subspan(base, layout::kMacAt)}));
  }
  const std::string first = said(*machine, file, keys[0]);
  const std::string second = said(*machine, file, keys[1]);
  if (!first.empty()) return "the header does not open under the key that it commits to: " + first;
  if (second.empty()) return "a header opened under two keys";
  return second == "WrongKey" ? "" : "the second key was refused as " + second;
}

/// Where what a slot costs stands, or anything.
std::size_t place_to_alter(bool passphrase, std::mt19937_64& rng) {
  if (passphrase && rng() % 2 == 0) return layout::kSlotsAt + 8 + rng() % 32;
  return rng() % 3 == 0 ? 8 + rng() % 40 : rng() % layout::kChecksumAt;
}

std::string altered_case(std::mt19937_64& rng, bool passphrase) {
  const auto machine = SimulatedPlatform::make(rng());
  const Key key = passphrase ? Key::from_passphrase("open, please", {1, layout::kMemoryMin})
                             : key_of(static_cast<unsigned char>(rng()));
  Bytestring file =
      crypto::create_key_header(*machine, &key, {}, platform::LockPolicy::abort).bytes;
  std::size_t at = place_to_alter(passphrase, rng);
  // Of Argon2id's memory only the lowest bytes: what costs gigabytes is another test's.
  const std::size_t memory = layout::kSlotsAt + layout::slot::kMemoryAt;
  if (passphrase && at >= memory + 3 && at < memory + 8) at = memory;
  const auto mask = static_cast<std::byte>(1u << rng() % 8);
  for (const std::size_t copy : {0u, 1u}) {
    const std::size_t base = copy * layout::kCopyBytes;
    file[base + at] ^= mask;
    put(file, base + layout::kChecksumAt,
        crypto::hash({}, {std::span(file).subspan(base, layout::kChecksumAt)}));
  }
  const std::string heard = said(*machine, file, key);
  const bool typed = heard == "Tampered" || heard == "WrongKey" || heard == "VersionUnsupported" ||
                     heard == "InvalidArgument" || heard == "Corrupted";
  if (typed) return "";
  return "byte " + std::to_string(at) + " was changed: " + (heard.empty() ? "opened" : heard);
}

}  // namespace

void run_envelopes(GateRun& run) {
  crypto::ensure_ready();
  each_case(run, "tamper-envelopes", run.cases(), [&](std::uint64_t i) -> std::string {
    std::mt19937_64 rng(seed_of(run, i));
    return i % 2 == 0 ? two_key_case(rng) : altered_case(rng, i % 200 == 199);
  });
}

}  // namespace coffer::campaign::tamper
