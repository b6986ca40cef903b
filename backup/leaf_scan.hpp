// A tree's leaves in their order, opened by a second thread while those before them are looked at.
//
// Invariants
//   E1  Plaintext is in locked memory only, and wiped when the scan ends.
//   E2  Each leaf is looked at once, in order, after it has been verified; what fails ahead is raised at the
//       latest when its turn comes.
#pragma once

#include <functional>
#include <vector>

#include "platform/locked_heap.hpp"
#include "platform/relay.hpp"
#include "tree/btree.hpp"
#include "txn/batch_reader.hpp"
#include "txn/read_view.hpp"

namespace coffer::backup {

inline constexpr std::uint64_t kLeafBatchBytes = 64 << 10;
inline constexpr std::size_t kLeafBatches = 4;
inline constexpr std::uint64_t kLeafScanHeapBytes = kLeafBatches * kLeafBatchBytes + 4096;

class LeafScan {
 public:
  using Visit = std::function<void(const tree::NodeView&)>;

  /// Of this view's trees.  Both outlive the scan; `heap` has kLeafScanHeapBytes.
  LeafScan(txn::ReadView& view, platform::LockedHeap& heap);
  /// What a view of a leaf shows is good until `visit` returns.  After an exception the scan is good for nothing.
  void each(const tree::BTree& tree, const Visit& visit);

 private:
  /// Leaves that are opened at once.
  struct Batch {
    std::vector<PageId> ids;
    platform::LockedBuffer pages;
  };

  void read_ahead(const tree::BTree& tree);
  void list(const tree::BTree& tree, std::vector<PageId>& leaves);
  [[nodiscard]] bool next_branch(const tree::BTree& tree);
  void enter(const tree::BTree& tree, PageId branch, std::size_t level);
  void look_at(const Batch& batch, const Visit& visit) const;

  std::size_t content_bytes_;
  txn::BatchReader reader_;       ///< the thread's
  txn::BatchReader here_reader_;  ///< for batches that the thread has not got to
  tree::Path path_;               ///< on level 1 the first leaf that is not listed
  bool listed_ = false;           ///< all are
  platform::ReadAhead<Batch> batches_;
};

}  // namespace coffer::backup
