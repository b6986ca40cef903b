// Frames: the locked memory in which pages exist as plaintext, and who may have which.
//
// A frame is free, clean (a decrypted version of a page that several transactions may share, found by page
// and tag), or private (being filled, or changed by the writer).  The pool grows in steps up to its budget,
// locking each step; when it cannot grow it takes clean frames that nobody has pinned.
//
// Invariants
//   F1  A frame that becomes free is wiped first.
//   F2  A pinned frame stays where and what it is.  Pins are taken under the bucket's lock, or by try_pin,
//       which succeeds only if the frame's generation is the one that the caller remembers.
//   F3  A clean frame with no user is wiped at once (strict residency), unless the residency option keeps it.
//   F4  Frames of the reserve go to the writer only, so that readers' handles cannot starve it; the writer
//       keeps its private frames below `private_frames_max`, so that it cannot starve readers.
//   F5  A tag names a version: two sealed versions of a page never share one (the nonce is random), so
//       (page, tag) finds the right content whatever snapshot asks.
//   F6  An orphan (a frame that only handles still pin) becomes free once, by whoever takes its count of pins
//       from kOrphan to nothing.
//   F7  `current_in` of a clean frame is a number that the owner of the page table gave it: while the table is in that
//       state (no checkpoint has taken force since), the table names this version.  0 is no state.
//
// Lock order: a bucket's lock, then the free list's.  Growth has a lock of its own, taken with neither held.
// Thread-safe throughout.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <coffer/options.hpp>

#include "crypto/seal.hpp"
#include "pager/page.hpp"
#include "platform/fork_generation.hpp"
#include "platform/platform.hpp"

namespace coffer::pager {

using FrameIndex = std::uint32_t;
inline constexpr FrameIndex kNoFrame = ~FrameIndex{0};

/// Who asks for a frame (F4).
enum class Claim { reader, writer };

/// A clean frame that the caller has pinned and counts as a user of.
struct SharedFrame {
  FrameIndex frame = kNoFrame;
  std::uint32_t generation = 0;
};

class FramePool final : public PinOwner {
 public:
  struct Config {
    std::uint32_t page_bytes = 0;
    std::uint64_t frame_bytes_max = 0;  ///< budget for frames
    platform::LockPolicy policy = platform::LockPolicy::abort;
    Residency residency = Residency::strict;
    std::uint64_t resident_bytes_max = 0;
    bool excluded_from_dumps = true;
  };
  /// Locks the minimum (kFramesMin) at once or raises MemoryLockError.
  FramePool(platform::Memory& memory, const Config& config);
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  static constexpr std::uint32_t kFramesMin = 32;

  /// A private, zeroed frame with one pin; nothing when none can be had.
  [[nodiscard]] std::optional<FrameIndex> try_take(Claim claim);
  /// The same, or MemoryLockError saying what would help.
  [[nodiscard]] FrameIndex take(Claim claim);
  [[noreturn]] void raise_exhausted();
  /// Wipes a private frame and makes it free; when handles still pin it, the last of them does.
  void retire(FrameIndex frame) noexcept;

  [[nodiscard]] std::span<std::byte> bytes(FrameIndex frame) {
    return {base_ + std::size_t{frame} * page_bytes_, content_bytes_};
  }

  /// The clean frame with this version of the page, pinned, the caller counted as one more user.
  [[nodiscard]] std::optional<SharedFrame> find(PageId page, const crypto::Tag& tag);
  /// The same of the version that the page table names, when that has been noted for this `table_state`.
  [[nodiscard]] std::optional<SharedFrame> find_current(PageId page, std::uint64_t table_state);
  /// The frame, which the caller uses, has the version that the page table names in `table_state` (F7).
  void note_current(SharedFrame frame, std::uint64_t table_state);
  /// Whether frames may stay without a user: only then is there something to find in `find_current`.
  [[nodiscard]] bool keeps_pages() const noexcept { return config_.residency != Residency::strict; }
  /// Makes a private frame clean under this name, keeping its pin for the caller, who is its first user.
  /// When somebody was faster, retires `frame` and gives theirs.
  [[nodiscard]] SharedFrame share(FrameIndex frame, PageId page, const crypto::Tag& tag,
                                  bool branch);
  /// Turns a clean frame that only the caller uses and pins (once) into a private one; false when others
  /// have it too.
  [[nodiscard]] bool make_private(SharedFrame frame);
  /// The caller no longer uses the frame; the last user's leaving wipes it (F3).
  void leave(SharedFrame frame) noexcept;

  /// Pins a frame remembered from earlier; false when it has become something else meanwhile.
  [[nodiscard]] bool try_pin(SharedFrame shared) noexcept {
    Frame& f = frames_[shared.frame];
    prefetch(shared.frame);
    if ((f.pins.fetch_add(1, std::memory_order_acquire) & kEvicting) == 0 &&
        f.generation.load(std::memory_order_acquire) == shared.generation) {
      f.referenced.store(true, std::memory_order_relaxed);
      return true;
    }
    unpin(shared.frame);
    return false;
  }
  /// The beginning of a page that will be looked at: a header, and where its parts are.
  void prefetch(FrameIndex frame) const noexcept {
    const std::byte* const page = base_ + std::size_t{frame} * page_bytes_;
    __builtin_prefetch(page);
    __builtin_prefetch(page + 64);
  }
  /// Adds a pin to a frame that the caller knows to be pinned or private to it.
  void add_pin(FrameIndex frame) noexcept {
    frames_[frame].pins.fetch_add(1, std::memory_order_relaxed);
  }
  void unpin(FrameIndex frame) noexcept override {
    if (frames_[frame].pins.fetch_sub(1, std::memory_order_acq_rel) == (kOrphan | 1)) {
      free_orphan(frame);
    }
  }
  [[nodiscard]] std::uint32_t pins(FrameIndex frame) const noexcept {
    return frames_[frame].pins.load(std::memory_order_acquire) & ~(kEvicting | kOrphan);
  }
  [[nodiscard]] std::uint32_t generation(FrameIndex frame) const noexcept {
    return frames_[frame].generation.load(std::memory_order_acquire);
  }

  /// Most private frames that the writer may have at a time (F4).
  [[nodiscard]] std::uint32_t private_frames_max() const;
  /// Frames that hold plaintext now.
  [[nodiscard]] std::uint64_t frames_in_use() const;
  [[nodiscard]] std::uint64_t locked_bytes() const;

 private:
  /// In `pins`, so that a pin's end sees in one step whether it was the last and what follows from that:
  /// asked in two, the frame could have become another one in between (F6).
  static constexpr std::uint32_t kEvicting = 0x80000000u;
  static constexpr std::uint32_t kOrphan =
      0x40000000u;  ///< nobody's but its handles': the last frees it
  enum class State : std::uint8_t { free, clean, private_ };

  struct alignas(64) Frame {
    std::atomic<std::uint32_t> pins{0};
    std::atomic<std::uint32_t> generation{0};
    std::atomic<bool> referenced{false};
    std::atomic<State> state{State::free};
    bool branch = false;         // guarded by the bucket's lock
    std::uint32_t users = 0;     // guarded by the bucket's lock
    FrameIndex next = kNoFrame;  // in the bucket
    // Written under the bucket's lock; read before it to find the bucket, and confirmed under it.
    std::atomic<std::uint64_t> page{0};
    crypto::Tag tag{};
    std::uint64_t current_in = 0;  // F7; guarded by the bucket's lock

    [[nodiscard]] PageId page_id() const noexcept {
      return PageId{page.load(std::memory_order_relaxed)};
    }
  };
  struct Bucket {
    FrameIndex head = kNoFrame;
  };
  static constexpr std::size_t kLocks = 64;
  struct alignas(64) BucketLock {
    std::mutex mutex;
  };

  [[nodiscard]] std::size_t bucket_of(PageId page) const noexcept;
  [[nodiscard]] std::mutex& lock_of(std::size_t bucket) noexcept;
  [[nodiscard]] FrameIndex find_in(std::size_t bucket, PageId page,
                                   const crypto::Tag& tag) noexcept;
  [[nodiscard]] SharedFrame use(FrameIndex frame) noexcept;
  void unlink(std::size_t bucket, FrameIndex frame) noexcept;
  [[nodiscard]] bool keeps(const Frame& frame) const noexcept;
  void free_orphan(FrameIndex frame) noexcept;
  void make_free(FrameIndex frame) noexcept;
  [[nodiscard]] bool grow();
  [[nodiscard]] bool commits(std::uint64_t from, std::uint64_t bytes);
  [[nodiscard]] std::optional<FrameIndex> evict();
  [[nodiscard]] bool try_evict(FrameIndex frame) noexcept;
  [[nodiscard]] std::optional<FrameIndex> pop_free(Claim claim) noexcept;

  platform::Memory& memory_;
  Config config_;
  std::uint32_t page_bytes_;
  std::size_t content_bytes_;
  std::uint32_t frames_max_;
  const std::uint64_t born_in_generation_ = platform::fork_generation();
  std::unique_ptr<platform::LockableRegion> region_;
  std::byte* base_ = nullptr;
  std::unique_ptr<Frame[]> frames_;
  std::vector<Bucket> buckets_;
  std::unique_ptr<BucketLock[]> locks_;

  mutable std::mutex free_mutex_;
  std::vector<FrameIndex> free_;

  std::mutex grow_mutex_;
  std::atomic<std::uint32_t> grown_{0};
  std::atomic<bool> growth_blocked_{false};
  std::atomic<std::uint32_t> evictions_{0};
  std::atomic<std::uint32_t> resident_{0};  // clean frames without a user
  std::uint32_t resident_max_ = 0;
  std::atomic<std::uint32_t> hand_{0};
  std::exception_ptr growth_failure_;  // guarded by grow_mutex_
};

/// Buffers of a chunk's size in locked memory, for large values and for the journal's staging.
class ChunkPool final : public PinOwner {
 public:
  ChunkPool(platform::Memory& memory, std::size_t chunk_stride_bytes, std::uint32_t chunks_max,
            platform::LockPolicy policy, bool excluded_from_dumps);
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  /// A buffer of `stride` bytes; MemoryLockError when all are in use or no more can be locked.
  [[nodiscard]] ChunkBuffer take();
  void unpin(std::uint32_t index) noexcept override;
  [[nodiscard]] std::uint64_t locked_bytes() const;

 private:
  platform::Memory& memory_;
  std::size_t stride_;
  std::uint32_t chunks_max_;
  const std::uint64_t born_in_generation_ = platform::fork_generation();
  std::unique_ptr<platform::LockableRegion> region_;
  mutable std::mutex mutex_;
  std::vector<std::uint32_t> free_;
  std::uint32_t grown_ = 0;
};

}  // namespace coffer::pager
