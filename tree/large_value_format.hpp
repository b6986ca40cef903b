// How a large value is laid out: the descriptor in its leaf cell, and the pages of its chunk index.
//
// A value of `length` bytes is cut into chunks of chunk_bytes (a constant of the store); every
// chunk is full but the last.  How many chunks there are, where their references stand and how deep
// the index is all follow from `length`, so none of it is stored and none of it can disagree.
//
// Descriptor (little-endian)
//   offset  size  what
//   0       8     length of the value in bytes
//   8       8     value id
//   16      8     number of the commit that wrote the value ("born")
//   24      30*n  n = 0, 1 or 2 chunks: their references; or
//   24      8     more than 2 chunks: page number of the index's root
//
// Chunk index: a dense array in pages.  Behind the PageHeader stand `count` entries without a gap
// between them; the page's gap is what is left to the end.  All pages of a level are full but the
// last.
//   type kPageTypeChunkIndexLeaf   level 0    entries of 30 bytes: chunk references
//   type kPageTypeChunkIndexInner  level 1..  entries of 8 bytes: page numbers of the level below
#pragma once

#include <cstddef>
#include <cstdint>

#include "txn/pages.hpp"

namespace coffer::tree {

inline constexpr std::size_t kLargeInlineChunksMax = 2;

inline constexpr std::size_t kLargeLengthOffset = 0;
inline constexpr std::size_t kLargeValueIdOffset = kLargeLengthOffset + 8;
inline constexpr std::size_t kLargeBornOffset = kLargeValueIdOffset + 8;
inline constexpr std::size_t kLargeReferencesOffset = kLargeBornOffset + 8;
inline constexpr std::size_t kLargeDescriptorBytesMax =
    kLargeReferencesOffset + kLargeInlineChunksMax * txn::kChunkRefBytes;
static_assert(kLargeReferencesOffset == 24);
static_assert(kLargeDescriptorBytesMax == 84);

inline constexpr std::size_t kIndexEntriesOffset = txn::kPageHeaderBytes;
inline constexpr std::size_t kIndexLeafEntryBytes = txn::kChunkRefBytes;
inline constexpr std::size_t kIndexInnerEntryBytes = 8;
static_assert(kIndexEntriesOffset == 16 && kIndexLeafEntryBytes == 30);

/// What the sizes of a store's pages and chunks make of a value's length.
class LargeValueGeometry {
 public:
  LargeValueGeometry(std::size_t content_bytes, std::size_t chunk_bytes)
      : chunk_bytes_(chunk_bytes),
        leaf_fanout_((content_bytes - kIndexEntriesOffset) / kIndexLeafEntryBytes),
        inner_fanout_((content_bytes - kIndexEntriesOffset) / kIndexInnerEntryBytes) {
    Expects(chunk_bytes > 0 && leaf_fanout_ > kLargeInlineChunksMax);
  }
  explicit LargeValueGeometry(const txn::PageSource& source)
      : LargeValueGeometry(source.content_bytes(), source.chunk_bytes()) {}

  [[nodiscard]] std::size_t chunk_bytes() const { return chunk_bytes_; }
  [[nodiscard]] std::uint64_t fanout(unsigned level) const {
    return level == 0 ? leaf_fanout_ : inner_fanout_;
  }
  [[nodiscard]] std::uint64_t chunk_count(std::uint64_t length) const {
    return length / chunk_bytes_ + (length % chunk_bytes_ != 0 ? 1 : 0);
  }
  /// Bytes in chunk `index` of a value of `length` bytes.
  [[nodiscard]] std::size_t chunk_length(std::uint64_t length, std::uint64_t index) const {
    const std::uint64_t rest = length - index * chunk_bytes_;
    return rest < chunk_bytes_ ? static_cast<std::size_t>(rest) : chunk_bytes_;
  }
  /// Chunks below a full page of `level`; 2^64-1 when there are more.
  [[nodiscard]] std::uint64_t chunks_below(unsigned level) const {
    std::uint64_t chunks = leaf_fanout_;
    for (unsigned i = 0; i < level; ++i) {
      if (chunks > UINT64_MAX / inner_fanout_) return UINT64_MAX;
      chunks *= inner_fanout_;
    }
    return chunks;
  }
  /// Level of the index's root for that many chunks (more than kLargeInlineChunksMax).
  [[nodiscard]] unsigned root_level(std::uint64_t chunks) const {
    unsigned level = 0;
    while (chunks_below(level) < chunks) ++level;
    return level;
  }
  /// Length of the descriptor of a value of `length` bytes.
  [[nodiscard]] std::size_t descriptor_bytes(std::uint64_t length) const {
    const std::uint64_t chunks = chunk_count(length);
    if (chunks > kLargeInlineChunksMax) return kLargeReferencesOffset + 8;
    return kLargeReferencesOffset + static_cast<std::size_t>(chunks) * txn::kChunkRefBytes;
  }

 private:
  std::uint64_t chunk_bytes_;
  std::uint64_t leaf_fanout_;
  std::uint64_t inner_fanout_;
};

}  // namespace coffer::tree
