// See slot_ledger.hpp.
//
// Slots are kept in blocks of 16,384 with the number of free ones each, so that looking for a free
// slot skips what is full.  Searching is next-fit, with one position for single slots and one for
// runs: what is written together lies together, and a search does not begin where the last one
// found nothing.
#include "pager/slot_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <coffer/error.hpp>
#include <mutex>
#include <optional>

#include "pager/pager_format.hpp"
#include "pager/slot_block.hpp"
#include "platform/spinning.hpp"

namespace coffer::pager {

namespace {

constexpr std::uint64_t kGrowthBytesMin = std::uint64_t{256} << 10;
constexpr std::uint64_t kGrowthBytesMax = std::uint64_t{64} << 20;
/// After a search for a run found none, this part of the file must have become free before the next
/// search of the whole file.
constexpr std::uint64_t kSearchAgainShare = 1024;

}  // namespace

struct SlotLedger::State {
  explicit State(PageFile& f) : file(f) { resize(f.slot_count()); }

  PageFile& file;
  mutable platform::Spinning<std::mutex> mutex;
  std::vector<std::unique_ptr<SlotBlock>> blocks;
  std::uint64_t slots = 0;
  std::uint64_t free = 0;
  std::uint64_t used = 0;
  std::uint64_t pinned = 0;  ///< only pinned
  std::vector<const SlotPin*> pins;
  std::uint64_t reserved = 0;     ///< as asked for
  std::uint64_t reserved_at = 0;  ///< slots of the file at that time
  std::uint64_t next_single = 0;  ///< where the next search begins
  std::uint64_t next_run = 0;
  std::uint32_t missing_run = 0;  ///< a run of this many slots was not found; 0: nothing known
  std::uint64_t freed_since = 0;  ///< slots freed since then

  /// Calls `change(block, word, mask)` for each word that the run touches.
  template <class Change>
  void each_word(SlotRun run, Change change) {
    std::uint64_t at = run.first.value;
    const std::uint64_t end = at + run.count;
    while (at < end) {
      const std::uint64_t inside = at % 64;
      const std::uint64_t n = std::min<std::uint64_t>(64 - inside, end - at);
      const std::uint64_t mask = (n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1)
                                 << inside;
      SlotBlock& block = *blocks[at / SlotBlock::kSlots];
      const std::uint32_t free_before = block.free();
      const std::uint32_t used_before = block.used();
      const std::uint32_t pinned_before = block.pinned();
      change(block, static_cast<std::uint32_t>(at % SlotBlock::kSlots / 64), mask);
      free += block.free();
      free -= free_before;
      used += block.used();
      used -= used_before;
      pinned += block.pinned();
      pinned -= pinned_before;
      at += n;
    }
  }

  [[nodiscard]] std::uint64_t busy_word(std::uint64_t slot) const {
    return blocks[slot / SlotBlock::kSlots]->busy_word(
        static_cast<std::uint32_t>(slot % SlotBlock::kSlots / 64));
  }
  [[nodiscard]] bool inside(SlotRun run) const {
    return run.first.value < slots && run.count <= slots - run.first.value;
  }

  void resize(std::uint64_t to);
  void take_tail(SlotRun run);
  void prepare(SlotRun run, Hold hold);
  void put_hold(SlotRun run, Hold hold);
  void take_off(SlotRun run, Hold hold);

  [[nodiscard]] std::uint64_t reserve_now(std::uint64_t slots_then) const;
  [[nodiscard]] bool may_take(std::uint64_t count, Hold hold) const;
  [[nodiscard]] std::uint64_t growth_for(std::uint64_t count, Hold hold) const;
  bool grow_to(std::uint64_t wanted, std::uint64_t needed);
  void make_room(std::uint64_t count, Hold hold);
  [[noreturn]] void raise_full(std::uint64_t count) const;

  [[nodiscard]] std::optional<std::uint64_t> find_single(std::uint64_t from,
                                                         std::uint64_t to) const;
  [[nodiscard]] std::optional<std::uint64_t> find_run(std::uint64_t from, std::uint64_t to,
                                                      std::uint32_t count) const;
  [[nodiscard]] std::uint64_t tail() const;
  SlotRun take_single(Hold hold);
  SlotRun take_run(std::uint32_t count, Hold hold);
};

// --- The bits
// ---------------------------------------------------------------------------------------

void SlotLedger::State::resize(std::uint64_t to) {
  const std::uint64_t need = (to + SlotBlock::kSlots - 1) / SlotBlock::kSlots;
  while (blocks.size() < need) blocks.push_back(std::make_unique<SlotBlock>());
  blocks.resize(need);
  const std::uint64_t first = std::min(slots, to) / SlotBlock::kSlots;
  for (std::uint64_t b = first; b < need; ++b) {
    blocks[b]->resize(
        static_cast<std::uint32_t>(std::min(SlotBlock::kSlots, to - b * SlotBlock::kSlots)));
  }
  slots = to;
  free = 0;
  for (const auto& block : blocks) free += block->free();
  if (next_single >= slots) next_single = 0;
  if (next_run >= slots) next_run = 0;
}

void SlotLedger::State::prepare(SlotRun run, Hold hold) {
  if (run.count == 0) return;
  const std::uint64_t last = (run.first.value + run.count - 1) / SlotBlock::kSlots;
  for (std::uint64_t b = run.first.value / SlotBlock::kSlots; b <= last; ++b) {
    blocks[b]->prepare(hold);
  }
}

/// A journal names what was grown since the checkpoint.
void SlotLedger::State::take_tail(SlotRun run) {
  const std::uint64_t end = run.first.value + run.count;
  if (end < run.count || !file.take_tail(end)) file.raise_short(run.first, run.count);
  resize(end);
}

void SlotLedger::State::put_hold(SlotRun run, Hold hold) {
  prepare(run, hold);
  each_word(run, [hold](SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
    block.hold_word(w, mask, hold);
  });
}

void SlotLedger::State::take_off(SlotRun run, Hold hold) {
  const std::uint64_t before = free;
  each_word(run, [hold](SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
    block.release_word(w, mask, hold);
  });
  freed_since += free - before;
}

// --- Room
// -------------------------------------------------------------------------------------------

/// L2: what must stay free once the file has `slots_then` slots.  A larger file can have more
/// free-map nodes than whoever reserved could know of.
std::uint64_t SlotLedger::State::reserve_now(std::uint64_t slots_then) const {
  if (reserved == 0) return 0;
  const std::uint64_t then = format::free_map_nodes(file.page_bytes(), slots_then);
  const std::uint64_t at = format::free_map_nodes(file.page_bytes(), reserved_at);
  return reserved + (then > at ? then - at : 0);
}

bool SlotLedger::State::may_take(std::uint64_t count, Hold hold) const {
  const std::uint64_t keep = hold == Hold::checkpoint ? 0 : reserve_now(slots);
  return free >= keep && free - keep >= count;
}

/// How many slots the file must have at least for `count` of them to be taken.
std::uint64_t SlotLedger::State::growth_for(std::uint64_t count, Hold hold) const {
  std::uint64_t to = slots;
  for (;;) {
    const std::uint64_t need = count + (hold == Hold::checkpoint ? 0 : reserve_now(to));
    const std::uint64_t have = free + (to - slots);
    if (have >= need) return to;
    to += need - have;
  }
}

/// Grows to `wanted`, or where that much has no room to `needed`; false when not even that has.
bool SlotLedger::State::grow_to(std::uint64_t wanted, std::uint64_t needed) {
  for (const std::uint64_t to : {wanted, needed}) {
    const std::uint64_t blocks_then = (to + SlotBlock::kSlots - 1) / SlotBlock::kSlots;
    // What can fail for want of memory comes before the file changes.
    std::vector<std::unique_ptr<SlotBlock>> more;
    while (blocks.size() + more.size() < blocks_then) {
      more.push_back(std::make_unique<SlotBlock>());
    }
    blocks.reserve(blocks_then);
    try {
      file.grow(to);
    } catch (const NoSpace&) {
      continue;
    }
    for (auto& block : more) blocks.push_back(std::move(block));
    resize(to);
    return true;
  }
  return false;
}

void SlotLedger::State::make_room(std::uint64_t count, Hold hold) {
  if (may_take(count, hold)) return;
  const std::uint64_t needed = growth_for(count, hold);
  const std::uint64_t step =
      std::clamp(slots * file.page_bytes(), kGrowthBytesMin, kGrowthBytesMax) / file.page_bytes();
  if (!grow_to(std::max(needed, slots + step), needed)) raise_full(count);
}

void SlotLedger::State::raise_full(std::uint64_t count) const {
  throw NoSpace(
      fmt::format("'{}' cannot grow: {} slots of {} bytes were needed, {} are free of which {} are "
                  "kept for the "
                  "next checkpoint; make room on the disk or raise the quota and try again",
                  file.path().string(), count, file.page_bytes(), free, reserve_now(slots)));
}

// --- Finding
// ----------------------------------------------------------------------------------------

std::optional<std::uint64_t> SlotLedger::State::find_single(std::uint64_t from,
                                                            std::uint64_t to) const {
  for (std::uint64_t at = from; at < to;) {
    const SlotBlock& block = *blocks[at / SlotBlock::kSlots];
    const std::uint64_t block_end = std::min(to, (at / SlotBlock::kSlots + 1) * SlotBlock::kSlots);
    if (block.free() == 0) {
      at = block_end;
      continue;
    }
    while (at < block_end) {
      const std::uint64_t open = ~busy_word(at) & (~std::uint64_t{0} << (at % 64));
      const std::uint64_t word = at - at % 64;
      if (open != 0) {
        const std::uint64_t found = word + static_cast<unsigned>(std::countr_zero(open));
        if (found < to) return found;
        return std::nullopt;
      }
      at = word + 64;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> SlotLedger::State::find_run(std::uint64_t from, std::uint64_t to,
                                                         std::uint32_t count) const {
  std::uint64_t begin = from;  // [begin, at) is free
  std::uint64_t at = from;
  while (at < to) {
    if (at % SlotBlock::kSlots == 0 && blocks[at / SlotBlock::kSlots]->free() == 0) {
      at += SlotBlock::kSlots;
      begin = at;
      continue;
    }
    const std::uint64_t left = 64 - at % 64;
    const std::uint64_t busy = busy_word(at) >> (at % 64);
    const auto open = std::min<std::uint64_t>(
        left, static_cast<unsigned>(std::countr_zero(busy)));  // 64 when nothing is busy
    at = std::min(at + open, to);
    if (at - begin >= count) return begin;
    if (open < left && at < to) {
      // Behind the busy slots that follow; ones come in from the left when shifting the complement.
      const auto taken = std::min<std::uint64_t>(
          left - open, static_cast<unsigned>(std::countr_one(busy >> open)));
      at += taken;
      begin = at;
    }
  }
  return std::nullopt;
}

std::uint64_t SlotLedger::State::tail() const {
  std::uint64_t count = 0;
  for (std::uint64_t b = blocks.size(); b-- > 0;) {
    const SlotBlock& block = *blocks[b];
    if (block.free() == block.size()) {
      count += block.size();
      continue;
    }
    for (std::uint32_t s = block.size(); s-- > 0;) {
      if (((block.busy_word(s / 64) >> (s % 64)) & 1) != 0) return count;
      ++count;
    }
  }
  return count;
}

// --- Taking
// -----------------------------------------------------------------------------------------

SlotRun SlotLedger::State::take_single(Hold hold) {
  make_room(1, hold);
  auto found = find_single(next_single, slots);
  if (!found) found = find_single(0, next_single);
  Ensures(found.has_value());
  const SlotRun run{SlotId(*found), 1};
  put_hold(run, hold);
  next_single = *found + 1 < slots ? *found + 1 : 0;
  return run;
}

SlotRun SlotLedger::State::take_run(std::uint32_t count, Hold hold) {
  std::optional<std::uint64_t> found;
  const auto search = [&] {
    found = find_run(next_run, slots, count);
    // Up to where a run that begins before next_run can reach.
    if (!found) found = find_run(0, std::min(slots, next_run + count - 1), count);
    missing_run = found ? 0 : count;
    if (!found) freed_since = 0;
  };
  const bool hopeless = missing_run != 0 && count >= missing_run &&
                        freed_since < std::max<std::uint64_t>(count, slots / kSearchAgainShare);
  if (may_take(count, hold) && !hopeless) search();
  if (!found) {
    const std::uint64_t ends_free = tail();
    const std::uint64_t needed = std::max(
        growth_for(count, hold), slots + count - std::min<std::uint64_t>(count, ends_free));
    const std::uint64_t step =
        std::clamp(slots * file.page_bytes(), kGrowthBytesMin, kGrowthBytesMax) / file.page_bytes();
    const std::uint64_t from = slots - ends_free;
    if (needed == slots || grow_to(std::max(needed, slots + step), needed)) {
      found = find_run(from, slots, count);
      missing_run = 0;
    } else if (may_take(count, hold)) {
      search();
    }
    if (!found) raise_full(count);
  }
  const SlotRun run{SlotId(*found), count};
  put_hold(run, hold);
  next_run = *found + count < slots ? *found + count : 0;
  return run;
}

// --- The interface
// ----------------------------------------------------------------------------------

SlotLedger::SlotLedger(PageFile& file) : state_(std::make_unique<State>(file)) {}
SlotLedger::~SlotLedger() = default;

void SlotLedger::load_used(SlotId slot) {
  const std::lock_guard guard(state_->mutex);
  Expects(slot.value < state_->slots);
  state_->each_word({slot, 1}, [](SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
    block.use_word(w, mask);
  });
}

void SlotLedger::load_used(SlotId first, std::span<const std::uint64_t> words) {
  Expects(first.value % 64 == 0);
  const std::lock_guard guard(state_->mutex);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == 0) continue;
    const std::uint64_t at = first.value + i * 64;
    Expects(at + static_cast<unsigned>(std::bit_width(words[i])) <= state_->slots);
    state_->each_word({SlotId(at), 1}, [&](SlotBlock& block, std::uint32_t w, std::uint64_t) {
      block.use_word(w, words[i]);
    });
  }
}

bool SlotLedger::reusable(SlotId slot) const {
  const std::lock_guard guard(state_->mutex);
  Expects(slot.value < state_->slots);
  return ((state_->busy_word(slot.value) >> (slot.value % 64)) & 1) == 0;
}

SlotRun SlotLedger::allocate(std::uint32_t count, Hold hold) {
  Expects(count > 0);
  const std::lock_guard guard(state_->mutex);
  return count == 1 ? state_->take_single(hold) : state_->take_run(count, hold);
}

std::vector<SlotRun> SlotLedger::allocate_scattered(std::uint64_t count, Hold hold) {
  std::vector<SlotRun> runs;
  runs.reserve(count);
  const std::lock_guard guard(state_->mutex);
  state_->make_room(count, hold);
  try {
    for (std::uint64_t i = 0; i < count; ++i) runs.push_back(state_->take_single(hold));
  } catch (...) {
    for (const auto& run : runs) state_->take_off(run, hold);
    throw;
  }
  return runs;
}

void SlotLedger::search_from_start() {
  const std::lock_guard guard(state_->mutex);
  state_->next_single = 0;
}

void SlotLedger::hold(SlotRun run, Hold hold) {
  const std::lock_guard guard(state_->mutex);
  if (!state_->inside(run)) state_->take_tail(run);
  state_->put_hold(run, hold);
}

void SlotLedger::release(SlotRun run, Hold hold) {
  const std::lock_guard guard(state_->mutex);
  Expects(state_->inside(run));
  state_->take_off(run, hold);
}

bool SlotLedger::held(SlotRun run, Hold hold) const {
  const std::lock_guard guard(state_->mutex);
  Expects(state_->inside(run));
  bool all = true;
  state_->each_word(run, [&](const SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
    all = all && (block.held_word(w, hold) & mask) == mask;
  });
  return all;
}

void SlotLedger::install_checkpoint(std::span<const SlotRun> now_used,
                                    std::span<const SlotRun> no_longer_used) {
  const std::lock_guard guard(state_->mutex);
  const std::uint64_t before = state_->free;
  for (const auto& run : no_longer_used) {
    Expects(state_->inside(run));
    state_->each_word(run, [](SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
      block.unuse_word(w, mask);
    });
  }
  for (const auto& run : now_used) {
    Expects(state_->inside(run));
    state_->each_word(run, [](SlotBlock& block, std::uint32_t w, std::uint64_t mask) {
      block.use_word(w, mask);
      block.release_word(w, mask, Hold::checkpoint);
    });
  }
  if (state_->free > before) state_->freed_since += state_->free - before;
}

bool SlotLedger::in_checkpoint(SlotId slot) const {
  std::uint64_t word = 0;
  copy_in_checkpoint(SlotId(slot.value - slot.value % 64), {&word, 1});
  return ((word >> (slot.value % 64)) & 1) != 0;
}

void SlotLedger::copy_in_checkpoint(SlotId first, std::span<std::uint64_t> words) const {
  Expects(first.value % 64 == 0);
  const std::lock_guard guard(state_->mutex);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t at = first.value + i * 64;
    words[i] = at >= state_->slots ? 0
                                   : state_->blocks[at / SlotBlock::kSlots]->used_word(
                                         static_cast<std::uint32_t>(at % SlotBlock::kSlots / 64));
  }
}

// --- Pins
// --------------------------------------------------------------------------------------------

std::unique_ptr<SlotPin> SlotLedger::pin() {
  std::unique_ptr<SlotPin> pin(new SlotPin(*this));
  const std::lock_guard guard(state_->mutex);
  State& s = *state_;
  pin->words_.reserve(s.blocks.size() * SlotBlock::kWords);
  s.pins.reserve(s.pins.size() + 1);
  for (const auto& block : s.blocks) block->prepare(Hold::backup);
  // From here on nothing fails.
  for (std::uint64_t b = 0; b < s.blocks.size(); ++b) {
    for (std::uint32_t w = 0; w < SlotBlock::kWords; ++w) {
      const std::uint64_t used = s.blocks[b]->used_word(w);
      pin->words_.push_back(used);
      pin->count_ += static_cast<unsigned>(std::popcount(used));
      // Used slots are busy already: nothing that is counted changes.
      s.blocks[b]->hold_word(w, used, Hold::backup);
    }
  }
  s.pins.push_back(pin.get());
  return pin;
}

void SlotLedger::unpin(const SlotPin& pin) noexcept {
  const std::lock_guard guard(state_->mutex);
  State& s = *state_;
  if (std::erase(s.pins, &pin) == 0) return;
  for (std::uint64_t i = 0; i < pin.words_.size(); ++i) {
    std::uint64_t mask = pin.words_[i];
    for (const SlotPin* other : s.pins) {
      if (i < other->words_.size()) mask &= ~other->words_[i];
    }
    if (mask == 0) continue;
    // By whole words: a pin has no slot that the file has lost (busy slots are not cut off).
    SlotBlock& block = *s.blocks[i / SlotBlock::kWords];
    const auto word = static_cast<std::uint32_t>(i % SlotBlock::kWords);
    const std::uint32_t free_before = block.free();
    const std::uint32_t pinned_before = block.pinned();
    block.release_word(word, mask, Hold::backup);
    s.free += block.free() - free_before;
    s.freed_since += block.free() - free_before;
    s.pinned -= pinned_before - block.pinned();
  }
}

SlotPin::~SlotPin() {
  ledger_.unpin(*this);
}

void SlotLedger::reserve(std::uint64_t slots) {
  const std::lock_guard guard(state_->mutex);
  State& s = *state_;
  const std::uint64_t reserved = std::exchange(s.reserved, slots);
  const std::uint64_t reserved_at = std::exchange(s.reserved_at, s.slots);
  try {
    s.make_room(0, Hold::transaction);
  } catch (...) {
    s.reserved = reserved;
    s.reserved_at = reserved_at;
    throw;
  }
}

std::uint64_t SlotLedger::free_slots() const {
  const std::lock_guard guard(state_->mutex);
  return state_->free;
}
std::uint64_t SlotLedger::used_slots() const {
  const std::lock_guard guard(state_->mutex);
  return state_->used;
}
std::uint64_t SlotLedger::held_slots() const {
  const std::lock_guard guard(state_->mutex);
  return state_->slots - state_->free - state_->used - state_->pinned;
}
std::uint64_t SlotLedger::pinned_slots() const {
  const std::lock_guard guard(state_->mutex);
  return state_->pinned;
}
std::uint64_t SlotLedger::free_tail() const {
  const std::lock_guard guard(state_->mutex);
  return state_->tail();
}

void SlotLedger::shrink_file() {
  const std::lock_guard guard(state_->mutex);
  State& s = *state_;
  const std::uint64_t keep = s.reserve_now(s.slots);
  const std::uint64_t spare = s.free > keep ? s.free - keep : 0;
  const std::uint64_t cut = std::min(s.tail(), spare);
  s.file.shrink(s.slots - cut);
  if (cut != 0) s.resize(s.slots - cut);
}

}  // namespace coffer::pager
