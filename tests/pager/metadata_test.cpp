// The page table and the free map against plain models, over many checkpoints and openings.
#include <catch2/catch.hpp>

#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::CheckpointChanges;
using pager::Hold;
using pager::SlotRef;
using pager::SlotRun;

using Model = std::map<std::uint64_t, SlotRef>;

/// Page numbers that share leaves, and some far away so that the tree grows.
std::uint64_t some_page(Random& random, unsigned reach) {
  const unsigned bits = static_cast<unsigned>(1 + below(random, reach));
  return 1 + below(random, std::uint64_t{1} << bits);
}

/// Random changes to `model`, in the form that prepare() takes.
CheckpointChanges change(PagerWorld& world, Model& model, std::map<std::uint64_t, SlotRun>& chunks,
                         unsigned reach) {
  std::map<std::uint64_t, std::optional<SlotRef>> pages;
  const std::uint64_t n = below(world.random, 60);
  for (std::uint64_t i = 0; i < n; ++i) {
    std::uint64_t page = some_page(world.random, reach);
    // Prefer pages that exist, so that the table also loses some.
    if (!model.empty() && below(world.random, 2) == 0) {
      const auto at = model.lower_bound(page);
      page = at == model.end() ? model.begin()->first : at->first;
    }
    if (pages.count(page) != 0) continue;
    if (below(world.random, 3) == 0) {
      pages[page] = std::nullopt;
    } else {
      pages[page] = world.new_page();
    }
  }
  CheckpointChanges changes;
  for (const auto& [page, ref] : pages) {
    changes.pages.emplace_back(PageId(page), ref);
    if (ref) {
      model[page] = *ref;
    } else {
      model.erase(page);
    }
  }
  std::shuffle(changes.pages.begin(), changes.pages.end(), world.random);
  for (std::uint64_t i = below(world.random, 4); i > 0 && !chunks.empty(); --i) {
    const auto at = chunks.begin();
    changes.runs_unused.push_back(at->second);
    chunks.erase(at);
  }
  for (std::uint64_t i = below(world.random, 4); i > 0; --i) {
    const auto run = world.open->ledger.allocate(
        static_cast<std::uint32_t>(1 + below(world.random, 16)), Hold::transaction);
    changes.runs_used.push_back(run);
  }
  for (const auto& run : changes.runs_used) chunks[run.first.value] = run;
  return changes;
}

/// Everything that can be asked says what the models say (G3 included).
void compare(const PagerWorld& world, const Model& model,
             const std::map<std::uint64_t, SlotRun>& chunks) {
  const auto& metadata = world.open->metadata;
  const Walked w = walk(metadata);
  REQUIRE(w.pages == model);
  REQUIRE(w.node_count == w.nodes.size());
  std::set<std::uint64_t> used = w.nodes;
  for (const auto& [page, ref] : model) {
    REQUIRE(used.insert(ref.slot.value).second);
    REQUIRE(metadata.lookup(PageId(page)) == ref);
  }
  for (const auto& [first, run] : chunks) {
    for (std::uint32_t i = 0; i < run.count; ++i) REQUIRE(used.insert(first + i).second);
  }
  REQUIRE(w.used == used);
  REQUIRE(world.open->ledger.used_slots() == used.size());
  REQUIRE(world.open->ledger.held_slots() == 0);
  REQUIRE(world.superblock.slot_count == (used.empty() ? 0 : *used.rbegin() + 1));
  REQUIRE(world.superblock.page_count == model.size());
  for (std::uint64_t slot = 0; slot < world.open->file.slot_count(); ++slot) {
    if (world.open->ledger.in_checkpoint(SlotId(slot)) != (used.count(slot) != 0)) {
      FAIL("slot " << slot);
    }
  }
}

void compare_find_empty(PagerWorld& world, const Model& model, unsigned reach) {
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t from = below(world.random, 3) == 0 ? 0 : some_page(world.random, reach);
    const std::uint64_t limit = from + below(world.random, 400);
    std::optional<PageId> expected;
    for (std::uint64_t page = std::max<std::uint64_t>(from, 1); page < limit; ++page) {
      if (model.count(page) == 0) {
        expected = PageId(page);
        break;
      }
    }
    INFO("from " << from << " limit " << limit);
    REQUIRE(world.open->metadata.find_empty(PageId(from), PageId(limit)) == expected);
  }
}

void run_model(std::uint64_t seed, std::uint32_t page_bytes, crypto::Suite suite, unsigned reach,
               int checkpoints, std::uint64_t cache_bytes) {
  INFO("seed " << seed << " page size " << page_bytes << " reach 2^" << reach);
  PagerWorld world(seed, page_bytes, suite, cache_bytes);
  Model model;
  std::map<std::uint64_t, SlotRun> chunks;
  for (int i = 0; i < checkpoints; ++i) {
    INFO("checkpoint " << i);
    const std::uint64_t fate = below(world.random, 8);
    Model model_then = model;
    auto chunks_then = chunks;
    const CheckpointChanges changes = change(world, model, chunks, reach);
    const auto bound = world.open->metadata.node_slots_max(
        changes.pages.size(),
        PageId(std::max<std::uint64_t>(world.superblock.next_page.value,
                                       model.empty() ? 1 : model.rbegin()->first + 1)));
    const std::uint64_t held = world.open->ledger.held_slots();
    const auto roots = world.prepare(changes);
    REQUIRE(world.open->ledger.held_slots() - held <= bound);
    if (fate == 0) {
      // It fails: all is as it was, on disk too.
      world.open->metadata.abandon();
      REQUIRE(world.open->ledger.held_slots() == held);
      model = model_then;
      chunks = chunks_then;
      world.reopen();
    } else {
      world.put_in_force(changes, roots);
      if (fate == 1) world.reopen();
    }
    REQUIRE(world.open->metadata.cache_bytes() <= cache_bytes + 100'000);
    compare(world, model, chunks);
    compare_find_empty(world, model, reach);
  }
  // Everything goes: no page, no node, no slot is left.
  CheckpointChanges all;
  for (const auto& [page, ref] : model) all.pages.emplace_back(PageId(page), std::nullopt);
  for (const auto& [first, run] : chunks) all.runs_unused.push_back(run);
  world.checkpoint(all);
  world.reopen();
  compare(world, {}, {});
  REQUIRE(world.superblock.slot_count == 0);
  REQUIRE(world.superblock.table_levels == 0);
}

TEST_CASE("the page table and the free map agree with models over random checkpoints") {
  const std::uint64_t seed = 20240801;
  for (std::uint64_t i = 0; i < 12; ++i) {
    run_model(seed + i, 4096, crypto::Suite::xchacha20poly1305, i % 2 == 0 ? 10 : 34, 40, 1 << 20);
  }
}

TEST_CASE("a cache too small for anything changes no answer") {
  run_model(77, 4096, crypto::Suite::xchacha20poly1305, 22, 40, 1);
}

TEST_CASE("an unencrypted store keeps the same structures") {
  run_model(78, 4096, crypto::Suite::none, 16, 40, 1 << 20);
}

TEST_CASE("the page table and the free map work at every page size") {
  for (const std::uint32_t page_bytes : {8192u, 16384u, 32768u, 65536u}) {
    run_model(500 + page_bytes, page_bytes, crypto::Suite::xchacha20poly1305, 26, 15, 1 << 20);
  }
}

TEST_CASE("pages whose numbers fill leaves and levels exactly are all found") {
  PagerWorld world(5);
  Model model;
  // The edges of leaves (128), of first-level nodes (8,192) and of second-level ones (524,288).
  for (const std::uint64_t edge : {128ull, 8192ull, 524288ull, 33554432ull, 281474976710656ull}) {
    CheckpointChanges changes;
    for (const std::uint64_t page : {edge - 1, edge}) {
      if (page >= pager::format::kNumbersEnd) continue;
      model[page] = world.new_page();
      changes.pages.emplace_back(PageId(page), model[page]);
    }
    world.checkpoint(changes);
    compare(world, model, {});
    REQUIRE_FALSE(world.open->metadata.lookup(PageId(edge + 1)).has_value());
    REQUIRE_FALSE(world.open->metadata.lookup(PageId(~0ull)).has_value());
  }
  world.reopen();
  compare(world, model, {});
}

TEST_CASE("the free map grows by a level when slots beyond its reach come into use") {
  PagerWorld world(11);
  Model model;
  const auto add_page = [&](std::uint64_t page) {
    model[page] = world.new_page();
    world.checkpoint({{{PageId(page), model[page]}}, {}, {}});
  };
  add_page(1);
  REQUIRE(world.superblock.free_levels == 1);
  // Others hold everything up to the 66th leaf; 64 have a common parent.
  auto& ledger = world.open->ledger;
  const SlotRun others{SlotId(100), 65 * 16384 + 100};
  ledger.reserve(70 * 16384);
  ledger.reserve(0);
  ledger.hold(others, Hold::version);
  ledger.hold({SlotId(3), 97}, Hold::version);
  add_page(2);
  REQUIRE(model[2].slot.value >= 65 * 16384);
  REQUIRE(world.superblock.free_levels == 3);
  world.reopen();
  compare(world, model, {});
  world.checkpoint({{{PageId(2), std::nullopt}}, {}, {}});
  model.erase(2);
  world.reopen();
  compare(world, model, {});
}

TEST_CASE("a full table sends find_empty behind it, and one gap is found") {
  PagerWorld world(6);
  CheckpointChanges changes;
  for (std::uint64_t page = 1; page < 8192; ++page) {
    changes.pages.emplace_back(PageId(page), world.new_page());
  }
  world.checkpoint(changes);
  const auto& metadata = world.open->metadata;
  REQUIRE(metadata.find_empty(PageId(0), PageId(1 << 20)) == PageId(8192));
  REQUIRE_FALSE(metadata.find_empty(PageId(1), PageId(8192)).has_value());
  world.checkpoint({{{PageId(4711), std::nullopt}}, {}, {}});
  REQUIRE(metadata.find_empty(PageId(1), PageId(8192)) == PageId(4711));
  REQUIRE(metadata.find_empty(PageId(4712), PageId(9000)) == PageId(8192));
}

TEST_CASE("a checkpoint that changes nothing writes nothing") {
  PagerWorld world(7);
  world.checkpoint({{{PageId(3), world.new_page()}}, {}, {}});
  const auto before = world.superblock;
  const auto roots = world.checkpoint({});
  REQUIRE(roots.now_used.empty());
  REQUIRE(roots.no_longer_used.empty());
  REQUIRE(roots.table_root == before.table_root);
  REQUIRE(roots.free_root == before.free_root);
  // Nor does freeing a page that the table never had, however far away.
  REQUIRE(world.checkpoint({{{PageId(1ull << 40), std::nullopt}}, {}, {}}).now_used.empty());
}

TEST_CASE("nodes are written under the current epoch and older ones still open") {
  PagerWorld world(8);
  world.checkpoint({{{PageId(1), world.new_page()}, {PageId(9000), world.new_page()}}, {}, {}});
  world.keys.set_epoch(2);
  world.checkpoint({{{PageId(1), world.new_page()}}, {}, {}});
  REQUIRE(world.superblock.table_root.epoch == Epoch(2));
  world.reopen();
  REQUIRE(walk(world.open->metadata).pages.size() == 2);
}

TEST_CASE("marking a slot twice, or giving one back that nobody has, is refused without a trace") {
  PagerWorld world(9);
  const SlotRef page = world.new_page();
  world.checkpoint({{{PageId(1), page}}, {}, {}});
  const std::uint64_t held = world.open->ledger.held_slots();
  REQUIRE_THROWS_AS(world.prepare({{{PageId(2), page}}, {}, {}}), Tampered);
  const SlotRun nobody_s = world.open->ledger.allocate(2, Hold::transaction);
  REQUIRE_THROWS_AS(world.prepare({{}, {}, {nobody_s}}), Tampered);
  world.open->ledger.release(nobody_s, Hold::transaction);
  REQUIRE(world.open->ledger.held_slots() == held);
  world.checkpoint({{{PageId(2), world.new_page()}}, {}, {}});
  REQUIRE(walk(world.open->metadata).pages.size() == 2);
}

}  // namespace
}  // namespace coffer::test
