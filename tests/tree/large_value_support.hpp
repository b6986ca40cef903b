// Helpers of the large values' tests.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "tests/support/fake_pages.hpp"
#include "tree/large_value.hpp"

namespace coffer::tree::test {

using Buffer = std::vector<std::byte>;

// Pages and chunks so small that a few hundred chunks make an index of several levels: a leaf page
// holds 3 references (16 + 3 * 30 = 106 bytes) and an inner page 11 numbers.
inline constexpr std::size_t kSmallContent = 106;
inline constexpr std::size_t kSmallChunk = 7;
inline constexpr std::uint64_t kSmallLeafFanout = 3;
inline constexpr std::uint64_t kSmallInnerFanout = 11;

inline testing::FakePagesOptions small_pages() {
  testing::FakePagesOptions options;
  options.content_bytes = kSmallContent;
  options.chunk_bytes = kSmallChunk;
  options.pins_max = 5;
  options.chunk_buffers_max = 2;
  return options;
}

/// The same bytes for the same seed, unlike at every place.
inline Buffer pattern(std::size_t length, std::uint64_t seed = 7) {
  std::mt19937_64 random(seed);
  Buffer bytes(length);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random() >> 24);
  return bytes;
}

inline Buffer read_all(LargeValueReader& reader) {
  Buffer bytes(static_cast<std::size_t>(reader.size()));
  REQUIRE(reader.read_at(0, bytes) == bytes.size());
  return bytes;
}

inline LargeValueDescriptor write_value(txn::PageSink& sink, std::span<const std::byte> bytes,
                                        std::shared_ptr<StreamRegistry> registry = nullptr) {
  LargeValueWriter writer(sink, std::move(registry));
  writer.write(bytes);
  const LargeValueDescriptor value = writer.finish();
  writer.release();
  return value;
}

/// What a walk over a value found.
struct Inventory final : LargeValueVisitor {
  std::vector<std::pair<std::uint64_t, unsigned>> pages;
  std::vector<std::uint64_t> chunk_lengths;
  bool in_order = true;
  void index_page(PageId id, unsigned level) override { pages.emplace_back(id.value, level); }
  void chunk(std::uint64_t index, const txn::ChunkRef& ref) override {
    in_order = in_order && index == chunk_lengths.size();
    chunk_lengths.push_back(ref.sealed_bytes);
  }
};

/// Index pages of a value of `chunks` chunks on small pages, counted by hand: level by level.
inline std::size_t small_index_pages(std::uint64_t chunks) {
  if (chunks <= 2) return 0;
  std::uint64_t level = (chunks + kSmallLeafFanout - 1) / kSmallLeafFanout;
  std::uint64_t total = level;
  while (level > 1) {
    level = (level + kSmallInnerFanout - 1) / kSmallInnerFanout;
    total += level;
  }
  return static_cast<std::size_t>(total);
}

}  // namespace coffer::tree::test
