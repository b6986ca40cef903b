// A place in a B+tree that moves.
//
//   C1  Exactly the leaf that the cursor stands in is pinned.  The pin keeps the leaf's bytes as they
//       were, so that the current entry can be found again after the tree has changed: no copy is kept.
//   C2  In a transaction that writes, every use first compares PageSource::change_count() and finds the
//       entry again, or the next one if it is gone, when it has grown.
//   C3  A move that raises leaves the cursor where it was.  When `erase` raises, the entry is still
//       there and the cursor on it (or, if not even its leaf can be held, nowhere), unless the erasing
//       succeeded and only the way to the next entry failed: then the cursor is nowhere.
//   C4  A leaf that `next` or `previous` has left is let go of: a scan holds a leaf's plaintext, not a tree's.
#pragma once

#include "tree/btree.hpp"

namespace coffer::tree {

class BTreeCursor {
 public:
  explicit BTreeCursor(BTree tree) : tree_(std::move(tree)) {}

  [[nodiscard]] const BTree& tree() const { return tree_; }
  [[nodiscard]] bool valid() const { return static_cast<bool>(leaf_); }
  /// Finds the place again if the tree may have changed; all that follows is about the tree as it is.
  void refresh();

  bool first();
  bool last();
  /// The first entry that is not before the target.
  bool seek(const Target& target);
  /// The same, but nowhere when that entry has another key than the target's.
  bool seek_in_key(const Target& target);
  /// The last entry that is before the target.
  bool seek_before(const Target& target);
  bool next();
  bool previous();
  /// The current entry, which must be valid; its bytes stay until the cursor moves.
  [[nodiscard]] LeafCell cell() const { return view_.leaf_cell(index_); }
  [[nodiscard]] PageId leaf_id() const { return leaf_.id(); }
  /// The same with a pin of its own.
  [[nodiscard]] BTree::Entry entry() const;
  /// Removes the current entry; stands on the next one afterwards.
  bool erase();

 private:
  bool stand(const Path& path, txn::PagePin leaf, std::size_t index);
  void skip_forward(Path& path, txn::PagePin& leaf, std::size_t& index) const;
  bool stand_forward(Path& path, txn::PagePin leaf, std::size_t index);
  bool stand_backward(Path& path, txn::PagePin leaf, std::size_t index);
  void stand_again(PageId leaf_id) noexcept;
  bool moved_from(PageId leaf_id, bool standing) noexcept;

  BTree tree_;
  Path path_;
  txn::PagePin leaf_;
  NodeView view_;
  std::size_t index_ = 0;
  std::uint64_t seen_changes_ = 0;
};

}  // namespace coffer::tree
