// Copying the slots of a checkpoint out of a live store.
//
// Invariants
//   C1  What is copied is ciphertext as it lies on the disk.  Plaintext is in locked memory only, two pages or a chunk
//       at a time, and only to be verified, or to find the chunks of large values.
//   C2  What goes to the sink is the same private copy that was verified.
//   C3  A verified full copy has found exactly the slots that the checkpoint's free map marks.
#pragma once

#include <cstdint>
#include <vector>

#include "backup/pace.hpp"
#include "backup/slot_sink.hpp"
#include "platform/locked_heap.hpp"
#include "platform/second_thread.hpp"
#include "txn/store_image.hpp"

namespace coffer::backup {

/// What the trees of an image have that was written after a checkpoint.  Finding it reads and verifies every node that
/// changed; as long as there are few of them they are remembered, and copying need not find them again.
class ChangedSlots {
 public:
  static constexpr std::size_t kRememberedBytesMax = std::size_t{16} << 20;

  /// Tampered, Corrupted.
  ChangedSlots(txn::StoreImage& image, std::uint64_t checkpoint,
               std::size_t remembered_bytes_max = kRememberedBytesMax);
  /// Pages and nodes; pieces of large values, which only the pages name, come on top.
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  friend class ImageCopier;
  /// A node's slot stands in node_blocks_, behind those of the nodes before it; of a page there is the number.
  struct Slot {
    bool is_node = false;
    PageId page{};
    pager::SlotRef ref{};
  };
  void remember(const Slot& slot, std::span<const std::byte> node);

  std::uint64_t checkpoint_;
  std::size_t remembered_bytes_max_;
  std::uint64_t count_ = 0;
  bool all_remembered_ = true;
  std::vector<Slot> slots_;                          ///< in the order of the walk
  std::vector<std::vector<std::byte>> node_blocks_;  ///< as they were verified; whole slots in each
  std::size_t node_bytes_ = 0;                       ///< in all blocks
};

class ImageCopier {
 public:
  /// Everything outlives the copier; `heap` has copier_heap_bytes.
  ImageCopier(txn::StoreImage& image, SlotSink& sink, Pace& pace, platform::LockedHeap& heap);

  /// Every slot that is in use, in their order on the disk; nothing is opened.
  void copy_as_it_lies();
  /// Every slot that is in use, each verified.  Tampered, Corrupted.
  void copy_verified();
  /// What was written after a checkpoint, and the commit that this contained; each verified.  The part that is in the
  /// trees of the checkpoint was found before.
  void copy_since(const ChangedSlots& changed, CommitNumber commit);

  [[nodiscard]] std::uint64_t slots() const { return slots_; }

 private:
  class Chunks;
  struct PageToCopy {
    PageId page{};
    pager::SlotRef ref{};
    bool has_large_values = false;
  };

  void walk(std::uint64_t born_after);
  void page(PageId id, const pager::SlotRef& ref);
  void node(SlotId slot, std::span<const std::byte> bytes);
  void copy_pages();
  void read_runs(std::span<std::byte> room);
  void verify(std::span<const std::byte> room);
  void large_values(const PageToCopy& page);
  void chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref);
  void took();

  txn::StoreImage& image_;
  SlotSink& sink_;
  Pace& pace_;
  platform::LockedBuffer frame_;         ///< a page's plaintext
  platform::LockedBuffer second_frame_;  ///< the second thread's
  platform::LockedBuffer chunk_;         ///< a chunk's
  std::vector<PageToCopy> pages_;        ///< found and not yet copied
  std::vector<PageToCopy> with_values_;  ///< copied; their large values are not
  std::vector<std::byte> slot_;          ///< of one of these, read again
  std::vector<pager::SlotRun> runs_;     ///< that stand in the room
  CommitNumber values_after_{};
  std::uint64_t slots_ = 0;
  platform::SecondThread second_;
};

/// Locked memory for a copier of a store with pages of this size.
[[nodiscard]] constexpr std::uint64_t copier_heap_bytes(std::uint32_t page_bytes) {
  return 2 * pager::content_bytes(page_bytes) + pager::chunk_bytes(page_bytes) + 4096;
}

}  // namespace coffer::backup
