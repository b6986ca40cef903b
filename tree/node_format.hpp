// How a tree's page is laid out.
//
//   offset          size  what
//   0               16    txn::PageHeader: type and level say what the page is, count is the number
//                         of cells; gap_begin is the end of the cell pointers, gap_end the start of the
//                         lowest cell
//   16              2     fragmented: bytes of freed cells in [gap_end, end of page)
//   18              2     zero
//   20              p*n   a cell pointer for each entry, in their order: p = 4 in a leaf, 2 in a branch
//   gap_begin             the gap, which is not stored
//   gap_end               cells, in no particular order, up to the end of the page
//
// Cell pointer
//   0               2     where the cell begins
//   2               2     in a leaf: the key's hash (key_hash.hpp)
//
// Leaf cell (type kPageTypeLeaf, level 0)
//   0               2     bytes of the key
//   2               2     bit 15: the value is a large one's descriptor; bits 0..14: bytes of the value
//   4               k     key
//   4 + k           v     value
//
// Branch cell (type kPageTypeBranch, level 1 and up)
//   0               8     bits 0..47: the child's page number; bits 48..62: bytes of the key;
//                         bit 63: the separator has a value part (multi-value trees)
//   8               2     bytes of the value part; present only with bit 63
//   8 or 10         k     key
//   ...             v     value part
// A branch cell's separator is not greater than any entry below its child and greater than every entry
// below the child before.  The first cell's separator is never looked at: it stands for "from the
// lowest on".
//
// All numbers are little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "tree/page_types.hpp"
#include "txn/pages.hpp"

namespace coffer::tree {

static_assert(std::endian::native == std::endian::little,
              "numbers in pages are copied as they are");

inline constexpr std::size_t kFragmentedOffset = txn::kPageHeaderBytes;
inline constexpr std::size_t kNodeHeaderBytes = kFragmentedOffset + 4;
inline constexpr std::size_t kCellPointerHashOffset = 2;
inline constexpr std::size_t kLeafCellPointerBytes = 4;
inline constexpr std::size_t kBranchCellPointerBytes = 2;
static_assert(kFragmentedOffset == 16 && kNodeHeaderBytes == 20);

inline constexpr std::size_t kLeafCellHeaderBytes = 4;
inline constexpr std::uint16_t kLeafCellLargeBit = 0x8000;
inline constexpr std::uint16_t kLeafCellValueMask = 0x7fff;

inline constexpr std::size_t kBranchCellHeaderBytes = 8;
inline constexpr std::size_t kBranchCellValueBytes = 2;
inline constexpr unsigned kBranchKeyShift = 48;
inline constexpr std::uint64_t kBranchChildMask = (1ull << kBranchKeyShift) - 1;
inline constexpr std::uint64_t kBranchKeyMask = 0x7fff;
inline constexpr std::uint64_t kBranchValueBit = 1ull << 63;

/// A root's level is below this; with two children a branch that is 2^32 leaves.
inline constexpr unsigned kLevelsMax = 32;
inline constexpr std::size_t kNodeContentBytesMin = 512;
inline constexpr std::size_t kNodeContentBytesMax = 65535;
/// More cells than this fit no page.
inline constexpr std::size_t kCellsMax =
    (kNodeContentBytesMax - kNodeHeaderBytes) / (kLeafCellHeaderBytes + kLeafCellPointerBytes);
static_assert(kLeafCellHeaderBytes + kLeafCellPointerBytes <=
              kBranchCellHeaderBytes + kBranchCellPointerBytes);

[[nodiscard]] constexpr std::size_t cell_pointer_bytes_on(std::size_t level) {
  return level == 0 ? kLeafCellPointerBytes : kBranchCellPointerBytes;
}

/// Bytes for cells and their pointers.
[[nodiscard]] constexpr std::size_t node_capacity(std::size_t content_bytes) {
  return content_bytes - kNodeHeaderBytes;
}

/// The longest key, a quarter page: two of the largest cells, pointers included, always fit a page (a
/// multi-value tree's branch cell with key and value), which is what makes every split possible.
[[nodiscard]] constexpr std::size_t node_key_bytes_max(std::size_t content_bytes) {
  return (content_bytes - 48) / 4;
}

/// The largest leaf cell that holds its value itself (trees without multiple values).
[[nodiscard]] constexpr std::size_t inline_cell_bytes_max(std::size_t content_bytes) {
  return content_bytes / 4;
}

[[nodiscard]] constexpr bool two_cells_fit(std::size_t content_bytes) {
  const std::size_t key = node_key_bytes_max(content_bytes);
  const std::size_t half = node_capacity(content_bytes) / 2;
  const std::size_t descriptor = 84;
  return kBranchCellHeaderBytes + kBranchCellValueBytes + 2 * key + kBranchCellPointerBytes <=
             half &&
         kLeafCellHeaderBytes + 2 * key + kLeafCellPointerBytes <= half &&
         kLeafCellHeaderBytes + key + descriptor + kLeafCellPointerBytes <= half &&
         inline_cell_bytes_max(content_bytes) + kLeafCellPointerBytes <= half;
}
static_assert(two_cells_fit(kNodeContentBytesMin) && two_cells_fit(4072) && two_cells_fit(8168) &&
              two_cells_fit(65512) && two_cells_fit(kNodeContentBytesMax));
static_assert(node_key_bytes_max(kNodeContentBytesMax) <= kBranchKeyMask &&
              inline_cell_bytes_max(kNodeContentBytesMax) <= kLeafCellValueMask);

}  // namespace coffer::tree
