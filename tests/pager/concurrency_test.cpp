// Look-ups go on while checkpoints are made and installed.
#include <catch2/catch.hpp>

#include <atomic>
#include <cstring>
#include <thread>

#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::CheckpointChanges;
using pager::SlotRef;

constexpr std::uint64_t kPages = 2000;

/// A page's reference carries its number and its version in the tag.
void label(SlotRef& ref, std::uint64_t page, std::uint64_t version) {
  std::memcpy(ref.tag.data(), &page, 8);
  std::memcpy(ref.tag.data() + 8, &version, 8);
}

void run_readers(std::uint64_t cache_bytes) {
  PagerWorld world(3, 4096, crypto::Suite::xchacha20poly1305, cache_bytes);
  // Far apart, so that there are many nodes.
  const auto number = [](std::uint64_t i) { return 1 + i * 50; };
  std::vector<std::atomic<std::uint64_t>> in_force(kPages);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> looked{0};
  std::vector<std::thread> readers;
  for (unsigned t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      Random random(t);
      while (!stop) {
        const std::uint64_t i = below(random, kPages);
        const std::uint64_t at_least = in_force[i].load();
        const auto ref = world.open->metadata.lookup(PageId(number(i)));
        std::uint64_t page = 0;
        std::uint64_t version = 0;
        if (ref) {
          std::memcpy(&page, ref->tag.data(), 8);
          std::memcpy(&version, ref->tag.data() + 8, 8);
        }
        if (version < at_least || (ref && page != number(i))) ++wrong;
        const auto empty = world.open->metadata.find_empty(PageId(1), PageId(1 << 20));
        if (!empty) ++wrong;
        ++looked;
      }
    });
  }
  for (std::uint64_t version = 1; version <= 25 || looked < 1000; ++version) {
    std::map<std::uint64_t, SlotRef> pages;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t page = below(world.random, kPages);
      if (pages.count(page) != 0) continue;
      SlotRef ref = world.new_page();
      label(ref, number(page), version);
      pages[page] = ref;
    }
    CheckpointChanges changes;
    for (const auto& [page, ref] : pages) changes.pages.emplace_back(PageId(number(page)), ref);
    world.checkpoint(changes);
    for (const auto& [page, ref] : pages) in_force[page] = version;
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  REQUIRE(wrong == 0);
}

TEST_CASE(
    "readers see each page as of the checkpoint before or after, never older and never broken",
    "[threads]") {
  run_readers(1 << 20);
}

TEST_CASE("the same when every look-up reads from disk", "[threads]") {
  run_readers(1);
}

TEST_CASE("a cached look-up takes some tens of nanoseconds", "[.bench]") {
  PagerWorld world(4, 4096, crypto::Suite::xchacha20poly1305, 64 << 20);
  CheckpointChanges changes;
  constexpr std::uint64_t kMany = 300'000;
  for (std::uint64_t i = 1; i <= kMany; ++i)
    changes.pages.emplace_back(PageId(i), world.new_page());
  const double begin = cpu_seconds();
  world.checkpoint(changes);
  WARN((cpu_seconds() - begin) * 1e3 << " ms for a checkpoint of " << kMany << " pages");
  std::uint64_t sum = 0;
  for (const std::uint64_t reach : {std::uint64_t{1000}, kMany}) {
    const double start = cpu_seconds();
    constexpr int kTimes = 2'000'000;
    for (int i = 0; i < kTimes; ++i) {
      sum += world.open->metadata.lookup(PageId(1 + world.random() % reach))->slot.value;
    }
    WARN((cpu_seconds() - start) * 1e9 / kTimes << " ns a look-up over " << reach << " pages");
  }
  REQUIRE(sum != 0);
}

}  // namespace
}  // namespace coffer::test
