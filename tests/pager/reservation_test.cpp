// What a commit reserves is enough for its checkpoint, whatever the free slots look like; and the
// free map's fixed point is reached.
#include <catch2/catch.hpp>

#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::CheckpointChanges;
using pager::Hold;
using pager::SlotRun;

/// Slots that the checkpoint's nodes took.
std::uint64_t node_slots(const pager::CheckpointRoots& roots, const CheckpointChanges& changes) {
  std::uint64_t slots = 0;
  for (const SlotRun& run : roots.now_used) slots += run.count;
  for (const auto& [page, ref] : changes.pages) slots -= ref ? 1 : 0;
  for (const SlotRun& run : changes.runs_used) slots -= run.count;
  return slots;
}

TEST_CASE("no change of any few pages takes more nodes than were said, over all small sets") {
  // Numbers at the edges of leaves and levels: growth, removal and the path between them.
  const std::vector<std::uint64_t> pages = {1, 128, 8191, 8192, 524288, 40000000};
  const unsigned sets = 1u << pages.size();
  std::uint64_t tightest = ~0ull;
  for (unsigned before = 0; before < sets; ++before) {
    for (unsigned after = 0; after < sets; ++after) {
      PagerWorld world(before * sets + after + 1, 4096, crypto::Suite::none);
      CheckpointChanges first;
      CheckpointChanges second;
      for (std::size_t i = 0; i < pages.size(); ++i) {
        const bool was = ((before >> i) & 1) != 0;
        const bool is = ((after >> i) & 1) != 0;
        if (was) first.pages.emplace_back(PageId(pages[i]), world.new_page());
        if (is) second.pages.emplace_back(PageId(pages[i]), world.new_page());
        if (was && !is) second.pages.emplace_back(PageId(pages[i]), std::nullopt);
      }
      for (const auto* changes : {&first, &second}) {
        PageId next = world.superblock.next_page;
        for (const auto& [page, ref] : changes->pages) {
          if (ref) next = std::max(next, page.next());
        }
        const auto bound = world.open->metadata.node_slots_max(changes->pages.size(), next);
        const auto took = node_slots(world.checkpoint(*changes), *changes);
        if (took > bound) FAIL("before " << before << " after " << after);
        if (took != 0) tightest = std::min(tightest, bound - took);
      }
    }
  }
  // The bound is near what is really taken somewhere: no more than the free map's growth away.
  REQUIRE(tightest <= 3);
}

/// A file of `leaves` leaves of the free map that cannot grow, and in which all slots but a few
/// here and there are held by somebody else.
struct FragmentedWorld : PagerWorld {
  FragmentedWorld(std::uint64_t seed, std::uint64_t leaves_) : PagerWorld(seed), leaves(leaves_) {
    open->file.grow(leaves * kLeaf);
    disk->capacity = disk->size;
    reopen();
    for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
      open->ledger.hold({SlotId(leaf * kLeaf), kLeaf}, Hold::version);
    }
    for (int i = 0; i < 400; ++i) set_free();
  }
  void set_free() {
    const SlotId slot(below(random, leaves * kLeaf));
    open->ledger.release({slot, 1}, Hold::version);
  }
  static constexpr std::uint32_t kLeaf = 16384;
  std::uint64_t leaves;
};

TEST_CASE(
    "with what was reserved a checkpoint never lacks room, however scattered the free slots lie") {
  const std::uint64_t seed = 1234;
  std::uint64_t most = 0;
  for (std::uint64_t run = 0; run < 6; ++run) {
    INFO("seed " << seed + run);
    FragmentedWorld world(seed + run, 70);  // two levels of free map
    pager::SlotLedger& ledger = world.open->ledger;
    std::map<std::uint64_t, pager::SlotRef> pages;
    for (int i = 0; i < 60; ++i) {
      INFO("checkpoint " << i);
      CheckpointChanges changes;
      const std::uint64_t n = 1 + below(world.random, 4);
      std::set<std::uint64_t> chosen;
      while (chosen.size() < n) chosen.insert(1 + below(world.random, 40000));
      const PageId next(
          std::max<std::uint64_t>(world.superblock.next_page.value, *chosen.rbegin() + 1));
      const std::uint64_t bound = world.open->metadata.node_slots_max(n, next);
      // The commit: its pages' slots, and what its checkpoint will need.
      while (ledger.free_slots() < n + bound + 10) world.set_free();
      ledger.reserve(n + bound);
      for (const std::uint64_t page : chosen)
        changes.pages.emplace_back(PageId(page), world.new_page());
      ledger.reserve(bound);
      // Others take everything that they may.
      try {
        while (true) static_cast<void>(ledger.allocate(1, Hold::version));
      } catch (const NoSpace&) {
      }
      REQUIRE(ledger.free_slots() == bound);
      const auto roots = world.checkpoint(changes);
      const std::uint64_t took = node_slots(roots, changes);
      REQUIRE(took <= bound);
      most = std::max(most, took);
      // G3, by what stands on disk.
      if (i % 10 == 0) {
        const Walked w = walk(world.open->metadata);
        std::set<std::uint64_t> used = w.nodes;
        for (const auto& [page, ref] : w.pages) used.insert(ref.slot.value);
        REQUIRE(w.used == used);
      }
    }
  }
  // The chains did grow: far more than the four pages' own paths.
  REQUIRE(most > 30);
}

TEST_CASE("a checkpoint that lacks room after all leaves everything as it was") {
  FragmentedWorld world(9, 3);
  std::vector<pager::SlotRef> refs;
  CheckpointChanges first{{{PageId(1), world.new_page()}}, {}, {}};
  world.checkpoint(first);
  CheckpointChanges second{{{PageId(2), world.new_page()}}, {}, {}};
  try {
    while (true) static_cast<void>(world.open->ledger.allocate(1, Hold::version));
  } catch (const NoSpace&) {
  }
  const std::uint64_t held = world.open->ledger.held_slots();
  REQUIRE_THROWS_AS(world.prepare(second), NoSpace);
  REQUIRE(world.open->ledger.held_slots() == held);
  REQUIRE_FALSE(world.open->ledger.held({second.pages[0].second->slot, 1}, Hold::checkpoint));
  // With room for some of the nodes only: the same.
  for (int i = 0; i < 2; ++i) world.set_free();
  const std::uint64_t held_now = world.open->ledger.held_slots();
  try {
    static_cast<void>(world.prepare(second));
    world.open->metadata.abandon();
  } catch (const NoSpace&) {
  }
  REQUIRE(world.open->ledger.held_slots() == held_now);
  for (int i = 0; i < 50; ++i) world.set_free();
  world.checkpoint(second);
  REQUIRE(walk(world.open->metadata).pages.size() == 2);
}

TEST_CASE(
    "pages that a checkpoint takes over stay held though their versions are given up meanwhile") {
  PagerWorld world(10);
  CheckpointChanges changes{{{PageId(1), world.new_page()}}, {}, {}};
  const SlotRun slot{changes.pages[0].second->slot, 1};
  const auto roots = world.prepare(changes);
  world.open->ledger.release(slot,
                             Hold::transaction);  // a later commit replaced it, nobody reads it
  REQUIRE_FALSE(world.open->ledger.reusable(slot.first));
  world.put_in_force(changes, roots);
  REQUIRE(world.open->ledger.in_checkpoint(slot.first));
  // What the caller itself held for the checkpoint is not given up by abandon().
  CheckpointChanges more{{{PageId(2), world.new_page()}, {PageId(3), world.new_page()}}, {}, {}};
  const SlotRun mine{more.pages[0].second->slot, 1};
  const SlotRun other{more.pages[1].second->slot, 1};
  world.open->ledger.hold(mine, Hold::checkpoint);
  static_cast<void>(world.prepare(more));
  REQUIRE(world.open->ledger.held(other, Hold::checkpoint));
  world.open->metadata.abandon();
  REQUIRE(world.open->ledger.held(mine, Hold::checkpoint));
  REQUIRE_FALSE(world.open->ledger.held(other, Hold::checkpoint));
}

}  // namespace
}  // namespace coffer::test
