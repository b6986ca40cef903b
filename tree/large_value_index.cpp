#include "tree/large_value_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <coffer/error.hpp>
#include <cstring>

#include "tree/page_types.hpp"

namespace coffer::tree {

void raise_bad_large_value(PageId page, std::string_view what) {
  throw Corrupted(
      fmt::format("page {}: a large value's {}; run `coffer check`, and restore from a backup",
                  page.value, what));
}

std::uint64_t IndexNode::count(const LargeValueGeometry& geometry, std::uint64_t chunks) const {
  const std::uint64_t rest = chunks - first_chunk;
  const std::uint64_t each = span(geometry);
  return std::min(geometry.fanout(level), rest / each + (rest % each != 0 ? 1 : 0));
}

txn::PagePin pin_index_page(txn::PageSource& source, const LargeValueGeometry& geometry,
                            PageId page, IndexNode node, std::uint64_t chunks) {
  txn::PagePin pin = source.pin(page);
  const txn::PageHeader header = pin.header();
  const std::uint8_t type = node.level == 0 ? kPageTypeChunkIndexLeaf : kPageTypeChunkIndexInner;
  if (header.type != type || header.level != node.level) {
    raise_bad_large_value(
        page, fmt::format("chunk index should be type {} level {} here, but is {}/{}", type,
                          node.level, header.type, header.level));
  }
  const std::uint64_t count = node.count(geometry, chunks);
  if (header.count != count) {
    raise_bad_large_value(page, fmt::format("chunk index should have {} entries here, but has {}",
                                            count, header.count));
  }
  const std::size_t entry_bytes = node.level == 0 ? kIndexLeafEntryBytes : kIndexInnerEntryBytes;
  if (header.gap_begin != kIndexEntriesOffset + count * entry_bytes ||
      header.gap_end != source.content_bytes()) {
    raise_bad_large_value(page, fmt::format("chunk index cannot have its gap at [{}, {})",
                                            header.gap_begin, header.gap_end));
  }
  return pin;
}

PageId index_child(const txn::PagePin& page, std::uint64_t slot) {
  PageId child;
  std::memcpy(&child.value, page.data() + kIndexEntriesOffset + slot * kIndexInnerEntryBytes, 8);
  if (child == kNoPage) {
    raise_bad_large_value(page.id(), fmt::format("chunk index names no page in entry {}", slot));
  }
  return child;
}

txn::ChunkRef index_chunk(const txn::PagePin& page, const LargeValueGeometry& geometry,
                          std::uint64_t length, std::uint64_t slot, std::uint64_t index) {
  const txn::ChunkRef ref = txn::decode_chunk_ref(
      page.bytes()
          .subspan(kIndexEntriesOffset + slot * kIndexLeafEntryBytes, kIndexLeafEntryBytes)
          .first<txn::kChunkRefBytes>());
  if (ref.sealed_bytes != geometry.chunk_length(length, index)) {
    raise_bad_large_value(page.id(),
                          fmt::format("chunk {} should have {} bytes, but has {}", index,
                                      geometry.chunk_length(length, index), ref.sealed_bytes));
  }
  return ref;
}

}  // namespace coffer::tree
