#include <coffer/error.hpp>

#include <vector>

#include "tree/btree.hpp"
#include "tree/split.hpp"
#include "tree/undo.hpp"

namespace coffer::tree {

namespace {

// Such a node is merged with a neighbour when both fit one page.  Low enough that a page which was just
// split, or merged, does not come back at once.
bool is_underfull(const NodeView& node, std::size_t cells, std::size_t bytes) {
  if (bytes >= node_capacity(node.content_bytes()) / 3) return false;
  return node.is_leaf() || bytes < kBranchBytesWanted / 3 || cells < kBranchChildrenMin / 3;
}

std::size_t cells_bytes(const NodeView& node, std::size_t first, std::size_t last) {
  std::size_t bytes = 0;
  for (std::size_t i = first; i < last; ++i)
    bytes += node.cell(i).size() + node.cell_pointer_bytes();
  return bytes;
}

// True when removing [first, last) leaves a node (not the root) with less than it should have.
bool leaves_underfull(const NodeView& node, std::size_t first, std::size_t last) {
  const std::size_t removed = cells_bytes(node, first, last);
  const std::size_t used = node.used_bytes();
  return removed > used || is_underfull(node, node.count() - (last - first), used - removed);
}

// Bytes that two neighbours take in one page.
std::size_t merged_bytes(const NodeView& left, const NodeView& right, const CellDraft& seam) {
  std::size_t bytes = left.used_bytes() + right.used_bytes();
  if (!right.is_leaf()) bytes += seam.bytes() - right.cell(0).size();
  return bytes;
}

// The right neighbour's first child, with the separator that stood one level up.
CellDraft seam_of(const NodeView& parent, std::size_t right_index, const NodeView& right) {
  if (right.is_leaf()) return {};
  const BranchCell above = parent.branch_cell(right_index);
  return CellDraft::for_branch(right.child(0), above.key, above.value);
}

}  // namespace

bool BTree::Until::reached(Bytes key) const {
  if (!from_key_on.empty() && compare(key, from_key_on) >= 0) return true;
  if (only_key && !equal(key, *only_key)) return true;
  if (prefix.empty()) return false;
  return key.size() < prefix.size() || !equal(key.first(prefix.size()), prefix);
}

std::uint64_t BTree::erase_run(const Target& from, const Until& until) {
  require_writable();
  std::optional<Undo> undo;
  std::uint64_t erased = 0;
  for (bool more = true; more;) {
    Path path;
    txn::PagePin pin = descend(from, path);
    NodeView leaf(pin);
    std::size_t first = find_in_leaf(leaf, from, pairs()).index;
    while (first == leaf.count()) {
      pin = next_leaf(path);
      if (!pin) break;
      leaf = NodeView(pin);
      first = 0;
    }
    if (!pin) break;
    std::size_t last = first;
    while (last < leaf.count() && !until.reached(leaf.leaf_cell(last).key)) ++last;
    if (last == first) break;
    more = last == leaf.count();
    pin.reset();
    // One leaf is atomic by itself; several need a point to go back to.
    if (more && !undo) undo.emplace(context_);
    erase_cells(path, first, last, undo.has_value());
    erased += last - first;
  }
  if (undo) undo->keep();
  return erased;
}

bool BTree::erase_one(const Target& target) {
  require_writable();
  Path path;
  txn::PagePin pin = descend(target, path);
  const LeafPlace place = find_in_leaf(NodeView(pin), target, pairs());
  if (!place.found) return false;
  pin.reset();
  erase_cells(path, place.index, place.index + 1, false);
  return true;
}

bool BTree::erase_at(const Path& path, std::size_t index) {
  require_writable();
  return erase_cells(path, index, index + 1, false);
}

bool BTree::erase_may_merge(const Path& path, const NodeView& leaf, std::size_t index) const {
  return path.root_level() != 0 && leaves_underfull(leaf, index, index + 1);
}

bool BTree::erase_cells(const Path& path, std::size_t first, std::size_t last, bool guarded) {
  const PageId leaf_id = path.at(0).page;
  bool has_large = false;
  bool all = false;
  bool merges = false;
  {
    const txn::PagePin pin = pin_at(leaf_id, 0);
    const NodeView leaf(pin);
    for (std::size_t i = first; i < last; ++i) has_large = has_large || leaf.leaf_cell(i).large;
    const bool is_root = path.root_level() == 0;
    all = !is_root && first == 0 && last == leaf.count();
    merges = !all && !is_root && leaves_underfull(leaf, first, last) &&
             mergeable_sibling(path, 0, cells_bytes(leaf, first, last)).has_value();
  }
  // One page that changes needs no way back.
  std::optional<Undo> undo;
  if (!guarded && (has_large || all || merges)) undo.emplace(context_);
  if (has_large) {
    const txn::PagePin pin = pin_at(leaf_id, 0);
    free_large_values(NodeView(pin), first, last);
  }
  if (all) {
    remove_child(path, 0);
  } else {
    txn::MutablePage page = sink().modify(leaf_id);
    NodeEditor(page).erase(first, last);
    page = {};
    if (merges) merge_with_sibling(path, 0);
  }
  if (undo) undo->keep();
  return all || merges;
}

void BTree::free_large_values(const NodeView& leaf, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    const LeafCell cell = leaf.leaf_cell(i);
    if (!cell.large) continue;
    free_large_value(sink(), descriptor(cell, leaf.id()), context_.registry.get());
  }
}

// Frees the page on `level`, and those above it that are left without a child.
void BTree::remove_child(const Path& path, std::size_t level) {
  for (; level < path.root_level(); ++level) {
    sink().free(path.at(level).page);
    const Path::Step& step = path.at(level + 1);
    txn::MutablePage parent = sink().modify(step.page);
    NodeEditor editor(parent);
    if (editor.view().count() > 1) {
      editor.erase(step.index, step.index + 1);
      parent = {};
      rebalance(path, level + 1);
      return;
    }
  }
  txn::MutablePage root = sink().modify(root_);
  NodeEditor(root).clear(0);
}

// A node on `level` has lost a cell: merges it, and then those above it, where that saves a page.
void BTree::rebalance(const Path& path, std::size_t level) {
  if (level == path.root_level()) {
    collapse_root();
    return;
  }
  bool underfull = false;
  {
    const txn::PagePin pin = pin_at(path.at(level).page, level);
    const NodeView node(pin);
    underfull = is_underfull(node, node.count(), node.used_bytes());
  }
  if (underfull) merge_with_sibling(path, level);
}

// The pair of children of the page above `level` that can be merged, the path's being one of them:
// index of the left one.  `removed` bytes are about to go.
std::optional<std::size_t> BTree::mergeable_sibling(const Path& path, std::size_t level,
                                                    std::size_t removed) const {
  const Path::Step& step = path.at(level + 1);
  const txn::PagePin parent_pin = pin_at(step.page, level + 1);
  const NodeView parent(parent_pin);
  if (step.index >= parent.count()) raise_damaged(parent.id(), "it has fewer children than it had");
  const auto fits = [&](std::size_t left_index) {
    const txn::PagePin left_pin = pin_at(parent.child(left_index), level);
    const txn::PagePin right_pin = pin_at(parent.child(left_index + 1), level);
    const NodeView left(left_pin);
    const NodeView right(right_pin);
    const std::size_t bytes =
        merged_bytes(left, right, seam_of(parent, left_index + 1, right)) - removed;
    return bytes <= node_capacity(content_bytes_) &&
           (level == 0 || !branch_too_large(left.count() + right.count(), bytes));
  };
  if (step.index > 0 && fits(step.index - 1)) return step.index - 1;
  if (step.index + 1 < parent.count() && fits(step.index)) return step.index;
  return std::nullopt;
}

void BTree::merge_with_sibling(const Path& path, std::size_t level) {
  const std::optional<std::size_t> left_index = mergeable_sibling(path, level, 0);
  if (!left_index) return;
  merge(path, level, *left_index);
  rebalance(path, level + 1);
}

// Merges the children `left_index` and `left_index + 1` of the path's page above `level`.  The smaller
// one moves, so that the larger need not be logged.
void BTree::merge(const Path& path, std::size_t level, std::size_t left_index) {
  txn::MutablePage parent_page = sink().modify(path.at(level + 1).page);
  const NodeView parent(parent_page);
  const PageId left_id = parent.child(left_index);
  const PageId right_id = parent.child(left_index + 1);
  bool into_left = true;
  {
    const txn::PagePin left = pin_at(left_id, level);
    const txn::PagePin right = pin_at(right_id, level);
    into_left = NodeView(left).used_bytes() >= NodeView(right).used_bytes();
  }
  const PageId to_id = into_left ? left_id : right_id;
  const PageId from_id = into_left ? right_id : left_id;
  txn::MutablePage to_page = sink().modify(to_id);
  const txn::PagePin from_pin = pin_at(from_id, level);
  sink().free(from_id);

  const NodeView from(from_pin);
  const CellDraft seam = seam_of(parent, left_index + 1, into_left ? from : NodeView(to_page));
  NodeEditor to(to_page);
  if (into_left) {
    for (std::size_t i = 0; i < from.count(); ++i) {
      if (i == 0 && level > 0) {
        to.append(seam);
      } else {
        to.append_copy(from.cell(i));
      }
    }
  } else {
    if (level > 0) to.replace(0, seam);
    for (std::size_t i = 0; i < from.count(); ++i) to.insert_copy(i, from.cell(i));
  }
  NodeEditor above(parent_page);
  above.set_child(left_index, to_id);
  above.erase(left_index + 1, left_index + 2);
}

void BTree::collapse_root() {
  for (;;) {
    PageId child_id;
    {
      const txn::PagePin pin = source().pin(root_);
      const NodeView root(pin);
      if (root.is_leaf() || root.count() > 1) return;
      child_id = root.child(0);
    }
    txn::MutablePage root_page = sink().modify(root_);
    const std::size_t level = NodeView(root_page).level();
    const txn::PagePin child = pin_at(child_id, level - 1);
    sink().free(child_id);
    NodeEditor(root_page).copy_from(NodeView(child), child.bytes());
  }
}

void BTree::free_all() {
  require_writable();
  std::size_t level = 0;
  {
    const txn::PagePin pin = source().pin(root_);
    level = NodeView(pin).level();
  }
  Undo undo(context_);
  free_below(root_, level);
  undo.keep();
}

// Holds one page at a time; what is kept meanwhile are page numbers.
void BTree::free_below(PageId id, std::size_t level) {
  std::vector<PageId> children;
  // Only leaves that may name large values need to be opened.
  if (level > 0 || !pairs()) {
    const txn::PagePin pin = pin_at(id, level);
    const NodeView node(pin);
    if (level == 0) {
      free_large_values(node, 0, node.count());
    } else {
      children.reserve(node.count());
      for (std::size_t i = 0; i < node.count(); ++i) children.push_back(node.child(i));
    }
  }
  for (const PageId child : children) free_below(child, level - 1);
  sink().free(id);
}

}  // namespace coffer::tree
