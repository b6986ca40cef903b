// One checkpoint of an open store, kept as it is while others are made: what a snapshot is a copy of.
//
// Invariants
//   I1  No slot that the image refers to is written while the image lives (SlotPin).
//   I2  What is read here is ciphertext; it becomes plaintext only through open_page and open_chunk, in the caller's
//       locked memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pager/checkpoint_walk.hpp"
#include "pager/slot_ledger.hpp"
#include "txn/core.hpp"
#include "txn/page_map.hpp"
#include "txn/pages.hpp"

namespace coffer::txn {

/// One thread at a time; any number of images, of one store too.
class StoreImage {
 public:
  /// Of the checkpoint in force.  Under checkpoint_mutex.  `key_header` is a copy of the key header in force.
  StoreImage(Core& core, std::vector<std::byte> key_header);

  [[nodiscard]] const pager::Superblock& superblock() const { return superblock_; }
  [[nodiscard]] std::uint32_t page_bytes() const { return core_.page_bytes; }
  [[nodiscard]] const crypto::KeyRing& keys() const { return *core_.keys; }
  [[nodiscard]] std::span<const std::byte> key_header() const { return key_header_; }
  [[nodiscard]] const pager::SlotPin& slots() const { return *pin_; }

  /// Whole slots as they lie on the disk.
  void read_slots(pager::SlotRun run, std::span<std::byte> out) const {
    core_.page_file->read_slots(run, out);
  }
  /// Calls `walk` for all that the checkpoint refers to and that was born after `born_after` (0: all of it).
  void walk(const pager::CheckpointWalk& walk, std::uint64_t born_after) const;
  /// Where a page lies in this checkpoint.
  [[nodiscard]] std::optional<pager::SlotRef> lookup(PageId page) { return lookup_(page); }

  /// Verifies and opens a private copy of a page's slot into `frame` (content_bytes of locked memory).  What does
  /// not verify: Tampered, Corrupted.
  void open_page(PageId page, const pager::SlotRef& ref, std::span<const std::byte> slot,
                 std::span<std::byte> frame) const {
    core_.sealer->open_copy(page, ref, slot, frame);
  }
  /// The slots of a chunk; raises when its reference cannot be.
  [[nodiscard]] pager::SlotRun run_of(std::uint64_t value_id, std::uint64_t index,
                                      const ChunkRef& ref) const;
  /// Likewise of a chunk's slots into `out`, which has room for a whole chunk.
  void open_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                  std::span<const std::byte> slots, std::span<std::byte> out) const;

 private:
  friend class ImageView;
  Core& core_;
  std::vector<std::byte> key_header_;
  pager::Superblock superblock_;
  std::unique_ptr<pager::SlotPin> pin_;
  pager::CheckpointLookup lookup_;
};

/// The pages of an image, for what reads structures that are made of several.  Frames are those of the store's
/// readers.
class ImageView final : public PageSource {
 public:
  /// `image` outlives the view.
  explicit ImageView(StoreImage& image) : image_(image), core_(image.core_) {}
  ~ImageView() override;
  ImageView(const ImageView&) = delete;
  ImageView& operator=(const ImageView&) = delete;

  [[nodiscard]] std::size_t content_bytes() const override { return core_.content_bytes; }
  [[nodiscard]] PagePin pin(PageId id) override;
  void let_go(PageId id) noexcept override { map_.leave(id, *core_.frames); }
  [[nodiscard]] PageId catalog_root() const override { return image_.superblock().catalog_root; }
  [[nodiscard]] std::size_t chunk_bytes() const override {
    return pager::chunk_bytes(core_.page_bytes);
  }
  [[nodiscard]] ChunkBuffer chunk_buffer() override { return core_.chunks->take(); }
  void read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                  std::span<std::byte> out) override;
  [[nodiscard]] platform::LockedHeap& heap() override { return *core_.heap; }
  [[nodiscard]] std::uint64_t change_count() const override { return 0; }

 private:
  StoreImage& image_;
  Core& core_;
  PageMap map_;
};

/// The superblock of a copy of a store that goes its own way: another instance, another history, a journal that
/// begins anew.  `keys` are the copy's (crypto::renew_key_header).
[[nodiscard]] pager::Superblock superblock_of_copy(platform::Platform& platform,
                                                   const pager::Superblock& original,
                                                   const crypto::KeyRing& keys);

}  // namespace coffer::txn
