// Check: everything that the superblock reaches, against everything that the trees refer to.
//
//   the page table's pages + commits since  =  the pages that the trees of that snapshot reach
//   the free map's used slots               =  pages' + nodes' + value chunks' slots of the checkpoint
#include <array>
#include <bit>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "txn/engine.hpp"

namespace coffer::txn {

namespace {

/// A set of numbers that can say what is in one set and not in another.  Takes memory for the neighbourhoods that it has
/// numbers in, and none for what lies between: what verifies may name any page below 2^48.
class NumberSet {
 public:
  /// False when it was there already.
  bool insert(std::uint64_t n) {
    std::uint64_t& word = block(n / kBlockNumbers)[n % kBlockNumbers / 64];
    const std::uint64_t bit = std::uint64_t{1} << n % 64;
    if ((word & bit) != 0) return false;
    word |= bit;
    ++count_;
    return true;
  }
  void erase(std::uint64_t n) {
    if (!contains(n)) return;
    block(n / kBlockNumbers)[n % kBlockNumbers / 64] &= ~(std::uint64_t{1} << n % 64);
    --count_;
  }
  [[nodiscard]] bool contains(std::uint64_t n) const {
    const auto found = blocks_.find(n / kBlockNumbers);
    return found != blocks_.end() && has(*found->second, n % kBlockNumbers);
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The first number here that `other` lacks.
  [[nodiscard]] std::optional<std::uint64_t> first_not_in(const NumberSet& other) const {
    for (const auto& [number, block] : blocks_) {
      const auto theirs = other.blocks_.find(number);
      for (std::size_t i = 0; i < block->size(); ++i) {
        const std::uint64_t there = theirs == other.blocks_.end() ? 0 : (*theirs->second)[i];
        if (const std::uint64_t missing = (*block)[i] & ~there; missing != 0) {
          return number * kBlockNumbers + i * 64 +
                 static_cast<std::uint64_t>(std::countr_zero(missing));
        }
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr std::uint64_t kBlockNumbers = 4096;
  using Block = std::array<std::uint64_t, kBlockNumbers / 64>;

  [[nodiscard]] static bool has(const Block& block, std::uint64_t n) {
    return (block[n / 64] >> n % 64 & 1) != 0;
  }
  /// Neighbours come one after another: the block used last is at hand.
  Block& block(std::uint64_t number) {
    if (last_ == nullptr || number != last_number_) {
      auto& pointer = blocks_[number];
      if (!pointer) pointer = std::make_unique<Block>();
      last_ = pointer.get();
      last_number_ = number;
    }
    return *last_;
  }

  std::map<std::uint64_t, std::unique_ptr<Block>> blocks_;
  Block* last_ = nullptr;
  std::uint64_t last_number_ = 0;
  std::uint64_t count_ = 0;
};

void insert_run(NumberSet& set, pager::SlotRun run, const char* what) {
  for (std::uint32_t i = 0; i < run.count; ++i) {
    if (!set.insert(run.first.value + i)) {
      throw Corrupted(
          fmt::format("slot {} is used twice ({}); restore from a backup and report this",
                      run.first.value + i, what));
    }
  }
}

void compare(const NumberSet& found, const NumberSet& expected, const char* unknown,
             const char* lost) {
  if (const auto n = found.first_not_in(expected))
    throw Corrupted(fmt::format(fmt::runtime(unknown), *n));
  if (const auto n = expected.first_not_in(found))
    throw Corrupted(fmt::format(fmt::runtime(lost), *n));
}

}  // namespace

void Engine::check(CheckReport& report,
                   const std::function<void(PageSource&, const References&)>& walk_trees) {
  Core& core = *core_;
  core.check_alive();
  // No checkpoint takes force meanwhile, so that the page table stays the one that is walked.
  const std::scoped_lock lock(core.checkpoint_mutex);
  const auto view = begin_read(std::nullopt);
  const CommitNumber snapshot = view->snapshot();
  std::vector<RunChange> runs;
  {
    const std::scoped_lock publish(core.publish_mutex);
    runs = core.run_changes;
  }

  NumberSet pages;       // that the snapshot has
  NumberSet page_slots;  // of the checkpoint
  NumberSet marked;      // in the free map
  core.metadata->walk({.page =
                           [&](PageId page, const pager::SlotRef& ref) {
                             pages.insert(page.value);
                             insert_run(page_slots, {ref.slot, 1}, "by a page");
                             report.bytes_verified += ref.sealed_bytes;
                           },
                       .node =
                           [&](const pager::NodePlace& place, const pager::SlotRef& ref, auto) {
                             ++(place.role == crypto::Role::table_node ? report.table_nodes
                                                                       : report.free_map_nodes);
                             insert_run(page_slots, {ref.slot, 1}, "by a node");
                           },
                       .used_slot = [&](SlotId slot) { marked.insert(slot.value); }});
  core.overlay->for_each(snapshot, [&](PageId page, std::optional<Resolved> seen) {
    if (!seen) return;
    if (seen->present) {
      pages.insert(page.value);
    } else {
      pages.erase(page.value);
    }
  });

  NumberSet reached;
  NumberSet run_slots;
  walk_trees(*view,
             {.page =
                  [&](PageId page) {
                    if (!reached.insert(page.value)) {
                      throw Corrupted(fmt::format(
                          "page {} is referred to twice; restore from a backup and report this",
                          page.value));
                    }
                    ++report.logical_pages;
                  },
              .run =
                  [&](pager::SlotRun run) {
                    insert_run(run_slots, run, "by a large value");
                    ++report.value_chunks;
                  }});
  compare(reached, pages, "page {} is referred to but not in the page table",
          "page {} is in the page table but nothing refers to it");

  // From the snapshot's runs back to the checkpoint's.
  for (auto change = runs.rbegin(); change != runs.rend(); ++change) {
    if (change->commit > snapshot) continue;
    for (std::uint32_t i = 0; i < change->run.count; ++i) {
      if (change->used) {
        run_slots.erase(change->run.first.value + i);
      } else {
        run_slots.insert(change->run.first.value + i);
      }
    }
  }
  const std::uint64_t slots = core.page_file->slot_count();
  for (std::uint64_t n = 0; n < slots; ++n) {
    if (run_slots.contains(n))
      insert_run(page_slots, {SlotId{n}, 1}, "by a large value and a page");
  }
  compare(marked, page_slots, "slot {} is marked as used but nothing refers to it",
          "slot {} is referred to but marked as free");
  report.slots_used = marked.count();
  report.slots_free = slots - marked.count();
}

}  // namespace coffer::txn
