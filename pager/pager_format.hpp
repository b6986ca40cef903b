// The bytes of page-table and free-map nodes, and the shape of the two trees.  This is the only
// place where they are written down.  Integers are little-endian.
//
//   A node (plaintext, sealed behind its nonce; what is left of the slot is filler)
//   offset  bytes  content
//        0      1  kind: 2 page table, 3 free map (crypto::Role)
//        1      1  layout: 1
//        2      1  level: 0 leaf
//        3      1  zero
//        4      4  stored: entries (words of a free-map leaf) that follow
//        8      8  count: pages in use, or slots in use, in the whole subtree
//       16      -  stored entries; those behind them are empty
//
//   A reference (31 bytes): also an entry of a page-table leaf
//        0      6  slot
//        6      2  sealed bytes; 0: empty, and then all is zero
//        8      2  epoch
//       10      5  birth: number of the checkpoint that first had it
//       15     16  tag
//
//   A child (39 bytes): an entry of an inner node
//        0     31  reference
//       31      8  count of its subtree
//
//   A node is born anew whenever anything below it changes: so what a checkpoint has that an earlier one had not
//   is found by going down where births are later, and nowhere else.
//
//   A free-map leaf holds 64-bit words; bit b of word w, counted from the least significant, is
//   slot leaf * leaf_entries + 64 w + b; set: the checkpoint uses it.
//
// An entry's number is the item it stands for (page or slot number) without the bits of the levels
// above; nodes of one level are numbered from 0 from the left.  A node's number is not stored: it
// stands in the additional data {role, level, epoch, a = number, b = 0}.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/seal_format.hpp"
#include "pager/slot.hpp"
#include "platform/contracts.hpp"

namespace coffer::pager::format {

inline constexpr std::uint32_t kPageBytesMin = 4096;
inline constexpr std::uint32_t kPageBytesMax = 65536;
/// Slots and pages are numbered below this.
inline constexpr unsigned kNumberBits = 48;
inline constexpr std::uint64_t kNumbersEnd = std::uint64_t{1} << kNumberBits;
/// Checkpoints, and key epochs that pages can be under, are numbered below these.
inline constexpr std::uint64_t kCheckpointsEnd = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kEpochsEnd = std::uint32_t{1} << 16;

inline constexpr std::uint8_t kNodeLayout = 1;
inline constexpr std::size_t kNodeKindAt = 0;
inline constexpr std::size_t kNodeLayoutAt = kNodeKindAt + 1;
inline constexpr std::size_t kNodeLevelAt = kNodeLayoutAt + 1;
inline constexpr std::size_t kNodeZeroAt = kNodeLevelAt + 1;
inline constexpr std::size_t kNodeStoredAt = kNodeZeroAt + 1;
inline constexpr std::size_t kNodeCountAt = kNodeStoredAt + sizeof(std::uint32_t);
inline constexpr std::size_t kNodeHeaderBytes = kNodeCountAt + sizeof(std::uint64_t);

inline constexpr std::size_t kSlotBytes = 6;
inline constexpr std::size_t kRefSlotAt = 0;
inline constexpr std::size_t kRefSealedAt = kRefSlotAt + kSlotBytes;
inline constexpr std::size_t kRefEpochAt = kRefSealedAt + sizeof(std::uint16_t);
inline constexpr std::size_t kRefBirthAt = kRefEpochAt + sizeof(std::uint16_t);
inline constexpr std::size_t kBirthBytes = 5;
inline constexpr std::size_t kRefTagAt = kRefBirthAt + kBirthBytes;
inline constexpr std::size_t kRefBytes = kRefTagAt + crypto::kTagBytes;

inline constexpr std::size_t kChildRefAt = 0;
inline constexpr std::size_t kChildCountAt = kChildRefAt + kRefBytes;
inline constexpr std::size_t kChildBytes = kChildCountAt + sizeof(std::uint64_t);

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

static_assert(kNodeStoredAt == 4 && kNodeCountAt == 8 && kNodeHeaderBytes == 16);
static_assert(kRefSealedAt == 6 && kRefEpochAt == 8 && kRefBirthAt == 10);
static_assert(kRefTagAt == 15 && kRefBytes == 31);
static_assert(kChildCountAt == 31 && kChildBytes == 39);
static_assert(content_bytes(kPageBytesMax) <= 0xffff, "a sealed length takes 16 bits");
static_assert(kSlotBytes * 8 == kNumberBits);

/// How a radix tree over numbered items is laid out: powers of two throughout, so that finding a
/// node is a shift.
struct Shape {
  unsigned leaf_bits = 0;   ///< log2 of the items of a leaf
  unsigned inner_bits = 0;  ///< log2 of the children of an inner node

  [[nodiscard]] constexpr unsigned span_bits(unsigned level) const {
    return leaf_bits + level * inner_bits;
  }
  /// Entries (children, items) of a node of this level.
  [[nodiscard]] constexpr std::uint64_t entries(unsigned level) const {
    return std::uint64_t{1} << (level == 0 ? leaf_bits : inner_bits);
  }
  /// Which node of `level` has `item` in its subtree.
  [[nodiscard]] constexpr std::uint64_t node_of(std::uint64_t item, unsigned level) const {
    return item >> span_bits(level);
  }
  /// Nodes of `level` that a tree needs for items [0, items).
  [[nodiscard]] constexpr std::uint64_t nodes_for(std::uint64_t items, unsigned level) const {
    return items == 0 ? 0 : node_of(items - 1, level) + 1;
  }
  /// Levels of a tree that has room for items [0, items); 0 for none.
  [[nodiscard]] constexpr unsigned levels_for(std::uint64_t items) const {
    unsigned levels = items == 0 ? 0 : 1;
    while (levels != 0 && nodes_for(items, levels - 1) > 1) ++levels;
    return levels;
  }
  [[nodiscard]] constexpr unsigned levels_max() const { return levels_for(kNumbersEnd); }
  /// Nodes of a tree of `levels` levels, at the least, that covers items [0, items).
  [[nodiscard]] constexpr std::uint64_t all_nodes_for(std::uint64_t items, unsigned levels) const {
    std::uint64_t nodes = 0;
    const unsigned top = levels_for(items) > levels ? levels_for(items) : levels;
    for (unsigned level = 0; level < top; ++level) {
      const std::uint64_t here = nodes_for(items, level);
      nodes += here == 0 ? 1 : here;
    }
    return nodes;
  }
};

namespace detail {
constexpr unsigned fan_out_bits(std::uint32_t page_bytes, std::size_t entry_bits) {
  const std::size_t room = (content_bytes(page_bytes) - kNodeHeaderBytes) * 8 / entry_bits;
  return static_cast<unsigned>(std::bit_width(room) - 1);
}
}  // namespace detail

[[nodiscard]] constexpr Shape table_shape(std::uint32_t page_bytes) {
  return {detail::fan_out_bits(page_bytes, kRefBytes * 8),
          detail::fan_out_bits(page_bytes, kChildBytes * 8)};
}
[[nodiscard]] constexpr Shape free_map_shape(std::uint32_t page_bytes) {
  return {detail::fan_out_bits(page_bytes, 1), detail::fan_out_bits(page_bytes, kChildBytes * 8)};
}
/// Bytes of an entry of a node; of a word in a free-map leaf.
[[nodiscard]] constexpr std::size_t entry_bytes(crypto::Role role, unsigned level) {
  if (level != 0) return kChildBytes;
  return role == crypto::Role::table_node ? kRefBytes : kWordBytes;
}

static_assert(table_shape(4096).leaf_bits == 7 && table_shape(4096).inner_bits == 6);
static_assert(free_map_shape(4096).leaf_bits == 14 && free_map_shape(4096).inner_bits == 6);
static_assert(table_shape(65536).leaf_bits == 11 && table_shape(65536).inner_bits == 10);
static_assert(free_map_shape(65536).leaf_bits == 18);
static_assert(table_shape(4096).levels_max() == 8 && free_map_shape(4096).levels_max() == 7);
static_assert(table_shape(4096).span_bits(table_shape(4096).levels_max()) < 64);

using crypto::seal_format::get_little_endian;
using crypto::seal_format::put_little_endian;

namespace detail {
template <std::size_t Bytes>
constexpr void put_number(std::byte* out, std::uint64_t number) {
  for (std::size_t i = 0; i < Bytes; ++i) out[i] = static_cast<std::byte>(number >> (8 * i));
}
template <std::size_t Bytes>
[[nodiscard]] constexpr std::uint64_t get_number(const std::byte* in) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < Bytes; ++i) {
    number |= std::to_integer<std::uint64_t>(in[i]) << (8 * i);
  }
  return number;
}
}  // namespace detail

constexpr void put_ref(std::byte* out, const SlotRef& ref) {
  Expects(ref.birth < kCheckpointsEnd && ref.epoch.value < kEpochsEnd);
  detail::put_number<kSlotBytes>(out + kRefSlotAt, ref.slot.value);
  put_little_endian(out + kRefSealedAt, static_cast<std::uint16_t>(ref.sealed_bytes));
  put_little_endian(out + kRefEpochAt, static_cast<std::uint16_t>(ref.epoch.value));
  detail::put_number<kBirthBytes>(out + kRefBirthAt, ref.birth);
  for (std::size_t i = 0; i < crypto::kTagBytes; ++i) out[kRefTagAt + i] = ref.tag[i];
}

[[nodiscard]] constexpr SlotRef get_ref(const std::byte* in) {
  SlotRef ref;
  ref.slot.value = detail::get_number<kSlotBytes>(in + kRefSlotAt);
  ref.sealed_bytes = get_little_endian<std::uint16_t>(in + kRefSealedAt);
  ref.epoch = Epoch(get_little_endian<std::uint16_t>(in + kRefEpochAt));
  ref.birth = detail::get_number<kBirthBytes>(in + kRefBirthAt);
  for (std::size_t i = 0; i < crypto::kTagBytes; ++i) ref.tag[i] = in[kRefTagAt + i];
  return ref;
}

/// Free-map nodes that can exist when the file has `slots` slots.
[[nodiscard]] constexpr std::uint64_t free_map_nodes(std::uint32_t page_bytes,
                                                     std::uint64_t slots) {
  return free_map_shape(page_bytes).all_nodes_for(slots, 0);
}

}  // namespace coffer::pager::format
