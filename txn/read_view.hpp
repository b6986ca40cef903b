// A read transaction: one snapshot, and the frames that it has decrypted.
#pragma once

#include <memory>
#include <span>

#include "txn/batch_reader.hpp"
#include "txn/core.hpp"
#include "txn/page_map.hpp"
#include "txn/pages.hpp"
#include "txn/read_ahead.hpp"

namespace coffer::txn {

class ReadView final : public PageSource {
 public:
  /// `latest`: the newest commit rather than the newest durable one.
  ReadView(Core& core, bool latest);
  ~ReadView() override;
  ReadView(const ReadView&) = delete;
  ReadView& operator=(const ReadView&) = delete;

  [[nodiscard]] CommitNumber snapshot() const { return ticket_.commit; }

  [[nodiscard]] std::size_t content_bytes() const override { return core_.content_bytes; }
  [[nodiscard]] PagePin pin(PageId id) override;
  void let_go(PageId id) noexcept override { map_.leave(id, *core_.frames); }
  [[nodiscard]] bool wants_ahead() const noexcept override {
    return ahead_ ? ahead_->wants_more() : !ahead_tried_;
  }
  void read_ahead(std::span<const PageId> pages) noexcept override;
  /// What it reads is this view's, whose frames it does not touch.
  [[nodiscard]] BatchReader batch_reader() const { return {core_, snapshot()}; }
  [[nodiscard]] PageId catalog_root() const override { return catalog_root_; }
  [[nodiscard]] std::optional<CommitNumber> catalog_commit() const override {
    return core_.catalog_commit_of(snapshot());
  }
  [[nodiscard]] std::size_t chunk_bytes() const override;
  [[nodiscard]] ChunkBuffer chunk_buffer() override { return core_.chunks->take(); }
  void read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                  std::span<std::byte> out) override;
  [[nodiscard]] platform::LockedHeap& heap() override { return *core_.heap; }
  [[nodiscard]] std::uint64_t change_count() const override { return 0; }

 private:
  [[nodiscard]] PagePin pin_slowly(PageId id);

  Core& core_;
  Snapshots::Ticket ticket_;
  PageId catalog_root_{};
  PageMap map_;
  std::unique_ptr<ReadAhead> ahead_;  ///< of a view that scans
  bool ahead_tried_ = false;
};

/// Finds or decrypts a version of a page into a shared frame, pinned once for the caller, who is counted as
/// its user.
[[nodiscard]] pager::SharedFrame open_shared(Core& core, PageId page, const PageVersion& version,
                                             pager::Claim claim);
/// The same of the version that `snapshot` sees; raises when there is none.
[[nodiscard]] pager::SharedFrame open_seen(Core& core, PageId page, CommitNumber snapshot,
                                           pager::Claim claim);
/// Decrypts into a private frame that the caller has taken; it is retired when the page does not open.
void open_private(Core& core, PageId page, const PageVersion& version, pager::FrameIndex frame);
/// Opens a chunk of a large value; the same for readers and writers.
void open_chunk(const Core& core, std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                std::span<std::byte> out);
/// Opens a private copy of a chunk's ciphertext, which may be `out` itself.
void verify_chunk(const Core& core, std::uint64_t value_id, std::uint64_t index,
                  const ChunkRef& ref, const crypto::Nonce& nonce,
                  std::span<const std::byte> ciphertext, std::span<std::byte> out);
/// Raises unless a chunk's reference can be: to be asked before its length is used.
void expect_sensible(const Core& core, std::uint64_t value_id, std::uint64_t index,
                     const ChunkRef& ref);
/// The slots that a chunk takes.
[[nodiscard]] inline pager::SlotRun run_of(const ChunkRef& ref, std::uint32_t page_bytes) {
  return {ref.first_slot, pager::slots_for(page_bytes, ref.sealed_bytes)};
}
/// For a page number that a snapshot does not have.
[[noreturn]] void raise_no_page(const Core& core, PageId page);

}  // namespace coffer::txn
