// What a backup stands on: pins, and what was born since an earlier checkpoint.
#include <catch2/catch.hpp>

#include "pager/checkpoint_walk.hpp"
#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::CheckpointChanges;
using pager::SlotRun;

using SlotSet = std::set<std::uint64_t>;

void insert(SlotSet& set, const std::vector<SlotRun>& runs) {
  for (const SlotRun& run : runs) {
    for (std::uint32_t i = 0; i < run.count; ++i) set.insert(run.first.value + i);
  }
}

/// Changes some pages of the first `pages`; a third of them goes, and some chunks come and go.
CheckpointChanges some_changes(PagerWorld& world, SlotSet& present, std::vector<SlotRun>& chunks,
                               std::uint64_t pages) {
  CheckpointChanges changes;
  SlotSet numbers;
  for (std::uint64_t i = below(world.random, 30); i > 0; --i)
    numbers.insert(1 + below(world.random, pages));
  for (const std::uint64_t number : numbers) {
    if (present.count(number) != 0 && below(world.random, 3) == 0) {
      changes.pages.emplace_back(PageId(number), std::nullopt);
      present.erase(number);
    } else {
      changes.pages.emplace_back(PageId(number), world.new_page());
      present.insert(number);
    }
  }
  if (!chunks.empty() && below(world.random, 2) == 0) {
    changes.runs_unused.push_back(chunks.back());
    chunks.pop_back();
  }
  if (below(world.random, 2) == 0) {
    changes.runs_used.push_back(world.open->ledger.allocate(
        static_cast<std::uint32_t>(1 + below(world.random, 16)), pager::Hold::transaction));
    chunks.push_back(changes.runs_used.back());
  }
  return changes;
}

SlotSet pinned_by(const pager::SlotPin& pin) {
  SlotSet slots;
  for (std::uint64_t slot = 0; slot < pin.slots_end(); ++slot) {
    if (((pin.words()[slot / 64] >> (slot % 64)) & 1) != 0) slots.insert(slot);
  }
  return slots;
}

}  // namespace

TEST_CASE("a walk of what was born since a checkpoint finds what was written since, and no more") {
  const auto seed = GENERATE(range(1u, 13u));
  CAPTURE(seed);
  PagerWorld world(seed);
  SlotSet present;
  std::vector<SlotRun> chunks;
  // Slots that checkpoint i began to use, as `prepare` said, and those that are chunks.
  std::vector<SlotSet> began;
  SlotSet chunk_slots;
  for (int i = 0; i < 25; ++i) {
    // From a few leaves to a tree of two levels and three.
    const CheckpointChanges changes =
        some_changes(world, present, chunks, i < 8 ? 500 : 12'000 + 1'000 * seed);
    const pager::CheckpointRoots roots = world.checkpoint(changes);
    began.emplace_back();
    insert(began.back(), roots.now_used);
    for (const SlotRun& run : changes.runs_used) insert(chunk_slots, {run});
    for (const SlotRun& run : changes.runs_unused) {
      for (std::uint32_t s = 0; s < run.count; ++s) chunk_slots.erase(run.first.value + s);
    }
    if (below(world.random, 4) == 0) world.reopen();
  }
  const Walked now = walk(world.open->metadata);
  for (std::uint64_t since = 0; since <= began.size(); ++since) {
    CAPTURE(since);
    SlotSet expected;
    for (std::size_t i = since; i < began.size(); ++i) {
      for (const std::uint64_t slot : began[i]) {
        if (now.used.count(slot) != 0 && chunk_slots.count(slot) == 0) expected.insert(slot);
      }
    }
    SlotSet found;
    const pager::CheckpointWalk collect{[&](PageId page, const pager::SlotRef& ref) {
                                          found.insert(ref.slot.value);
                                          REQUIRE(ref.slot == now.pages.at(page.value).slot);
                                        },
                                        [&](const pager::NodePlace&, const pager::SlotRef& ref,
                                            auto) { found.insert(ref.slot.value); },
                                        {}};
    pager::CheckpointWalker(world.open->file, world.keys, collect, since).all(world.superblock);
    REQUIRE(found == expected);
  }
}

TEST_CASE("a page is looked up where the walk finds it") {
  PagerWorld world(5);
  SlotSet present;
  std::vector<SlotRun> chunks;
  for (int i = 0; i < 20; ++i) world.checkpoint(some_changes(world, present, chunks, 20'000));
  const Walked now = walk(world.open->metadata);
  pager::CheckpointLookup lookup(world.open->file, world.keys, world.superblock);
  for (std::uint64_t page = 0; page < 20'100; ++page) {
    const auto found = lookup(PageId(page));
    REQUIRE(found.has_value() == (now.pages.count(page) != 0));
    if (found) REQUIRE(*found == now.pages.at(page));
  }
  REQUIRE(!lookup(PageId((1ull << 48) - 1)));
  REQUIRE(!lookup(PageId(1ull << 48)));
  const PagerWorld empty(6);
  pager::CheckpointLookup nowhere(empty.open->file, empty.keys, empty.superblock);
  REQUIRE(!nowhere(PageId(1)));
}

TEST_CASE("what is pinned is not written until the last pin on it is gone") {
  const auto seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  PagerWorld world(seed);
  auto& ledger = world.open->ledger;
  SlotSet present;
  std::vector<SlotRun> chunks;
  std::vector<std::pair<std::unique_ptr<pager::SlotPin>, SlotSet>> pins;
  for (int i = 0; i < 60; ++i) {
    const pager::CheckpointRoots roots =
        world.checkpoint(some_changes(world, present, chunks, 2'000));
    SlotSet pinned;
    for (const auto& [pin, slots] : pins) pinned.insert(slots.begin(), slots.end());
    SlotSet began;
    insert(began, roots.now_used);
    for (const std::uint64_t slot : began) REQUIRE(pinned.count(slot) == 0);
    if (pins.size() < 3 && below(world.random, 3) == 0) {
      auto pin = ledger.pin();
      // What is pinned is what a walk says is used.
      const SlotSet slots = walk(world.open->metadata).used;
      REQUIRE(pinned_by(*pin) == slots);
      REQUIRE(pin->count() == slots.size());
      pins.emplace_back(std::move(pin), slots);
    } else if (!pins.empty() && below(world.random, 3) == 0) {
      pins.erase(pins.begin() + static_cast<std::ptrdiff_t>(below(world.random, pins.size())));
    }
    // Every slot is free, used, held or only pinned; counted one by one.
    pinned.clear();
    for (const auto& [pin, slots] : pins) pinned.insert(slots.begin(), slots.end());
    std::uint64_t only_pinned = 0;
    std::uint64_t reusable = 0;
    for (std::uint64_t slot = 0; slot < world.open->file.slot_count(); ++slot) {
      if (ledger.reusable(SlotId(slot))) ++reusable;
      if (pinned.count(slot) == 0) continue;
      REQUIRE(!ledger.reusable(SlotId(slot)));
      if (!ledger.in_checkpoint(SlotId(slot))) ++only_pinned;
    }
    REQUIRE(ledger.pinned_slots() == only_pinned);
    REQUIRE(ledger.free_slots() == reusable);
    REQUIRE(ledger.held_slots() == 0);
  }
  pins.clear();
  REQUIRE(ledger.pinned_slots() == 0);
  REQUIRE(ledger.free_slots() + ledger.used_slots() == world.open->file.slot_count());
}

}  // namespace coffer::test
