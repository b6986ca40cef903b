// New pages that are made past the frames: laid out in the caller's locked memory, sealed and written to slots many at
// a time, by whichever thread, and then added to the transaction.
//
//   write    a thread's: seals, and when there is enough for one write, takes slots and writes
//   add      the transaction's (WriteView::add): writes what is left; from then on they are pages that were spilled
//
// Invariants
//   B1  A slot that was taken carries Hold::transaction until the page is the transaction's, or is released.
//   B2  A page's plaintext is only where the caller has it.
#pragma once

#include <span>
#include <vector>

#include "txn/core.hpp"

namespace coffer::txn {

/// Of one write transaction, before which it ends.  Used by one thread at a time, which need not be the transaction's:
/// what that does meanwhile does not matter.
class BatchWriter {
 public:
  BatchWriter(Core& core, CommitNumber commit)
      : core_(core),
        commit_(commit),
        nonces_(core.platform.entropy()),
        filler_(core.platform.entropy()) {}
  ~BatchWriter();
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  /// `pages` have numbers of the transaction's (WriteView::new_page_number) that nothing was written to; `contents`
  /// holds content_bytes for each, whose gap's content is unspecified afterwards.  On an exception (NoSpace, IoError)
  /// neither these pages are kept nor those before them that were not written yet.
  void write(std::span<const PageId> pages, std::span<std::byte> contents);
  /// All of them are with the system.  On an exception those that were not written yet are not kept.
  void finish();

 private:
  friend class WriteView;
  struct Written {
    PageId page{};
    pager::SlotRef ref;
  };

  void write_slots(std::span<const pager::SlotRun> slots);

  Core& core_;
  CommitNumber commit_;
  crypto::NonceRun nonces_;
  crypto::Filler filler_;
  std::vector<std::byte> bytes_;  ///< slots as they will lie in the file
  std::vector<Written> sealed_;   ///< what stands there; without slots yet
  std::vector<Written> written_;  ///< and not added yet
  // Of the slots that the system was not told to write yet.
  std::uint32_t waiting_ = 0;
  SlotId lowest_{};
  SlotId highest_{};
};

}  // namespace coffer::txn
