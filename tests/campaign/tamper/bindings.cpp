// What a sealed unit is bound to: under one and the same key it opens in its own place only, whatever one changes of
// role, level, epoch, numbers, store, nonce, tag or length; and its additional data are those of docs/format.md, built
// here a second time.
#include <sodium.h>

#include <array>
#include <cstring>

#include "crypto/seal.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

namespace {

using crypto::AssociatedData;
using crypto::Nonce;
using crypto::Sealer;
using crypto::Tag;

template <class Array>
Array random_array(std::mt19937_64& rng) {
  Array array;
  for (auto& b : array) b = static_cast<typename Array::value_type>(rng());
  return array;
}

/// The additional data as the format's description has them, byte for byte.
std::array<unsigned char, 48> described(const crypto::StoreId& store, const AssociatedData& place) {
  std::array<unsigned char, 48> out{};
  std::memcpy(out.data(), store.data(), 16);
  out[16] = static_cast<unsigned char>(place.role);
  out[17] = place.level;
  for (std::size_t i = 0; i < 4; ++i)
    out[20 + i] = static_cast<unsigned char>(place.epoch >> 8 * i);
  for (std::size_t i = 0; i < 8; ++i) out[24 + i] = static_cast<unsigned char>(place.a >> 8 * i);
  for (std::size_t i = 0; i < 8; ++i) out[32 + i] = static_cast<unsigned char>(place.b >> 8 * i);
  std::memcpy(&out[40], "coffer/1", 8);
  return out;
}

AssociatedData any_place(std::mt19937_64& rng) {
  return {.role = static_cast<crypto::Role>(1 + rng() % 8),
          .level = static_cast<std::uint8_t>(rng() % 4),
          .epoch = static_cast<std::uint32_t>(1 + rng() % 60),
          .a = rng() % 100'000,
          .b = rng() % 3 == 0 ? rng() : 0};
}

struct Unit {
  crypto::StoreId store{};
  AssociatedData place{};
  Nonce nonce{};
  Tag tag{};
  Bytestring ciphertext;
};

/// Changes one thing that a unit is bound to; its name.
const char* displace(Unit& unit, std::mt19937_64& rng) {
  const auto bit = [&rng](auto& bytes) {
    bytes[rng() % bytes.size()] ^= static_cast<std::byte>(1u << rng() % 8);
  };
  switch (rng() % 9) {
    case 0:
      unit.place.role =
          static_cast<crypto::Role>(1 + (static_cast<unsigned>(unit.place.role) + rng() % 7) % 8);
      return "role";
    case 1:
      ++unit.place.level;
      return "level";
    case 2:
      unit.place.epoch += static_cast<std::uint32_t>(1 + rng() % 50);
      return "epoch";
    case 3:
      unit.place.a ^= std::uint64_t{1} << rng() % 64;
      return "number a";
    case 4:
      unit.place.b ^= std::uint64_t{1} << rng() % 64;
      return "number b";
    case 5:
      bit(unit.store);
      return "store";
    case 6:
      bit(unit.nonce);
      return "nonce";
    case 7:
      bit(unit.tag);
      return "tag";
    default:
      if (rng() % 2 == 0 && unit.ciphertext.size() > 1) {
        unit.ciphertext.pop_back();
        return "length";
      }
      bit(unit.ciphertext);
      return "ciphertext";
  }
}

}  // namespace

void run_bindings(GateRun& run) {
  crypto::ensure_ready();
  each_case(run, "tamper-bindings", run.cases(), [&](std::uint64_t i) -> std::string {
    std::mt19937_64 rng(seed_of(run, i));
    const auto key = random_array<std::array<std::byte, crypto::kKeyBytes>>(rng);
    Unit unit{random_array<crypto::StoreId>(rng), any_place(rng), random_array<Nonce>(rng), {}, {}};
    Bytestring plain(1 + rng() % 200);
    for (std::byte& b : plain) b = static_cast<std::byte>(rng());
    unit.ciphertext.resize(plain.size());
    unit.tag = Sealer(crypto::Suite::xchacha20poly1305, unit.store, key)
                   .seal(unit.ciphertext, plain, unit.place, unit.nonce);

    const auto associated = described(unit.store, unit.place);
    Bytestring opened(plain.size());
    const bool as_described =
        crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
            reinterpret_cast<unsigned char*>(opened.data()), nullptr,
            reinterpret_cast<const unsigned char*>(unit.ciphertext.data()), unit.ciphertext.size(),
            reinterpret_cast<const unsigned char*>(unit.tag.data()), associated.data(),
            associated.size(), reinterpret_cast<const unsigned char*>(unit.nonce.data()),
            reinterpret_cast<const unsigned char*>(key.data())) == 0 &&
        opened == plain;

    Unit moved = unit;
    const char* const what = displace(moved, rng);
    // What was there before the opening may not stay, nor anything that did not verify.
    Bytestring out(moved.ciphertext.size(), std::byte{0x5a});
    const bool accepted = Sealer(crypto::Suite::xchacha20poly1305, moved.store, key)
                              .open(out, moved.ciphertext, moved.tag, moved.place, moved.nonce);
    const bool wiped = std::ranges::all_of(out, [](std::byte b) { return b == std::byte{0}; });
    if (!as_described) return "a unit is not sealed as the format describes";
    if (accepted) return std::string("a unit opened with another ") + what;
    return wiped ? "" : "something stayed behind a failed opening";
  });
}

}  // namespace coffer::campaign::tamper
