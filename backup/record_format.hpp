// The records inside a logical backup, version 1.  A record is a type and what belongs to it; integers are
// little-endian.
//
//   record     type  then
//   origin        1  store id 16 | instance id 16 | commit 8 | time 8 | page size 4
//   tree          2  options 1 (bit 0 multi-value, bit 1 integer keys) | name's length 1 | name
//   entry         3  key's length 2 | value's length 8 | key | value
//   tree's end    4  entries in the tree 8
//   end           5  trees 8 | entries in all 8
//
// In this order: origin; for each tree, by name, tree, its entries in order, tree's end; end.  Nothing follows
// the end.  Time is in nanoseconds since 1970-01-01 UTC.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::backup::format {

enum class RecordType : std::uint8_t { origin = 1, tree = 2, entry = 3, tree_end = 4, end = 5 };

inline constexpr std::uint8_t kMultiValue = 1;
inline constexpr std::uint8_t kIntegerKeys = 2;

inline constexpr std::size_t kIdBytes = 16;
inline constexpr std::size_t kOriginBytes = 2 * kIdBytes + 8 + 8 + 4;
inline constexpr std::size_t kTreeBytes = 2;
inline constexpr std::size_t kEntryBytes = 2 + 8;
inline constexpr std::size_t kTreeEndBytes = 8;
inline constexpr std::size_t kEndBytes = 8 + 8;
/// The longest of these.
inline constexpr std::size_t kFixedBytesMax = kOriginBytes;

/// No store has a longer key: a quarter of the largest page.
inline constexpr std::size_t kKeyBytesMax = 16'384;
inline constexpr std::size_t kNameBytesMax = 255;

}  // namespace coffer::backup::format
