// The descriptor, and what walks the index: finding a chunk, visiting all, freeing all.
#include "tree/large_value.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "tree/large_value_index.hpp"

namespace coffer::tree {

// Integers are copied as they stand in memory.
static_assert(std::endian::native == std::endian::little);

std::size_t encode_large_value(const LargeValueGeometry& geometry,
                               const LargeValueDescriptor& value, std::span<std::byte> out) {
  const std::size_t length = geometry.descriptor_bytes(value.length);
  Expects(out.size() >= length);
  std::memcpy(out.data() + kLargeLengthOffset, &value.length, 8);
  std::memcpy(out.data() + kLargeValueIdOffset, &value.value_id, 8);
  std::memcpy(out.data() + kLargeBornOffset, &value.born.value, 8);
  const std::uint64_t chunks = geometry.chunk_count(value.length);
  if (chunks > kLargeInlineChunksMax) {
    Expects(value.root != kNoPage);
    std::memcpy(out.data() + kLargeReferencesOffset, &value.root.value, 8);
    return length;
  }
  for (std::size_t i = 0; i < chunks; ++i) {
    txn::encode_chunk_ref(
        value.inline_chunks[i],
        out.subspan(kLargeReferencesOffset + i * txn::kChunkRefBytes).first<txn::kChunkRefBytes>());
  }
  return length;
}

LargeValueDescriptor decode_large_value(const LargeValueGeometry& geometry,
                                        std::span<const std::byte> in, PageId page) {
  if (in.size() < kLargeReferencesOffset) {
    raise_bad_large_value(page, fmt::format("descriptor has {} bytes, too few", in.size()));
  }
  LargeValueDescriptor value;
  std::memcpy(&value.length, in.data() + kLargeLengthOffset, 8);
  std::memcpy(&value.value_id, in.data() + kLargeValueIdOffset, 8);
  std::memcpy(&value.born.value, in.data() + kLargeBornOffset, 8);
  if (in.size() != geometry.descriptor_bytes(value.length)) {
    raise_bad_large_value(page, fmt::format("descriptor has {} bytes, but {} belong to its length",
                                            in.size(), geometry.descriptor_bytes(value.length)));
  }
  const std::uint64_t chunks = geometry.chunk_count(value.length);
  if (chunks > kLargeInlineChunksMax) {
    std::memcpy(&value.root.value, in.data() + kLargeReferencesOffset, 8);
    if (value.root == kNoPage) raise_bad_large_value(page, "descriptor names no chunk index");
    return value;
  }
  for (std::size_t i = 0; i < chunks; ++i) {
    txn::ChunkRef& ref = value.inline_chunks[i];
    ref = txn::decode_chunk_ref(
        in.subspan(kLargeReferencesOffset + i * txn::kChunkRefBytes).first<txn::kChunkRefBytes>());
    if (ref.sealed_bytes != geometry.chunk_length(value.length, i)) {
      raise_bad_large_value(page,
                            fmt::format("chunk {} should have {} bytes, but has {}", i,
                                        geometry.chunk_length(value.length, i), ref.sealed_bytes));
    }
  }
  return value;
}

txn::ChunkRef find_chunk(txn::PageSource& source, const LargeValueGeometry& geometry,
                         const LargeValueDescriptor& value, std::uint64_t index) {
  const std::uint64_t chunks = geometry.chunk_count(value.length);
  Expects(index < chunks);
  if (chunks <= kLargeInlineChunksMax) return value.inline_chunks[index];
  IndexNode node{geometry.root_level(chunks), 0};
  PageId page = value.root;
  for (;;) {
    const txn::PagePin pin = pin_index_page(source, geometry, page, node, chunks);
    const std::uint64_t slot = (index - node.first_chunk) / node.span(geometry);
    if (node.level == 0) return index_chunk(pin, geometry, value.length, slot, index);
    page = index_child(pin, slot);
    node = {node.level - 1, node.first_chunk + slot * node.span(geometry)};
  }
}

namespace {

struct Walk {
  txn::PageSource& source;
  const LargeValueGeometry& geometry;
  std::uint64_t length;
  LargeValueVisitor& visitor;

  // As deep as the index has levels: at most 64, since each multiplies the chunks by 2 or more.
  void subtree(PageId page, IndexNode node) {
    const std::uint64_t chunks = geometry.chunk_count(length);
    const txn::PagePin pin = pin_index_page(source, geometry, page, node, chunks);
    visitor.index_page(page, node.level);
    const std::uint64_t count = node.count(geometry, chunks);
    for (std::uint64_t slot = 0; slot < count; ++slot) {
      const std::uint64_t first = node.first_chunk + slot * node.span(geometry);
      if (node.level == 0) {
        visitor.chunk(first, index_chunk(pin, geometry, length, slot, first));
      } else {
        subtree(index_child(pin, slot), {node.level - 1, first});
      }
    }
  }
};

// The pin of the walk keeps a page's bytes in place after the page itself is freed.
class Freer final : public LargeValueVisitor {
 public:
  Freer(txn::PageSink& sink, CommitNumber born) : sink_(sink), born_(born) {}
  void index_page(PageId id, unsigned) override { sink_.free(id); }
  void chunk(std::uint64_t, const txn::ChunkRef& ref) override { sink_.free_chunk(ref, born_); }

 private:
  txn::PageSink& sink_;
  CommitNumber born_;
};

}  // namespace

void visit_large_value(txn::PageSource& source, const LargeValueDescriptor& value,
                       LargeValueVisitor& visitor) {
  const LargeValueGeometry geometry(source);
  const std::uint64_t chunks = geometry.chunk_count(value.length);
  if (chunks <= kLargeInlineChunksMax) {
    for (std::size_t i = 0; i < chunks; ++i) visitor.chunk(i, value.inline_chunks[i]);
    return;
  }
  Walk{source, geometry, value.length, visitor}.subtree(value.root,
                                                        {geometry.root_level(chunks), 0});
}

void free_large_value(txn::PageSink& sink, const LargeValueDescriptor& value,
                      StreamRegistry* registry) {
  const txn::SavepointId before = sink.savepoint();
  try {
    Freer freer(sink, value.born);
    visit_large_value(sink, value, freer);
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    try {
      sink.rollback_to(before);
      sink.release(before);
    } catch (...) {
      // Half freed: the value's owner still refers to it.
      if (registry != nullptr) registry->note_leak();
    }
    std::rethrow_exception(failure);
  }
  sink.release(before);
  if (registry != nullptr) registry->value_freed(value.value_id);
}

}  // namespace coffer::tree
