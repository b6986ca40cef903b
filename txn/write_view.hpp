// The write transaction: its changed pages, in frames or spilled, and what its commit will log.
//
// A page that this transaction changed is in one of these states:
//
//   resident   in a private frame (one pin is the transaction's own; more are handles')
//   spilled    sealed; ciphertext in memory or already in a slot (Hold::transaction); no frame
//   both       read back after a spill and not changed since: frame and sealed form agree
//   freed      gone for this transaction
//
//   absent --modify--> resident --spill--> spilled --pin--> both --modify--> resident;  any --free--> freed
//
// Invariants
//   W1  `dirty` covers every byte in which a resident page differs from its base version (P1), also across
//       spills; a page without a base (new) is logged whole.
//   W2  Slots and runs taken for this transaction carry Hold::transaction until it ends.
//   W3  Rolling back allocates nothing and cannot fail.
//   W4  At most private_frames_max frames are private at a time; beyond that, pages are spilled (P4).
#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "platform/second_thread.hpp"
#include "txn/batch_writer.hpp"
#include "txn/chunk_writes.hpp"
#include "txn/core.hpp"
#include "txn/page_map.hpp"
#include "txn/pages.hpp"

namespace coffer::txn {

class WriteView final : public PageSink {
 public:
  /// The caller holds the writer's turn; the view gives it back when it ends.
  explicit WriteView(Core& core);
  ~WriteView() override;
  WriteView(const WriteView&) = delete;
  WriteView& operator=(const WriteView&) = delete;

  // PageSource
  [[nodiscard]] std::size_t content_bytes() const override { return core_.content_bytes; }
  [[nodiscard]] PagePin pin(PageId id) override;
  void let_go(PageId id) noexcept override {
    if (!pages_.contains(id)) map_.leave(id, *core_.frames);
  }
  [[nodiscard]] PageId catalog_root() const override { return catalog_root_; }
  [[nodiscard]] std::optional<CommitNumber> catalog_commit() const override {
    if (catalog_changed_) return std::nullopt;
    return core_.catalog_commit_of(snapshot_);
  }
  [[nodiscard]] std::size_t chunk_bytes() const override;
  [[nodiscard]] ChunkBuffer chunk_buffer() override { return core_.chunks->take(); }
  void read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                  std::span<std::byte> out) override;
  [[nodiscard]] platform::LockedHeap& heap() override { return *core_.heap; }
  [[nodiscard]] std::uint64_t change_count() const override { return changes_; }

  // PageSink
  [[nodiscard]] CommitNumber commit_number() const override { return commit_; }
  [[nodiscard]] MutablePage modify(PageId id) override;
  [[nodiscard]] MutablePage allocate() override;
  void free(PageId id) override;
  void set_catalog_root(PageId id) override;
  void note_catalog_change() override { catalog_changed_ = true; }
  [[nodiscard]] std::uint64_t new_value_id() override;
  [[nodiscard]] ChunkRef write_chunk(std::uint64_t value_id, std::uint64_t index,
                                     std::span<const std::byte> plaintext) override;
  void free_chunk(const ChunkRef& ref, CommitNumber born) override;
  [[nodiscard]] SavepointId savepoint() override;
  void rollback_to(SavepointId id) override;
  void release(SavepointId id) override;

  /// For pages that a BatchWriter writes.  One that nothing is written to is free again when the transaction ends.
  [[nodiscard]] PageId new_page_number() { return find_page_number(); }
  /// Takes over what the writer, one of this transaction's, has written.  Not while savepoints are open.
  void add(BatchWriter& writer);
  [[nodiscard]] std::unique_ptr<BatchWriter> batch_writer() {
    return std::make_unique<BatchWriter>(core_, commit_);
  }

  /// Appends the commit to the journal and publishes it; the writer's turn is over.  Returns its number (or
  /// the last commit's when nothing changed).  It is not yet durable.  On an exception nothing was published,
  /// and the view can only be rolled back.
  CommitNumber commit();
  void rollback() noexcept;
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  struct Page {
    pager::FrameIndex frame = pager::kNoFrame;
    bool freed = false;
    bool is_new = false;        ///< no version before this transaction
    bool sealed_valid = false;  ///< `sealed` is the page's content
    bool by_reference = false;  ///< the commit logs where it lies, not what it holds
    std::uint32_t level = 0;    ///< savepoints that were open at the last change
    DirtyBlocks dirty;
    CommitNumber base{};  ///< PageHeader::version of the version before
    PageVersion sealed;
  };
  using Pages = std::unordered_map<PageId, Page>;

  /// What rollback_to needs of one page.
  struct Undo {
    PageId page{};
    bool existed = false;  ///< was in pages_ before
    Page before;           ///< without a frame; sealed_valid unless freed
  };
  struct Level {
    std::vector<Undo> undo;
    PageId catalog_root{};
    std::size_t runs_allocated = 0;  ///< own_runs_ up to here were there before
    std::size_t runs_freed = 0;
  };
  struct OwnRun {
    pager::SlotRun run;
    bool freed = false;     ///< this transaction refers to it no more
    bool released = false;  ///< and its slots are given back already
  };
  struct FreedRun {
    pager::SlotRun run;
    CommitNumber born{};
    bool own = false;  ///< written by this transaction
  };

  // write_view.cpp
  [[nodiscard]] PagePin pin_slowly(PageId id);
  [[nodiscard]] MutablePage hand_out(PageId id, Page& page);
  [[nodiscard]] Page& first_change(PageId id);
  void unshare(PageId id, Page& page);
  void load(PageId id, Page& page);
  [[nodiscard]] pager::FrameIndex take_frame();
  void adopt(PageId id, Page& page, pager::FrameIndex frame) noexcept;
  void drop_sealed(Page& page) noexcept;
  [[nodiscard]] PageId find_page_number();
  void give_back_page_numbers() noexcept;
  void forget_runs() noexcept;

  // spill.cpp
  bool spill_some();
  struct PageToSeal {
    PageId id{};
    Page* page = nullptr;
  };
  void seal_pages(std::span<const PageToSeal> pages);
  [[nodiscard]] platform::SecondThread* second_thread();
  void write_spilled(bool all);

  // savepoints.cpp
  void note_undo(PageId id, Page* page);
  void restore(Undo& undo);
  [[nodiscard]] std::size_t index_of(SavepointId id) const;

  // commit.cpp
  struct Plan;
  [[nodiscard]] Plan make_plan();
  void place_references(Plan& plan);
  void log(Plan& plan);
  void publish(Plan& plan) noexcept;
  void take_holds(Plan& plan);
  void end() noexcept;

  Core& core_;
  CommitNumber commit_{};
  CommitNumber snapshot_{};
  crypto::NonceRun nonces_;
  crypto::NonceRun second_nonces_;  ///< the second thread's
  PageMap map_;
  Pages pages_;
  std::vector<PageId> resident_;   ///< candidates for spilling, oldest first; may name others too
  std::size_t resident_from_ = 0;  ///< where they begin
  std::uint32_t private_frames_ = 0;
  std::uint64_t spilled_in_memory_ = 0;  ///< bytes
  std::uint64_t changes_ = 0;

  PageId catalog_root_{};
  bool catalog_changed_ = false;
  PageId next_page_{};
  std::uint64_t next_value_id_ = 0;
  std::vector<FreedPage> taken_;  ///< page numbers that came from core.freed_pages
  PageId lowest_found_{};         ///< lowest number found empty in the table; 0: none

  std::vector<OwnRun> own_runs_;
  std::unordered_map<std::uint64_t, std::size_t> own_run_at_;  ///< first slot -> index in own_runs_
  std::vector<FreedRun> freed_runs_;
  ChunkWrites chunk_writes_;

  std::vector<Level> levels_;
  std::vector<std::uint32_t> level_ids_;
  std::uint32_t next_savepoint_ = 1;
  bool ended_ = false;
  bool ended_with_commit_ = false;
  std::optional<platform::SecondThread>
      second_thread_;  ///< of a transaction of many pages or chunks
};

}  // namespace coffer::txn
