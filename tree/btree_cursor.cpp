#include "tree/btree_cursor.hpp"

#include <coffer/error.hpp>

namespace coffer::tree {

bool BTreeCursor::stand(const Path& path, txn::PagePin leaf, std::size_t index) {
  if (!leaf) {
    leaf_.reset();
    return false;
  }
  view_ = NodeView(leaf);
  leaf_ = std::move(leaf);
  path_ = path;
  index_ = index;
  seen_changes_ = tree_.source().change_count();
  return true;
}

// From behind a leaf's last entry to the next leaf's first.
void BTreeCursor::skip_forward(Path& path, txn::PagePin& leaf, std::size_t& index) const {
  while (leaf && index >= NodeView(leaf).count()) {
    leaf = tree_.next_leaf(path);
    index = 0;
  }
}

bool BTreeCursor::stand_forward(Path& path, txn::PagePin leaf, std::size_t index) {
  skip_forward(path, leaf, index);
  return stand(path, std::move(leaf), index);
}

// Stands on the entry before `index` of the leaf.
bool BTreeCursor::stand_backward(Path& path, txn::PagePin leaf, std::size_t index) {
  while (leaf && index == 0) {
    leaf = tree_.previous_leaf(path);
    if (leaf) index = NodeView(leaf).count();
  }
  return stand(path, std::move(leaf), index - 1);
}

void BTreeCursor::refresh() {
  if (tree_.context().sink == nullptr || !valid()) return;
  if (tree_.source().change_count() == seen_changes_) return;
  const LeafCell here = cell();
  seek({here.key, tree_.pairs() ? here.value : Bytes()});
}

BTree::Entry BTreeCursor::entry() const {
  txn::PagePin pin = tree_.source().pin(leaf_.id());
  const LeafCell cell = NodeView(pin).leaf_cell(index_);
  return {std::move(pin), cell.value, cell.large};
}

bool BTreeCursor::first() {
  Path path;
  txn::PagePin leaf = tree_.descend_first(path);
  return stand_forward(path, std::move(leaf), 0);
}

bool BTreeCursor::last() {
  Path path;
  txn::PagePin leaf = tree_.descend_last(path);
  const std::size_t count = NodeView(leaf).count();
  return stand_backward(path, std::move(leaf), count);
}

bool BTreeCursor::seek(const Target& target) {
  Path path;
  txn::PagePin leaf = tree_.descend(target, path);
  const std::size_t index = find_in_leaf(NodeView(leaf), target, tree_.pairs()).index;
  return stand_forward(path, std::move(leaf), index);
}

bool BTreeCursor::seek_in_key(const Target& target) {
  Path path;
  txn::PagePin leaf = tree_.descend(target, path);
  std::size_t index = find_in_leaf(NodeView(leaf), target, tree_.pairs()).index;
  skip_forward(path, leaf, index);
  // Compared before the move: the target may lie in the leaf that the cursor lets go of.
  if (leaf && !equal(NodeView(leaf).leaf_cell(index).key, target.key)) leaf.reset();
  return stand(path, std::move(leaf), index);
}

bool BTreeCursor::seek_before(const Target& target) {
  Path path;
  txn::PagePin leaf = tree_.descend(target, path);
  const std::size_t index = find_in_leaf(NodeView(leaf), target, tree_.pairs()).index;
  return stand_backward(path, std::move(leaf), index);
}

bool BTreeCursor::next() {
  refresh();
  if (!valid()) return false;
  if (index_ + 1 < view_.count()) {
    ++index_;
    return true;
  }
  Path path = path_;
  const PageId left = leaf_.id();
  txn::PagePin leaf = tree_.next_leaf(path);
  return moved_from(left, stand_forward(path, std::move(leaf), 0));
}

bool BTreeCursor::previous() {
  refresh();
  if (!valid()) return false;
  if (index_ > 0) {
    --index_;
    return true;
  }
  Path path = path_;
  const PageId left = leaf_.id();
  txn::PagePin leaf = tree_.previous_leaf(path);
  const std::size_t count = leaf ? NodeView(leaf).count() : 0;
  return moved_from(left, stand_backward(path, std::move(leaf), count));
}

bool BTreeCursor::moved_from(PageId leaf_id, bool standing) noexcept {
  tree_.source().let_go(leaf_id);
  return standing;
}

void BTreeCursor::stand_again(PageId leaf_id) noexcept {
  try {
    txn::PagePin leaf = tree_.source().pin(leaf_id);
    view_ = NodeView(leaf);
    leaf_ = std::move(leaf);
    seen_changes_ = tree_.source().change_count();
  } catch (...) {
    leaf_.reset();
  }
}

bool BTreeCursor::erase() {
  refresh();
  if (!valid()) throw InvalidArgument("the cursor stands on no entry; place it first");
  // Its own pin would make the writer copy the leaf, so it lets go; where the leaf may disappear it
  // keeps the entry's key instead.
  const LeafCell here = cell();
  platform::LockedBuffer saved;
  std::size_t key_bytes = here.key.size();
  std::size_t value_bytes = tree_.pairs() ? here.value.size() : 0;
  const bool may_merge = tree_.erase_may_merge(path_, view_, index_);
  if (may_merge && key_bytes + value_bytes != 0) {
    saved = tree_.source().heap().allocate(key_bytes + value_bytes);
    std::memcpy(saved.bytes().data(), here.key.data(), key_bytes);
    if (value_bytes != 0) {
      std::memcpy(saved.bytes().data() + key_bytes, here.value.data(), value_bytes);
    }
  }
  const PageId leaf_id = leaf_.id();
  leaf_.reset();
  bool merged = false;
  try {
    merged = tree_.erase_at(path_, index_);
  } catch (...) {
    // Nothing changed: back to where it stood, if the page can still be held.
    stand_again(leaf_id);
    throw;
  }
  if (!merged) {
    Path path = path_;
    return stand_forward(path, tree_.source().pin(leaf_id), index_);
  }
  const Bytes key = std::span<const std::byte>(saved.bytes()).first(key_bytes);
  const Bytes value = std::span<const std::byte>(saved.bytes()).subspan(key_bytes, value_bytes);
  return seek({key, value});
}

}  // namespace coffer::tree
