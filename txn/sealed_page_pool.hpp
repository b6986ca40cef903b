// Ciphertext of pages in ordinary memory, and where its memory comes from.
//
// Every commit seals pages, and the versions that they replace go: blocks of a few kilobytes come and go all the time.
// malloc is slow at that size, so a few blocks are kept, by size.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "crypto/seal.hpp"

namespace coffer::txn {

class SealedPagePool;

/// A sealed page that has no slot yet: nonce and ciphertext, one block of memory.  Immutable once others see it; shared
/// by reference count, by any thread.
class SealedPage {
 public:
  [[nodiscard]] std::span<std::byte> ciphertext() {
    return {reinterpret_cast<std::byte*>(this + 1), size_};
  }
  [[nodiscard]] std::span<const std::byte> ciphertext() const {
    return {reinterpret_cast<const std::byte*>(this + 1), size_};
  }
  crypto::Nonce nonce{};

  SealedPage(const SealedPage&) = delete;
  SealedPage& operator=(const SealedPage&) = delete;

 private:
  friend class SealedPagePool;
  friend void intrusive_ptr_add_ref(const SealedPage* page) noexcept {
    page->users_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const SealedPage* page) noexcept;

  SealedPage(SealedPagePool& home, std::uint32_t sealed_bytes)
      : size_(sealed_bytes), home_(&home) {}
  ~SealedPage() = default;

  mutable std::atomic<std::uint32_t> users_{0};
  std::uint32_t size_;
  SealedPagePool* home_;
};

using SealedPagePointer = boost::intrusive_ptr<SealedPage>;
using SharedSealedPage = boost::intrusive_ptr<const SealedPage>;

/// Thread-safe.  Outlives its pages.
class SealedPagePool {
 public:
  SealedPagePool() = default;
  ~SealedPagePool();
  SealedPagePool(const SealedPagePool&) = delete;
  SealedPagePool& operator=(const SealedPagePool&) = delete;

  [[nodiscard]] SealedPagePointer make(std::size_t sealed_bytes);

  /// Most memory that is kept for later, in bytes.
  static constexpr std::size_t kKeptBytesMax = 1024 * 1024;
  [[nodiscard]] std::size_t kept_bytes() const;

 private:
  friend void intrusive_ptr_release(const SealedPage* page) noexcept;
  static constexpr std::size_t kStepBytes = 512;
  /// Pages have 64 KiB at most.
  static constexpr std::size_t kSizes = 64 * 1024 / kStepBytes + 1;
  /// What a block that nobody has holds.
  struct Kept {
    Kept* next = nullptr;
  };

  [[nodiscard]] static std::size_t steps_of(std::size_t sealed_bytes);
  void give(SealedPage* page) noexcept;

  mutable std::mutex mutex_;
  std::array<Kept*, kSizes + 1> kept_{};  // by size in steps
  std::size_t kept_bytes_ = 0;
};

}  // namespace coffer::txn
