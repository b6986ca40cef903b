// The records inside a logical backup and inside an increment of one, version 1.  A record is a type and what
// belongs to it; integers are little-endian.
//
//   record     type  then
//   origin        1  store id 16 | instance id 16 | commit 8 | time 8 | page size 4 | checkpoint 8 | its identity 32
//   tree          2  options 1 (bit 0 multi-value, bit 1 integer keys) | name's length 1 | name
//   entry         3  key's length 2 | value's length 8 | key | value
//   tree's end    4  entries in the tree 8
//   end           5  trees 8 | entries in all 8
//   parent        6  hash of the parent's header 32
//   range         7  bound
//   range's end   8  bound
//
//   bound            kind 1 | key's length 2 | value's length 2 | key | value
//                    kind 0: the beginning of the tree in `range`, its end in `range's end`; both lengths are zero
//                         1: the place of (key, value), whether an entry stands there or not
//                         2: the place behind the entry (key, value); in `range` only
//
// A full backup: origin; for each tree, by name, tree, its entries in order, tree's end; end.
// An increment:  origin; parent; for each tree, by name, tree, its ranges in order, tree's end; end.  A range: range,
// its entries in order, range's end.
// Nothing follows the end.  Time is in nanoseconds since 1970-01-01 UTC.
//
// An increment has every tree that the store has.  A tree that it does not have is no more; one that was not there,
// or with other options, begins empty.  What lies from the first bound of a range on and before its second is
// replaced by the range's entries; what lies in no range stays as the parent had it.  The value part of a bound
// counts in a multi-value tree and is empty in others.
//
// Checkpoint and identity (superblock_format.hpp) are those of the checkpoint that the backup was made after, zero
// when it was made without one: no increment can follow it then.  What an increment shows is exactly that checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/seal.hpp"

namespace coffer::backup::format {

enum class RecordType : std::uint8_t {
  origin = 1,
  tree = 2,
  entry = 3,
  tree_end = 4,
  end = 5,
  parent = 6,
  range = 7,
  range_end = 8,
};
enum class BoundKind : std::uint8_t { open = 0, at = 1, behind = 2 };

inline constexpr std::uint8_t kMultiValue = 1;
inline constexpr std::uint8_t kIntegerKeys = 2;

inline constexpr std::size_t kIdBytes = 16;
inline constexpr std::size_t kOriginBytes = 2 * kIdBytes + 8 + 8 + 4 + 8 + crypto::kHashBytes;
inline constexpr std::size_t kTreeBytes = 2;
inline constexpr std::size_t kEntryBytes = 2 + 8;
inline constexpr std::size_t kTreeEndBytes = 8;
inline constexpr std::size_t kEndBytes = 8 + 8;
inline constexpr std::size_t kParentBytes = crypto::kHashBytes;
inline constexpr std::size_t kBoundBytes = 1 + 2 + 2;
/// The longest of these.
inline constexpr std::size_t kFixedBytesMax = kOriginBytes;
static_assert(kOriginBytes == 92 && kParentBytes == 32);

/// No store has a longer key: a quarter of the largest page.
inline constexpr std::size_t kKeyBytesMax = 16'384;
inline constexpr std::size_t kNameBytesMax = 255;

}  // namespace coffer::backup::format
