// Filling an empty tree with entries that come in order: leaves are laid out one behind the other, and sealed and
// written by a second thread while the next ones are being filled.  Each is written once, and only branches are
// changed in place.
//
// Invariants
//   D1  Plaintext is in locked memory only: the batches and the separator.
//   D2  A leaf is in the tree once it is whole, and its page is written, at the latest, in suspend or finish: before
//       the transaction commits one of them is called.
//   D3  In between the tree lacks the leaf that is being filled, and a page that is named may not be written yet: the
//       tree is not to be read or changed by anybody else before finish.
#pragma once

#include <memory>
#include <vector>

#include "platform/locked_heap.hpp"
#include "platform/relay.hpp"
#include "tree/btree.hpp"
#include "txn/write_view.hpp"

namespace coffer::tree {

class LeafLoader {
 public:
  /// For trees in pages of that size, one after the other.  Locks 128 KiB or four pages, whichever is more, and room for
  /// two keys (MemoryLockError).
  LeafLoader(platform::Memory& memory, platform::LockPolicy policy, std::size_t content_bytes);

  /// Begins with a tree that is empty, or goes on after suspend with the same tree in another transaction.  The
  /// transaction does not end before suspend, finish, or the loader has.
  void resume(BTree tree, txn::WriteView& view);
  /// Whether a tree is being filled.
  [[nodiscard]] bool active() const { return tree_.has_value(); }
  [[nodiscard]] BTree& tree() { return *tree_; }

  /// Entries in the tree's order.  What BTree::put raises; the transaction can then only be rolled back, and the
  /// loader is good for nothing.
  void append(Bytes key, Bytes value);
  /// A large value, whose pages and chunks become the tree's.
  void append_large(Bytes key, const LargeValueDescriptor& value);

  /// The transaction may commit; resume goes on behind what was appended.
  void suspend();
  /// The tree is whole.
  void finish();

 private:
  struct Batch {
    std::vector<PageId> ids;  ///< of the leaves that are whole
    platform::LockedBuffer pages;
  };

  [[nodiscard]] std::span<std::byte> leaf();
  void add(const CellDraft& draft);
  void end_leaf();
  void keep_separator(const CellDraft& next);
  void hand_over();
  static void write(txn::BatchWriter& writer, Batch& batch);
  void let_go();

  std::size_t content_bytes_;
  std::size_t batch_bytes_;
  platform::LockedHeap heap_;
  std::optional<BTree> tree_;
  txn::WriteView* view_ = nullptr;
  std::unique_ptr<txn::BatchWriter> writer_;  ///< the thread's
  std::unique_ptr<txn::BatchWriter>
      here_writer_;                   ///< for batches that the thread would only get to later
  bool has_leaves_ = false;           ///< of the tree, in it
  platform::LockedBuffer separator_;  ///< of the leaf that is being filled from the one before it
  std::size_t separator_key_bytes_ = 0;
  std::size_t separator_bytes_ = 0;
  /// The current one has behind its whole leaves the one that is being filled.
  platform::WriteBehind<Batch> batches_;
};

}  // namespace coffer::tree
