// Index pages of a large value: what a page must look like, and how its entries are read.  For the
// sources of large values only.
#pragma once

#include <cstdint>
#include <string_view>

#include "tree/large_value.hpp"

namespace coffer::tree {

/// Corrupted: the chunk index in `page` cannot be.  The same in an encrypted store, where only a
/// fault of the program that wrote it can be the cause.
[[noreturn]] void raise_bad_large_value(PageId page, std::string_view what);

/// The node of the index that `level` and the first chunk below it name, in a value of `chunks`
/// chunks.
struct IndexNode {
  unsigned level;
  std::uint64_t first_chunk;

  /// Chunks below each of its entries but the last.
  [[nodiscard]] std::uint64_t span(const LargeValueGeometry& geometry) const {
    return level == 0 ? 1 : geometry.chunks_below(level - 1);
  }
  /// Entries that it must have.
  [[nodiscard]] std::uint64_t count(const LargeValueGeometry& geometry, std::uint64_t chunks) const;
};

/// Pins `page` and checks that it is that node.
[[nodiscard]] txn::PagePin pin_index_page(txn::PageSource& source,
                                          const LargeValueGeometry& geometry, PageId page,
                                          IndexNode node, std::uint64_t chunks);

/// Entry `slot` of an inner page; never kNoPage.
[[nodiscard]] PageId index_child(const txn::PagePin& page, std::uint64_t slot);
/// Entry `slot` of a leaf page, which refers to chunk `index` of a value of `length` bytes.
[[nodiscard]] txn::ChunkRef index_chunk(const txn::PagePin& page,
                                        const LargeValueGeometry& geometry, std::uint64_t length,
                                        std::uint64_t slot, std::uint64_t index);

}  // namespace coffer::tree
