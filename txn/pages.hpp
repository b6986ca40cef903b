// What a transaction offers to the code above it (trees, large values): logical pages by number, as
// plaintext in locked memory, and chunks of large values.  Nothing above this file sees a slot's
// content, a nonce or a key.
//
// Page content.  A page is `content_bytes()` long (the slot less its nonce).  Its first 16 bytes are
// PageHeader.  The gap [gap_begin, gap_end) in its middle is not stored: whoever lays out a page keeps
// both fields true (gap_begin >= 16, gap_begin <= gap_end <= content_bytes()); after a page is read back
// the gap's content is unspecified.  `version` belongs to the engine; do not write it.
//
// Rules
//   P1  Bytes are changed only through MutablePage::write, which notes what changed: a commit logs
//       those ranges and nothing else.
//   P2  A PagePin keeps its bytes where and as they are while it lives, also when the page is modified
//       meanwhile (the writer then works on a copy) or freed.
//   P3  A MutablePage is valid until the next call of modify, allocate, free, savepoint, rollback_to or
//       commit on the same transaction *for the same page*, or until it is destroyed.  It pins a frame.
//   P4  Pins are scarce (the arena may hold a few hundred frames): hold a path's worth, not a tree's.
//
// A transaction is used by one thread at a time.  Every call may raise MemoryLockError, IoError,
// NoSpace (spilling takes slots), Tampered, Corrupted or Poisoned; the transaction can then still be rolled back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pager/page.hpp"
#include "platform/contracts.hpp"
#include "platform/locked_heap.hpp"
#include "platform/strong.hpp"

namespace coffer::txn {

using pager::ChunkBuffer;
using pager::kPageHeaderBytes;
using pager::PageHeader;
using pager::PagePin;
using pager::PinOwner;

/// Notes which 1/64ths of a page changed: bit i covers bytes [i*block, (i+1)*block).
struct DirtyBlocks {
  std::uint64_t mask = 0;
  void note(std::size_t page_bytes, std::size_t offset, std::size_t length) {
    if (length == 0) return;
    const std::size_t block = (page_bytes + 63) / 64;
    const std::size_t first = offset / block;
    const std::size_t last = (offset + length - 1) / block;
    const std::uint64_t upto = last >= 63 ? ~0ull : ((1ull << (last + 1)) - 1);
    mask |= upto & ~((1ull << first) - 1);
  }
};

/// A page that this transaction may change.  Moves; unpins on destruction.
class MutablePage {
 public:
  MutablePage() = default;
  MutablePage(PagePin pin, std::span<std::byte> bytes, DirtyBlocks* dirty)
      : pin_(std::move(pin)), bytes_(bytes), dirty_(dirty) {}

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(pin_); }
  [[nodiscard]] PageId id() const { return pin_.id(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] PageHeader header() const { return pin_.header(); }
  /// [offset, offset + length) for writing; all of it counts as changed.
  [[nodiscard]] std::span<std::byte> write(std::size_t offset, std::size_t length) {
    Expects(offset <= bytes_.size() && length <= bytes_.size() - offset);
    dirty_->note(bytes_.size(), offset, length);
    return bytes_.subspan(offset, length);
  }
  /// Writes all of the header but `version`.
  void set_header(const PageHeader& h) { std::memcpy(write(0, 8).data(), &h, 8); }

 private:
  PagePin pin_;
  std::span<std::byte> bytes_;
  DirtyBlocks* dirty_ = nullptr;
};

/// Where a chunk of a large value lies: the reference that its holder keeps (in a page) and that opens it.
struct ChunkRef {
  SlotId first_slot;               ///< of the run; below 2^48
  std::uint32_t sealed_bytes = 0;  ///< plaintext length, 1 to chunk_bytes()
  Epoch epoch{};
  std::array<std::byte, 16> tag{};
};
/// As stored in a page: slot 6, length 4, epoch 4, tag 16; little-endian.
inline constexpr std::size_t kChunkRefBytes = 30;
void encode_chunk_ref(const ChunkRef& ref, std::span<std::byte, kChunkRefBytes> out);
[[nodiscard]] ChunkRef decode_chunk_ref(std::span<const std::byte, kChunkRefBytes> in);

/// A transaction's view of the store: a snapshot, and for a writer its own changes.
class PageSource {
 public:
  virtual ~PageSource() = default;
  [[nodiscard]] virtual std::size_t content_bytes() const = 0;
  /// Holds page `id`.  A number that this view does not have raises Tampered (Corrupted when
  /// unencrypted): only a damaged reference can name it.
  [[nodiscard]] virtual PagePin pin(PageId id) = 0;
  /// The caller has read page `id` and does not expect to come back (a scan that went on): unless this transaction
  /// has changed it, its plaintext need not stay for the transaction's sake.  Pins keep what they hold.
  virtual void let_go(PageId id) noexcept = 0;
  /// Most pages that it is worth naming to `read_ahead` at a time: opening them takes longer than waking a thread.
  static constexpr std::size_t kPagesAheadMax = 32;
  /// Whether a scan that goes on may name what it comes to next.
  [[nodiscard]] virtual bool wants_ahead() const noexcept { return false; }
  /// The caller scans, and is going to pin these pages in this order, if it goes on: they may be opened meanwhile.  What
  /// it named before and does not name again it will not come to.
  virtual void read_ahead(std::span<const PageId>) noexcept {}
  /// The root of the catalog; kNoPage in an empty store.
  [[nodiscard]] virtual PageId catalog_root() const = 0;

  /// The last commit that changed the catalog, when that is what this view sees; nothing when an older
  /// catalog is seen or this transaction has changed it.
  [[nodiscard]] virtual std::optional<CommitNumber> catalog_commit() const { return std::nullopt; }

  /// Plaintext bytes of a full chunk: 64 KiB-class, so that with its nonce it fills whole slots.
  [[nodiscard]] virtual std::size_t chunk_bytes() const = 0;
  [[nodiscard]] virtual ChunkBuffer chunk_buffer() = 0;
  /// Opens a chunk into `out`, which has `ref.sealed_bytes` bytes of locked memory.
  virtual void read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                          std::span<std::byte> out) = 0;
  /// Small locked buffers (copies of keys).
  [[nodiscard]] virtual platform::LockedHeap& heap() = 0;
  /// Grows with each change that this transaction makes, so that cursors know when to look again.
  [[nodiscard]] virtual std::uint64_t change_count() const = 0;
};

/// Where a writer may go back to.  Larger numbers are later; ids are not used twice.
enum class SavepointId : std::uint32_t {};

class PageSink : public PageSource {
 public:
  /// The number that this transaction will have when it commits.
  [[nodiscard]] virtual CommitNumber commit_number() const = 0;
  [[nodiscard]] virtual MutablePage modify(PageId id) = 0;
  /// A new page: zeroed but for gap_begin = 16, gap_end = content_bytes().
  [[nodiscard]] virtual MutablePage allocate() = 0;
  virtual void free(PageId id) = 0;
  virtual void set_catalog_root(PageId id) = 0;
  /// To be called before the catalog is changed.
  virtual void note_catalog_change() {}

  /// A number for a new large value, unique in the store's history.
  [[nodiscard]] virtual std::uint64_t new_value_id() = 0;
  /// Seals `plaintext` (1 to chunk_bytes(), in locked memory) into a fresh run of slots.
  [[nodiscard]] virtual ChunkRef write_chunk(std::uint64_t value_id, std::uint64_t index,
                                             std::span<const std::byte> plaintext) = 0;
  /// The chunk is no longer referenced from this transaction's state on.  `born` is the commit number
  /// of the transaction that wrote it.
  virtual void free_chunk(const ChunkRef& ref, CommitNumber born) = 0;

  [[nodiscard]] virtual SavepointId savepoint() = 0;
  /// Everything since is undone; `id` stays usable, later ones are gone.
  virtual void rollback_to(SavepointId id) = 0;
  /// Forgets `id` and later ones, keeping the changes.
  virtual void release(SavepointId id) = 0;
};

}  // namespace coffer::txn
