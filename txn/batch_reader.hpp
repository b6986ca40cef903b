// Opening many pages of a snapshot at a time, for a walk through all of a store: past the frames, which it would only
// flush, and with one read for neighbours.
#pragma once

#include <span>
#include <vector>

#include "txn/core.hpp"

namespace coffer::txn {

/// Of a view, which outlives it.  Used by one thread at a time, which need not be the view's: what the view does
/// meanwhile does not matter.
class BatchReader {
 public:
  BatchReader(Core& core, CommitNumber snapshot) : core_(core), snapshot_(snapshot) {}
  /// Opens the pages into `out`: locked memory of content_bytes for each.  Raises what PageSource::pin raises; what was
  /// opened before stays in `out`.
  void read(std::span<const PageId> pages, std::span<std::byte> out);

 private:
  void read_slots(std::span<const PageId> pages);

  Core& core_;
  CommitNumber snapshot_;
  std::vector<PageVersion> versions_;
  std::vector<std::byte> slots_;  ///< ciphertext as it lies in the file, a slot for each page
};

}  // namespace coffer::txn
