// Copying the slots of a checkpoint out of a live store.
//
// Invariants
//   C1  What is copied is ciphertext as it lies on the disk.  Plaintext is in locked memory only, one page or chunk
//       at a time, and only to be verified, or to find the chunks of large values.
//   C2  What goes to the sink is the same private copy that was verified.
//   C3  A verified full copy has found exactly the slots that the checkpoint's free map marks.
#pragma once

#include <cstdint>

#include "backup/pace.hpp"
#include "backup/slot_sink.hpp"
#include "platform/locked_heap.hpp"
#include "txn/store_image.hpp"

namespace coffer::backup {

class ImageCopier {
 public:
  /// Everything outlives the copier; `heap` has kCopierHeapBytes.
  ImageCopier(txn::StoreImage& image, SlotSink& sink, Pace& pace, platform::LockedHeap& heap);

  /// Every slot that is in use, in their order on the disk; nothing is opened.
  void copy_as_it_lies();
  /// Every slot that is in use, each verified.  Tampered, Corrupted.
  void copy_verified();
  /// What was written after a checkpoint, and the commit that this contained; each verified.
  void copy_since(std::uint64_t checkpoint, CommitNumber commit);

  [[nodiscard]] std::uint64_t slots() const { return slots_; }

 private:
  class Chunks;

  void walk(std::uint64_t born_after, CommitNumber values_after);
  void node(const pager::NodePlace& place, const pager::SlotRef& ref);
  void page(PageId page, const pager::SlotRef& ref);
  void large_values(PageId page);
  void chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref);
  void took(pager::SlotRun run);

  txn::StoreImage& image_;
  SlotSink& sink_;
  Pace& pace_;
  platform::LockedBuffer frame_;  ///< a page's plaintext
  platform::LockedBuffer chunk_;  ///< a chunk's
  CommitNumber values_after_{};
  std::uint64_t slots_ = 0;
};

/// Locked memory for a copier of a store with pages of this size.
[[nodiscard]] constexpr std::uint64_t copier_heap_bytes(std::uint32_t page_bytes) {
  return pager::content_bytes(page_bytes) + pager::chunk_bytes(page_bytes) + 4096;
}

}  // namespace coffer::backup
