// See tail_moves.hpp.
#include "txn/tail_moves.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include <gsl/gsl>

#include <coffer/error.hpp>

#include "txn/read_view.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::SlotRef;
using pager::SlotRun;

namespace {

constexpr std::uint64_t kLeastBytes = 1024 * 1024;
constexpr std::uint64_t kWorthwhileShare = 8;
constexpr std::size_t kCopyBytes = 256 * 1024;

std::uint64_t worthwhile_slots(const Core& core) {
  return std::max(core.ledger->used_slots() / kWorthwhileShare, kLeastBytes / core.page_bytes);
}

struct TailPage {
  PageId page{};
  SlotRef ref{};
  /// Its slot, or that of a node of the table above it, which is written anew when the page moves.
  SlotId highest;
};

/// What has to move for the file to end at `cut`.
struct Tail {
  std::uint64_t cut = 0;
  std::vector<TailPage> pages;
};

/// The nodes of both trees take new slots while the old ones are in use.
std::uint64_t least_cut(const Core& core) {
  const std::uint64_t used = core.ledger->used_slots();
  return used + 2 * core.metadata->node_slots_max(used, core.superblock.next_page);
}

/// So that a store with too much to move is not walked through to find that out.
std::uint64_t used_behind(const Core& core, std::uint64_t cut) {
  constexpr std::uint64_t kWordBits = 64;
  std::array<std::uint64_t, 512> words{};
  std::uint64_t used = 0;
  const std::uint64_t slots = core.page_file->slot_count();
  for (std::uint64_t from = cut / kWordBits * kWordBits; from < slots;
       from += words.size() * kWordBits) {
    core.ledger->copy_in_checkpoint(SlotId(from), words);
    for (const std::uint64_t word : words) used += static_cast<unsigned>(std::popcount(word));
  }
  return used;
}

Tail find_tail(const Core& core) {
  const std::uint64_t slots = core.page_file->slot_count();
  const std::uint64_t least = least_cut(core);
  if (least >= slots) return {.cut = slots, .pages = {}};
  std::vector<TailPage> pages;
  std::vector<bool> stays(slots - least);  // neither a page's nor a node's: of a large value
  const auto mark = [&](SlotId slot, bool as) {
    if (slot.value >= least && slot.value < slots) stays[slot.value - least] = as;
  };
  std::vector<SlotId> nodes;
  SlotId node_above{};  // which no page has been named for yet; the walk comes to one next
  const pager::CheckpointWalk walk{
      .page =
          [&](PageId page, const SlotRef& ref) {
            const SlotId highest = std::max(ref.slot, std::exchange(node_above, SlotId{}));
            if (highest.value >= least) pages.push_back({page, ref, highest});
          },
      .node =
          [&](const pager::NodePlace& place, const SlotRef& ref, std::span<const std::byte>) {
            nodes.push_back(ref.slot);
            if (place.role == crypto::Role::table_node) {
              node_above = std::max(node_above, ref.slot);
            }
          },
      .used_slot = [&](SlotId slot) { mark(slot, true); }};
  pager::CheckpointWalker(*core.page_file, *core.keys, walk).all(core.superblock);
  for (const TailPage& page : pages) mark(page.ref.slot, false);
  for (const SlotId slot : nodes) mark(slot, false);
  const auto last = std::find(stays.rbegin(), stays.rend(), true);
  const std::uint64_t cut = least + static_cast<std::uint64_t>(stays.rend() - last);
  std::erase_if(pages, [cut](const TailPage& page) { return page.highest.value < cut; });
  return {.cut = cut, .pages = std::move(pages)};
}

/// New slots, given back unless they are handed on.
class NewSlots {
 public:
  NewSlots(pager::SlotLedger& ledger, std::size_t count) : ledger_(ledger) {
    ledger_.search_from_start();
    slots_ = ledger_.allocate_scattered(count, Hold::checkpoint);
  }
  ~NewSlots() {
    for (const SlotRun& slot : slots_) ledger_.release(slot, Hold::checkpoint);
  }
  NewSlots(const NewSlots&) = delete;
  NewSlots& operator=(const NewSlots&) = delete;
  [[nodiscard]] SlotId operator[](std::size_t i) const { return slots_[i].first; }
  [[nodiscard]] SlotId last() const { return slots_.back().first; }
  /// Keeps those of `moved`, gives back the others.
  void hand_on(const std::vector<MovedPage>& moved) noexcept {
    auto next = moved.begin();
    for (const SlotRun& slot : slots_) {
      if (next != moved.end() && next->second.slot == slot.first) {
        ++next;
      } else {
        ledger_.release(slot, Hold::checkpoint);
      }
    }
    slots_.clear();
  }

 private:
  pager::SlotLedger& ledger_;
  std::vector<SlotRun> slots_;  ///< rising
};

/// Writes slots behind one another with one call.
class RunWriter {
 public:
  explicit RunWriter(Core& core)
      : core_(core), buffer_(std::max<std::size_t>(kCopyBytes, core.page_bytes)) {}
  /// For the next slot's bytes.  They are forgotten unless `put` follows.
  [[nodiscard]] std::span<std::byte> room() {
    if ((count_ + 1) * core_.page_bytes > buffer_.size()) flush();
    return std::span(buffer_).subspan(count_ * core_.page_bytes, core_.page_bytes);
  }
  /// What `room` was filled with goes to the slot.
  void put(SlotId slot) {
    if (count_ != 0 && first_.next(count_) != slot) {
      const auto bytes = room();
      flush();
      std::ranges::copy(bytes, buffer_.begin());
    }
    if (count_ == 0) first_ = slot;
    ++count_;
  }
  void flush() {
    if (count_ == 0) return;
    core_.page_file->write_run(first_, std::span(buffer_).first(count_ * core_.page_bytes));
    count_ = 0;
  }

 private:
  Core& core_;
  std::vector<std::byte> buffer_;
  SlotId first_;
  std::size_t count_ = 0;
};

}  // namespace

bool tail_moves_due(const Core& core) {
  const std::uint64_t end = core.page_file->slot_count() - core.ledger->free_tail();
  const std::uint64_t cut = least_cut(core);
  return end > cut + worthwhile_slots(core) && used_behind(core, cut) <= kTailMovesMax;
}

std::vector<MovedPage> move_tail(Core& core) {
  Tail tail = find_tail(core);
  const std::uint64_t end = core.page_file->slot_count() - core.ledger->free_tail();
  if (end < tail.cut + worthwhile_slots(core) || tail.pages.empty() ||
      tail.pages.size() > kTailMovesMax) {
    return {};
  }
  // In the order in which they lie, so that neighbours stay neighbours.
  std::ranges::sort(tail.pages, {}, [](const TailPage& page) { return page.ref.slot; });
  NewSlots slots(*core.ledger, tail.pages.size());
  if (slots.last().value >= tail.cut) return {};  // a backup pins what was free

  const pager::FrameIndex scratch = core.frames->take(pager::Claim::writer);
  const auto give_back = gsl::finally([&] { core.frames->retire(scratch); });
  std::vector<MovedPage> moved;
  moved.reserve(tail.pages.size());
  RunWriter writer(core);
  for (std::size_t i = 0; i < tail.pages.size(); ++i) {
    auto [page, ref, highest] = tail.pages[i];
    const auto slot = writer.room();
    core.page_file->read_slots({ref.slot, 1}, slot);
    try {
      core.sealer->open_copy(page, ref, slot, core.frames->bytes(scratch));
    } catch (const Error&) {
      continue;  // whoever reads it is told
    }
    ref.slot = slots[i];
    writer.put(ref.slot);
    moved.emplace_back(page, ref);
  }
  writer.flush();
  slots.hand_on(moved);
  std::ranges::sort(moved, {}, &MovedPage::first);
  return moved;
}

}  // namespace coffer::txn
