#include "tree/split.hpp"

#include <algorithm>

namespace coffer::tree {

SplitPlan::SplitPlan(const NodeView& node, std::size_t index, bool replaces, const CellDraft& draft,
                     bool pairs, Pattern pattern)
    : node_(node), index_(index), replaces_(replaces), pairs_(pairs), draft_(draft) {
  choose(pattern);
}

std::size_t SplitPlan::cell_bytes(std::size_t i) const {
  return i == index_ ? draft_.bytes() : node_.cell(old_index(i)).size();
}

LeafCell SplitPlan::leaf_cell(std::size_t i) const {
  if (i == index_) return {draft_.key, draft_.value, draft_.large};
  return node_.leaf_cell(old_index(i));
}

Separator SplitPlan::separator_at(std::size_t split) const {
  if (node_.is_leaf()) return separate(leaf_cell(split - 1), leaf_cell(split), pairs_);
  if (split == index_) return {draft_.key, draft_.value};
  const BranchCell cell = node_.branch_cell(old_index(split));
  return {cell.key, cell.value};
}

void SplitPlan::choose(Pattern pattern) {
  const std::size_t capacity = node_capacity(node_.content_bytes());
  const std::size_t cells = count();
  const std::size_t pointer_bytes = node_.cell_pointer_bytes();
  std::size_t total = 0;
  for (std::size_t i = 0; i < cells; ++i) total += cell_bytes(i) + pointer_bytes;

  // Among the points that are about as near to the middle as the best, the shortest separator wins.
  const std::size_t tolerance = total / 16;
  std::size_t best_distance = SIZE_MAX;
  std::size_t best_separator = SIZE_MAX;
  std::size_t left = 0;
  for (std::size_t split = 1; split < cells; ++split) {
    left += cell_bytes(split - 1) + pointer_bytes;
    if (left > capacity || total - left > capacity) continue;
    if (pattern == Pattern::ascending) {
      split_ = split;  // the last that fits
      continue;
    }
    if (pattern == Pattern::descending) {
      split_ = split;
      break;
    }
    const std::size_t distance = 2 * left > total ? 2 * left - total : total - 2 * left;
    const bool both_near = distance <= tolerance && best_distance <= tolerance;
    const std::size_t separator = distance <= tolerance ? separator_at(split).bytes() : 0;
    const bool shorter = separator != best_separator;
    if (both_near && shorter ? separator < best_separator : distance < best_distance) {
      best_distance = distance;
      best_separator = separator;
      split_ = split;
    }
  }
  if (split_ == 0) raise_damaged(node_.id(), "it cannot be split");
}

void SplitPlan::write(txn::MutablePage& page, std::size_t first, std::size_t last) const {
  NodeEditor editor(page);
  editor.clear(node_.level());
  for (std::size_t i = first; i < last; ++i) {
    if (i == first && !node_.is_leaf()) {
      // What separates a branch's first child from those before it stands one level up.
      const PageId child = i == index_ ? draft_.child : node_.child(old_index(i));
      editor.append(CellDraft::for_branch(child, {}, {}));
    } else if (i == index_) {
      editor.append(draft_);
    } else {
      editor.append_copy(node_.cell(old_index(i)));
    }
  }
}

void SplitPlan::write_right(txn::MutablePage& right) const {
  write(right, split_, count());
}
void SplitPlan::write_left(txn::MutablePage& left) const {
  write(left, 0, split_);
}

void SplitPlan::keep_left(txn::MutablePage& page) const {
  const bool draft_is_left = index_ < split_;
  const std::size_t kept = draft_is_left && !replaces_ ? split_ - 1 : split_;
  NodeEditor editor(page);
  editor.erase(kept, node_.count());
  if (draft_is_left && replaces_) editor.erase(index_, index_ + 1);
  // The page is sealed without its gap: what went to the right must not stay behind between the cells.
  editor.compact();
  if (draft_is_left) editor.insert(index_, draft_);
}

}  // namespace coffer::tree
