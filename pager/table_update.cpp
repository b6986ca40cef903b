// See table_update.hpp.
#include "pager/table_update.hpp"

#include <algorithm>

#include "platform/contracts.hpp"

namespace coffer::pager {

namespace {

bool by_page(const TableUpdate::PageChange& a, const TableUpdate::PageChange& b) {
  return a.first < b.first;
}

}  // namespace

/// The former root when the node at (level, index) is its new parent: it is not found by reading.
Child TableUpdate::former_root_at(unsigned level, std::uint64_t index) const {
  const bool parent = before_.levels != 0 && level == before_.levels && index == 0;
  return parent ? before_.root : Child{};
}

NodePointer TableUpdate::former(unsigned level, std::uint64_t index) const {
  return level < before_.levels ? reader_.table_node(level, index) : nullptr;
}

/// Finds the slot of a node that is replaced: in its parent, which is read already or cached.
void TableUpdate::note_gone(unsigned level, std::uint64_t index) {
  if (level >= before_.levels) return;
  SlotRef ref = before_.root.ref;
  if (level + 1 < before_.levels) {
    const NodePointer parent = former(level + 1, index >> shape_.inner_bits);
    if (parent == nullptr) return;
    ref = parent->child(index & (shape_.entries(level + 1) - 1)).ref;
  } else if (index != 0) {
    return;
  }
  if (ref.sealed_bytes != 0) slots_gone_.push_back({ref.slot, 1});
}

void TableUpdate::plan(std::span<const PageChange> changes) {
  changes_.assign(changes.begin(), changes.end());
  std::sort(changes_.begin(), changes_.end(), by_page);
  std::uint64_t pages_end = 0;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto& [page, ref] = changes_[i];
    Expects(page.value != 0 && page.value < format::kNumbersEnd);
    Expects(i == 0 || changes_[i - 1].first < page);
    Expects(!ref || (ref->sealed_bytes != 0 && ref->sealed_bytes <= content_bytes(page_bytes_)));
    if (ref) pages_end = page.value + 1;
  }
  after_.levels = std::max(before_.levels, shape_.levels_for(pages_end));
  levels_.resize(after_.levels);
  if (after_.levels == 0) return;

  for (std::size_t i = 0; i < changes_.size();) {
    const std::uint64_t leaf = shape_.node_of(changes_[i].first.value, 0);
    std::size_t n = 1;
    while (i + n < changes_.size() && shape_.node_of(changes_[i + n].first.value, 0) == leaf) ++n;
    // A page that was freed before the table ever had it may lie beyond the table.
    if (shape_.levels_for(changes_[i].first.value + 1) <= after_.levels) plan_leaf(leaf, i, n);
    i += n;
  }
  for (unsigned level = 1; level < after_.levels; ++level) plan_level(level);

  for (unsigned level = 0; level < after_.levels; ++level) {
    for (const Dirty& dirty : levels_[level]) {
      note_gone(level, dirty.index);
      if (dirty.count != 0) ++slots_needed_;
    }
  }
  const auto& top = levels_[after_.levels - 1];
  if (!top.empty()) {
    Ensures(top.size() == 1 && top[0].index == 0);
    after_.root = {{}, top[0].count};
  }
  if (after_.root.count == 0) after_ = {};
}

void TableUpdate::plan_leaf(std::uint64_t index, std::size_t first, std::size_t changes) {
  const NodePointer leaf = former(0, index);
  Dirty dirty;
  dirty.index = index;
  dirty.count_before = dirty.count = leaf == nullptr ? 0 : leaf->count();
  dirty.first_change = first;
  dirty.changes = changes;
  bool any = false;
  for (std::size_t i = first; i < first + changes; ++i) {
    const auto& [page, ref] = changes_[i];
    const Child old = leaf == nullptr ? Child{} : leaf->child(page.value & (shape_.entries(0) - 1));
    if (ref.value_or(SlotRef{}) == old.ref) continue;
    any = true;
    if (old.exists()) slots_gone_.push_back({old.ref.slot, 1});
    if (ref) {
      // G1: what the table names was never written over.  An honest commit cannot ask for it; a
      // superblock that was put back beside a later journal of the same opening can.
      if (old.exists() && old.ref.slot == ref->slot) {
        reader_.raise_reused(page, ref->slot);
      }
      page_slots_.push_back({ref->slot, 1});
    }
    dirty.count += ref ? 1 : 0;
    dirty.count -= old.exists() ? 1 : 0;
  }
  if (any) levels_[0].push_back(dirty);
}

void TableUpdate::plan_level(unsigned level) {
  const auto& below = levels_[level - 1];
  auto& here = levels_[level];
  const auto add = [&](std::uint64_t index, std::size_t first) {
    Dirty dirty;
    dirty.index = index;
    const NodePointer node = former(level, index);
    dirty.count_before = node != nullptr ? node->count() : 0;
    dirty.count = dirty.count_before + former_root_at(level, index).count;
    dirty.first_change = first;
    here.push_back(dirty);
  };
  // The chain from the former root up to the new one.
  if (before_.levels != 0 && level >= before_.levels) add(0, 0);
  for (std::size_t i = 0; i < below.size(); ++i) {
    const std::uint64_t index = below[i].index >> shape_.inner_bits;
    if (here.empty() || here.back().index != index) add(index, i);
    Dirty& dirty = here.back();
    ++dirty.changes;
    dirty.count += below[i].count;
    dirty.count -= below[i].count_before;
  }
}

std::vector<Child> TableUpdate::children(unsigned level, const Dirty& dirty) const {
  const NodePointer old = former(level, dirty.index);
  std::vector<Child> all = children_of(old.get(), shape_.entries(level));
  const std::uint64_t mask = shape_.entries(level) - 1;
  if (const Child root = former_root_at(level, dirty.index); root.exists()) all[0] = root;
  for (std::size_t i = dirty.first_change; i < dirty.first_change + dirty.changes; ++i) {
    if (level == 0) {
      const auto& [page, ref] = changes_[i];
      Child& entry = all[page.value & mask];
      if (ref.value_or(SlotRef{}) == entry.ref) continue;
      entry = ref ? Child{*ref, 1} : Child{};
      if (ref) entry.ref.birth = birth_;
    } else {
      const Dirty& child = levels_[level - 1][i];
      all[child.index & mask] = {child.ref, child.count};
    }
  }
  return all;
}

void TableUpdate::write(std::span<const SlotRun> slots, NodeWriter& writer,
                        std::uint64_t keep_bytes_max) {
  Expects(slots.size() == slots_needed_);
  std::size_t next = 0;
  std::uint64_t kept = 0;
  for (unsigned level = 0; level < levels_.size(); ++level) {
    for (Dirty& dirty : levels_[level]) {
      ChangedNode changed{level, dirty.index, nullptr};
      if (dirty.count != 0) {
        const NodePlace place{crypto::Role::table_node, level, dirty.index};
        std::vector<std::byte> bytes = encode_node(place, children(level, dirty));
        dirty.ref = writer.add(place, slots[next++].first, bytes);
        auto node = std::make_shared<const Node>(place, page_bytes_, std::move(bytes));
        Ensures(node->count() == dirty.count);
        kept += node->memory_bytes();
        if (kept <= keep_bytes_max) changed.node = std::move(node);
      }
      changed_nodes_.push_back(std::move(changed));
    }
  }
  if (after_.levels != 0 && !levels_[after_.levels - 1].empty()) {
    after_.root.ref = levels_[after_.levels - 1][0].ref;
  }
}

}  // namespace coffer::pager
