// The page file: slots by number.
//
// Reads copy out of read-only windows that are mapped when first needed and never move; writes go
// by position.  Nothing here knows what a slot means, or whether it may be written: SlotLedger
// does.
//
// Invariants
//   F1  A byte is copied out of a window once; no mapped address leaves this class.
//   F2  The file grows only by allocating: a slot below slot_count() has its room on the disk.
//   F3  A slot at or beyond slot_count() is never read or written.
//   F4  After one sync has failed none succeeds.  The operating system reports lost writes once, to
//       whoever syncs first, and forgets them: the next sync would vouch for what is not there.
//   F5  From then on what does not verify may be what was never written, and is called an IoError: it
//       accuses nobody.
//
// Failures: a file that is shorter than a reference says was cut by somebody else, which is damage
// (Tampered, or Corrupted when unencrypted).  IoError from the operating system, NoSpace from grow
// (the file is then as it was).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "pager/slot.hpp"
#include "platform/platform.hpp"

namespace coffer::pager {

/// Slots by number.  Reads copy out of read-only windows that never move (F1: copy once); writes go
/// by position.  Thread-safe.
class PageFile {
 public:
  PageFile(std::unique_ptr<platform::File> file, std::uint32_t page_bytes,
           std::uint64_t map_granularity_bytes);
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  [[nodiscard]] std::uint32_t page_bytes() const { return page_bytes_; }
  [[nodiscard]] std::uint64_t slot_count() const { return slots_.load(std::memory_order_acquire); }
  [[nodiscard]] const platform::Path& path() const;
  /// What damage is called from here on (raise_damaged); an encrypted store's until then.  Called
  /// before there are other threads.
  void set_suite(crypto::Suite suite) { suite_ = suite; }
  /// Copies the first `nonce + out.size()` bytes of a slot (or run), once.  A slot beyond the end
  /// raises Tampered or Corrupted.  For `out` larger than a page positioned reads are used.
  void read(SlotId slot, crypto::Nonce& nonce, std::span<std::byte> out) const;
  /// Copies whole slots as they lie there, once; `out` has room for exactly these.  A run beyond the end as above.
  /// By position, not through a window: what reads the whole file would otherwise be said to use that much memory.
  void read_slots(SlotRun run, std::span<std::byte> out) const;
  /// Writes consecutive slots that lie in one piece of memory: whole slots.
  void write_run(SlotId first, std::span<const std::byte> whole);
  /// Writes consecutive slots; every piece is a whole slot.
  void write(SlotId first, std::span<const std::span<const std::byte>> slots);
  /// A hint that these will not change soon (platform::File::write_back).
  void write_back(SlotRun run) noexcept;
  /// Grows to `slots`, allocated on disk (NoSpace).
  void grow(std::uint64_t slots);
  void shrink(std::uint64_t slots);
  /// From here on the file counts as `slots` long, when it is longer: what lies behind was grown and
  /// never came into force (or was put there by somebody else).  Growing takes it back.
  void leave_tail(std::uint64_t slots);
  /// Takes back what leave_tail left, up to `slots`; false when the file is not that long.
  [[nodiscard]] bool take_tail(std::uint64_t slots);
  /// Makes every write that has ended durable, whoever made it.
  void sync();
  /// Says of bytes that were read here that they do not verify: Tampered or Corrupted; IoError once a sync
  /// has failed (F5).
  [[noreturn]] void raise_unverified(const std::string& what) const;
  /// Says that these slots were referenced and lie beyond the end: Tampered or Corrupted.
  [[noreturn]] void raise_short(SlotId first, std::uint64_t count) const;

 private:
  struct Windows;

  void expect_inside(SlotId first, std::uint64_t count) const;
  void copy_from(const platform::Mapping& window, std::uint64_t slot_offset, crypto::Nonce& nonce,
                 std::span<std::byte> out) const;

  std::unique_ptr<platform::File> file_;
  std::uint32_t page_bytes_;
  crypto::Suite suite_ = crypto::Suite::xchacha20poly1305;
  std::atomic<std::uint64_t> slots_{0};
  std::unique_ptr<Windows> windows_;
  std::mutex sync_mutex_;
  std::atomic<bool> sync_failed_{false};  // set under sync_mutex_
};

}  // namespace coffer::pager
