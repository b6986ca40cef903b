// Small plaintext buffers (keys and separators while they move, pieces of values) in locked memory.
//
// One LockableRegion, locked whole when the heap is made, with Boost.Interprocess's
// `managed_external_buffer` as the allocator inside it.  Every buffer is wiped before its memory goes
// back to the allocator.  Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "platform/platform.hpp"

namespace coffer::platform {

class LockedHeap;

/// A buffer of locked memory; wiped and given back by its destructor.  Moves, does not copy.
class LockedBuffer {
 public:
  LockedBuffer() = default;
  LockedBuffer(LockedBuffer&& other) noexcept;
  LockedBuffer& operator=(LockedBuffer&& other) noexcept;
  LockedBuffer(const LockedBuffer&) = delete;
  LockedBuffer& operator=(const LockedBuffer&) = delete;
  ~LockedBuffer();

  [[nodiscard]] std::span<std::byte> bytes() { return bytes_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  friend class LockedHeap;
  LockedBuffer(LockedHeap& heap, std::span<std::byte> bytes) : heap_(&heap), bytes_(bytes) {}
  void reset() noexcept;
  LockedHeap* heap_ = nullptr;
  std::span<std::byte> bytes_;
};

class LockedHeap {
 public:
  /// Locks `size_bytes` at once (rounded up to pages); MemoryLockError when that cannot be.
  LockedHeap(Memory& memory, std::uint64_t size_bytes, LockPolicy policy, std::string purpose,
             bool excluded_from_dumps = true);
  ~LockedHeap();
  LockedHeap(const LockedHeap&) = delete;
  LockedHeap& operator=(const LockedHeap&) = delete;

  /// `size` bytes, zeroed, aligned to 16.  MemoryLockError (naming the budget) when the heap is full.
  [[nodiscard]] LockedBuffer allocate(std::size_t size);
  /// Bytes not in use, as the allocator counts them.
  [[nodiscard]] std::uint64_t free_bytes() const;

 private:
  friend class LockedBuffer;
  void give_back(std::span<std::byte> bytes) noexcept;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::platform
