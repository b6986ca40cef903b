// Helpers of the trees' tests: a store in memory, and what its trees consist of.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_pages.hpp"
#include "tree/check.hpp"
#include "tree/open_tree.hpp"

namespace coffer::tree::test {

/// A transaction on pages in memory.
class Store {
 public:
  explicit Store(std::size_t content_bytes = 4072, std::size_t pins_max = 64)
      : pages({.content_bytes = content_bytes, .pins_max = pins_max}) {}
  explicit Store(const testing::FakePagesOptions& options) : pages(options) {}

  [[nodiscard]] TreeContext writer() { return {&pages, &pages, registry}; }
  [[nodiscard]] TreeContext reader() { return {&pages, nullptr, registry}; }
  Tree create(Bytes name, TreeOptions options = {}) { return create_tree(writer(), name, options); }

  testing::FakePages pages;
  std::shared_ptr<StreamRegistry> registry = std::make_shared<StreamRegistry>();
};

/// Collects what a check visits; nothing may be visited twice.
class Visited final : public CheckVisitor {
 public:
  void page(PageId id) override {
    INFO("page " << id.value);
    REQUIRE(pages.insert(id.value).second);
  }
  void chunk(std::uint64_t, std::uint64_t, const txn::ChunkRef& ref) override {
    INFO("chunk at slot " << ref.first_slot.value);
    REQUIRE(chunks.insert(ref.first_slot.value).second);
  }
  std::set<std::uint64_t> pages;
  std::set<std::uint64_t> chunks;
};

/// Checks all trees, and that the store has no page or chunk besides theirs.
inline CheckCounts check_store(Store& store) {
  Visited visited;
  const CheckCounts counts = check_all_trees(store.reader(), visited);
  std::set<std::uint64_t> live;
  for (const PageId id : store.pages.pages()) live.insert(id.value);
  REQUIRE(visited.pages == live);
  REQUIRE(visited.chunks == store.pages.live_chunks());
  REQUIRE(store.pages.pins() == 0);
  return counts;
}

/// A seed of its own for each run, or the one in COFFER_TEST_SEED.
inline std::uint64_t test_seed() {
  const char* given = std::getenv("COFFER_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t limit) {
  return random() % limit;
}

/// `n` in six digits, so that keys lie in the order of their numbers.
inline std::string number(int n) {
  std::string digits = std::to_string(n);
  return std::string(6 - digits.size(), '0') + digits;
}

inline std::string random_bytes(Random& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (char& b : bytes) b = static_cast<char>(random());
  return bytes;
}

}  // namespace coffer::tree::test
