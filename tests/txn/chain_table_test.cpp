// The overlay's table against the standard's map.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "txn/chain_table.hpp"

namespace coffer::txn {
namespace {

using Table = ChainTable<std::unique_ptr<std::uint64_t>>;
using Model = std::map<std::uint64_t, std::uint64_t>;

void compare(const Table& table, const Model& model) {
  REQUIRE(table.size() == model.size());
  for (const auto& [page, value] : model) {
    const auto* const found = table.find(PageId{page});
    REQUIRE(found != nullptr);
    REQUIRE(**found == value);
  }
  std::size_t seen = 0;
  table.for_each([&](PageId page, const std::unique_ptr<std::uint64_t>& value) {
    ++seen;
    REQUIRE(model.at(page.value) == *value);
  });
  REQUIRE(seen == model.size());
}

TEST_CASE("a table of chains holds what a map holds, through growth, removal and shrinking") {
  const std::uint64_t seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  Table table;
  Model model;
  CHECK(table.find(PageId{1}) == nullptr);
  for (int step = 0; step < 300; ++step) {
    const std::size_t more = rng() % 200;
    table.reserve(more);
    // Pages from a small range, so that many are there already and neighbours crowd each other.
    for (std::size_t i = 0; i < more; ++i) {
      const std::uint64_t page = 1 + rng() % 3000;
      const std::uint64_t value = rng();
      table.at(PageId{page}) = std::make_unique<std::uint64_t>(value);
      model[page] = value;
    }
    if (step % 3 == 2) {
      const std::uint64_t keep = 1 + rng() % 10;
      table.erase_if(
          [&](PageId, const std::unique_ptr<std::uint64_t>& value) { return *value % keep != 0; });
      std::erase_if(model, [&](const auto& entry) { return entry.second % keep != 0; });
    }
    CHECK(table.find(PageId{3001 + rng() % 1000}) == nullptr);
    compare(table, model);
  }
  table.erase_if([](PageId, const std::unique_ptr<std::uint64_t>&) { return true; });
  CHECK(table.size() == 0);
  table.reserve(1);
  compare(table, {});
}

TEST_CASE("a walk in pieces sees all that was there throughout, though others insert meanwhile") {
  const std::uint64_t seed = GENERATE(1u, 2u, 3u);
  const bool erasing = GENERATE(false, true);
  CAPTURE(seed, erasing);
  std::mt19937_64 rng(seed);
  int moved = 0;
  for (int round = 0; round < 60; ++round) {
    Table table;
    Model model;
    std::uint64_t last_page = rng() % 1000;
    const auto insert = [&](std::size_t count) {
      table.reserve(count);
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t page = ++last_page;  // none comes back
        table.at(PageId{page}) = std::make_unique<std::uint64_t>(page);
        model[page] = page;
      }
    };
    insert(1 + rng() % 200);
    const Model before = model;
    Model seen;
    std::uint64_t layout = table.layout();
    for (std::size_t next = 0; next < table.places();) {
      const std::size_t end = std::min<std::size_t>(next + 1 + rng() % 100, table.places());
      if (erasing) {
        table.erase_if(next, end, [&](PageId page, const std::unique_ptr<std::uint64_t>&) {
          if (page.value % 3 != 0) return false;
          model.erase(page.value);
          return true;
        });
      } else {
        table.for_each(next, end, [&](PageId page, const std::unique_ptr<std::uint64_t>& value) {
          seen[page.value] = *value;
        });
      }
      next = end;
      if (rng() % 2 == 0 && model.size() < 1500) insert(rng() % 120);
      if (table.layout() != layout) {
        layout = table.layout();
        next = 0;
        seen.clear();
        ++moved;
      }
      compare(table, model);
    }
    for (const auto& [page, value] : before) {
      if (erasing) {
        REQUIRE((table.find(PageId{page}) == nullptr) == (page % 3 == 0));
      } else {
        REQUIRE(seen.at(page) == value);
      }
    }
  }
  REQUIRE(moved > 10);
}

}  // namespace
}  // namespace coffer::txn
