// See free_map.hpp.
#include "pager/free_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::pager {

namespace {

[[noreturn]] void raise_inconsistent(crypto::Suite suite, SlotId slot, const char* what) {
  raise_damaged(
      suite,
      fmt::format("slot {} {}: the free map and what refers to slots disagree, as when files of "
                  "different times were put together",
                  slot.value, what));
}

}  // namespace

std::vector<std::uint64_t> FreeMapUpdate::words_in_force(std::uint64_t leaf) const {
  std::vector<std::uint64_t> words(shape_.entries(0) / 64);
  ledger_.copy_in_checkpoint(SlotId(leaf << shape_.leaf_bits), words);
  return words;
}

FreeMapUpdate::DirtyLeaf& FreeMapUpdate::leaf_of(SlotId slot) {
  Expects(slot.value < format::kNumbersEnd);
  const std::uint64_t index = shape_.node_of(slot.value, 0);
  if (const auto found = leaves_.find(index); found != leaves_.end()) return found->second;
  DirtyLeaf leaf;
  leaf.words = words_in_force(index);
  for (const std::uint64_t word : leaf.words) {
    leaf.count += static_cast<unsigned>(std::popcount(word));
  }
  // Otherwise the last checkpoint was installed here but not in the ledger, or the other way round.
  Expects(leaf.count == before_.node(0, index).count);
  auto& added = leaves_.emplace(index, std::move(leaf)).first->second;
  mark_path(index);
  return added;
}

void FreeMapUpdate::mark(unsigned level, std::uint64_t index) {
  dirty_.resize(levels_);
  if (!dirty_[level].emplace(index, DirtyNode{}).second) return;
  if (const Child former = before_.node(level, index); former.exists()) {
    to_clear_.push_back({former.ref.slot, 1});
  }
}

template <class Action>
void FreeMapUpdate::for_each_bit(SlotRun run, const Action& action) {
  for (std::uint32_t i = 0; i < run.count; ++i) {
    const SlotId slot = run.first.next(i);
    DirtyLeaf& leaf = leaf_of(slot);
    const std::uint64_t bit = slot.value & (shape_.entries(0) - 1);
    action(slot, leaf, leaf.words[bit / 64], std::uint64_t{1} << (bit % 64));
  }
}

void FreeMapUpdate::set(SlotRun run) {
  for_each_bit(run, [this](SlotId slot, DirtyLeaf& leaf, std::uint64_t& word, std::uint64_t mask) {
    if ((word & mask) != 0) raise_inconsistent(suite_, slot, "is used twice");
    word |= mask;
    ++leaf.count;
  });
}

void FreeMapUpdate::clear(SlotRun run) {
  for_each_bit(run, [this](SlotId slot, DirtyLeaf& leaf, std::uint64_t& word, std::uint64_t mask) {
    if ((word & mask) == 0) raise_inconsistent(suite_, slot, "is given back but not in use");
    word &= ~mask;
    --leaf.count;
  });
}

void FreeMapUpdate::mark_path(std::uint64_t leaf) {
  for (unsigned level = 0; level < levels_; ++level)
    mark(level, leaf >> (level * shape_.inner_bits));
}

/// Adds the levels that the dirty leaves need.
void FreeMapUpdate::grow() {
  if (leaves_.empty()) return;
  const unsigned needed = shape_.levels_for((leaves_.rbegin()->first + 1) << shape_.leaf_bits);
  if (needed <= levels_) return;
  levels_ = needed;
  for (const auto& [leaf, unused] : leaves_) mark_path(leaf);
  // Also the path from the former root to the new one.
  for (unsigned level = before_.level_count(); level != 0 && level < levels_; ++level) {
    mark(level, 0);
  }
}

void FreeMapUpdate::clear_former_slots() {
  while (!to_clear_.empty()) {
    const SlotRun run = to_clear_.back();
    to_clear_.pop_back();
    slots_gone_.push_back(run);
    clear(run);
  }
}

/// Whether the next checkpoint has this node, as far as is known by now.
bool FreeMapUpdate::exists(unsigned level, std::uint64_t index) const {
  if (level >= dirty_.size()) return before_.node(level, index).exists();
  const auto found = dirty_[level].find(index);
  if (found == dirty_[level].end()) return before_.node(level, index).exists();
  return found->second.slot || has_content(level, index);
}

/// Whether a dirty node has anything to stand for.
bool FreeMapUpdate::has_content(unsigned level, std::uint64_t index) const {
  if (level == 0) return leaves_.at(index).count != 0;
  for (std::uint64_t i = 0; i < shape_.entries(level); ++i) {
    if (exists(level - 1, (index << shape_.inner_bits) + i)) return true;
  }
  return false;
}

std::vector<FreeMapUpdate::DirtyNode*> FreeMapUpdate::without_slot() {
  std::vector<DirtyNode*> found;
  for (unsigned level = 0; level < dirty_.size(); ++level) {
    for (auto& [index, node] : dirty_[level]) {
      if (!node.slot && exists(level, index)) found.push_back(&node);
    }
  }
  return found;
}

void FreeMapUpdate::settle(std::vector<SlotRun>& taken) {
  for (;;) {
    grow();
    clear_former_slots();
    const std::vector<DirtyNode*> needy = without_slot();
    if (needy.empty()) break;
    taken.reserve(taken.size() + needy.size());
    const std::vector<SlotRun> slots = ledger_.allocate_scattered(needy.size(), Hold::checkpoint);
    taken.insert(taken.end(), slots.begin(), slots.end());
    node_slots_.insert(node_slots_.end(), slots.begin(), slots.end());
    for (std::size_t i = 0; i < needy.size(); ++i) needy[i]->slot = slots[i].first;
    // Only now: setting may make further nodes dirty.
    for (const SlotRun& run : slots) set(run);
  }
  while (give_back(taken)) {
  }
}

/// A node whose last bit was cleared after it had been given a slot needs none: its slot goes back,
/// which clears one more bit, in a leaf that is dirty already.
bool FreeMapUpdate::give_back(std::vector<SlotRun>& taken) {
  for (unsigned level = 0; level < dirty_.size(); ++level) {
    for (auto& [index, node] : dirty_[level]) {
      if (!node.slot || has_content(level, index)) continue;
      const SlotRun run{*node.slot, 1};
      node.slot.reset();
      clear(run);
      std::erase(node_slots_, run);
      std::erase(taken, run);
      ledger_.release(run, Hold::checkpoint);
      return true;
    }
  }
  return false;
}

void FreeMapUpdate::write(NodeWriter& writer) {
  after_ = before_;
  after_.levels.resize(levels_);
  for (unsigned level = 0; level < dirty_.size(); ++level) {
    auto& here = after_.levels[level];
    if (!dirty_[level].empty()) {
      here.resize(std::max<std::uint64_t>(here.size(), dirty_[level].rbegin()->first + 1));
    }
    for (const auto& [index, node] : dirty_[level]) {
      Child now;
      std::vector<std::byte> bytes;
      const NodePlace place{crypto::Role::free_node, level, index};
      if (level == 0) {
        const DirtyLeaf& leaf = leaves_.at(index);
        now.count = leaf.count;
        if (node.slot) bytes = encode_free_leaf(leaf.words);
      } else {
        std::vector<Child> children(shape_.entries(level));
        for (std::uint64_t i = 0; i < children.size(); ++i) {
          children[i] = after_.node(level - 1, (index << shape_.inner_bits) + i);
          now.count += children[i].count;
        }
        if (node.slot) bytes = encode_node(place, children);
      }
      if (node.slot) now.ref = writer.add(place, *node.slot, bytes);
      Ensures(node.slot.has_value() == (now.count != 0));
      here[index] = now;
    }
  }
  if (!after_.root().exists()) after_ = {};
}

std::uint64_t FreeMapUpdate::slot_count() const {
  if (after_.levels.empty()) return 0;
  for (std::uint64_t index = after_.levels[0].size(); index-- > 0;) {
    if (after_.levels[0][index].count == 0) continue;
    const auto dirty = leaves_.find(index);
    const auto words = dirty != leaves_.end() ? dirty->second.words : words_in_force(index);
    for (std::uint64_t w = words.size(); w-- > 0;) {
      if (words[w] == 0) continue;
      return (index << shape_.leaf_bits) + w * 64 + static_cast<unsigned>(std::bit_width(words[w]));
    }
  }
  return 0;
}

}  // namespace coffer::pager
