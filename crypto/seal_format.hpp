// Associated data: the 48 bytes that bind a sealed unit to its place.
//
// They are authenticated with the unit and never stored: the reader builds them again from the
// reference that it followed.  This table is the only place where their layout is written.
//
//   offset  bytes  content
//        0     16  store id, from the key header
//       16      1  role (crypto/seal.hpp)
//       17      1  level
//       18      2  zero
//       20      4  key epoch            little-endian, as are the following
//       24      8  a
//       32      8  b
//       40      8  format context: the ASCII text "coffer/1"
//
// Invariants
//   A1  The encoding is injective: fixed width, no lengths, no padding that a caller can choose.
//   A2  The context changes whenever the meaning of any field does, so that a unit of one format
//       never opens as a unit of another.
//
// In suite `none` the tag is BLAKE2b-128 without a key over associated data, nonce and data, in
// this order; the first two have fixed sizes, so that the concatenation is injective too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/seal.hpp"
#include "platform/mutation.hpp"

namespace coffer::crypto::seal_format {

inline constexpr std::size_t kStoreIdAt = 0;
inline constexpr std::size_t kRoleAt = kStoreIdAt + kStoreIdBytes;
inline constexpr std::size_t kLevelAt = kRoleAt + sizeof(Role);
inline constexpr std::size_t kZeroAt = kLevelAt + sizeof(AssociatedData::level);
inline constexpr std::size_t kEpochAt = kZeroAt + 2;
inline constexpr std::size_t kAAt = kEpochAt + sizeof(AssociatedData::epoch);
inline constexpr std::size_t kBAt = kAAt + sizeof(AssociatedData::a);
inline constexpr std::size_t kContextAt = kBAt + sizeof(AssociatedData::b);

inline constexpr std::array<char, 8> kContext = {'c', 'o', 'f', 'f', 'e', 'r', '/', '1'};
inline constexpr std::size_t kAssociatedBytes = kContextAt + kContext.size();

static_assert(kRoleAt == 16 && kLevelAt == 17 && kZeroAt == 18 && kEpochAt == 20);
static_assert(kAAt == 24 && kBAt == 32 && kContextAt == 40);
static_assert(kAssociatedBytes == 48);

using Encoded = std::array<std::byte, kAssociatedBytes>;

/// Writes `value` little-endian at the beginning of `out`.
template <typename Integer>
constexpr void put_little_endian(std::byte* out, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    out[i] = static_cast<std::byte>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
  }
}

/// Reads a little-endian integer from the beginning of `in`.
template <typename Integer>
[[nodiscard]] constexpr Integer get_little_endian(const std::byte* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value |= std::to_integer<std::uint64_t>(in[i]) << (8 * i);
  }
  return static_cast<Integer>(value);
}

/// The associated data of `place` in `store`.
[[nodiscard]] inline Encoded encode(const StoreId& store, const AssociatedData& place) {
  Encoded out{};
  for (std::size_t i = 0; i < store.size(); ++i) {
    out[kStoreIdAt + i] = store[i];
  }
  if (!planted(Mutation::leave_out_role)) out[kRoleAt] = static_cast<std::byte>(place.role);
  out[kLevelAt] = static_cast<std::byte>(place.level);
  if (!planted(Mutation::leave_out_epoch)) put_little_endian(&out[kEpochAt], place.epoch);
  if (!planted(Mutation::leave_out_place)) put_little_endian(&out[kAAt], place.a);
  put_little_endian(&out[kBAt], place.b);
  for (std::size_t i = 0; i < kContext.size(); ++i) {
    out[kContextAt + i] = static_cast<std::byte>(kContext[i]);
  }
  return out;
}

}  // namespace coffer::crypto::seal_format
