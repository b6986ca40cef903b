// Many readers, one changer, without readers meeting on one lock: each thread takes the lock of its
// own shard, and who changes takes all of them, in order.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <shared_mutex>

#include "platform/shared_mutex.hpp"

namespace coffer::pager {

class ReaderGate {
 public:
  [[nodiscard]] std::shared_lock<platform::SharedMutex> shared() const {
    return std::shared_lock(shards_[mine()].mutex);
  }

  /// Holds every shard while it lives.
  class Exclusive {
   public:
    explicit Exclusive(const ReaderGate& gate) : gate_(gate) {
      for (auto& shard : gate_.shards_) shard.mutex.lock();
    }
    ~Exclusive() {
      for (auto& shard : gate_.shards_) shard.mutex.unlock();
    }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    const ReaderGate& gate_;
  };

 private:
  static constexpr std::size_t kShards = 16;
  struct alignas(64) Shard {
    mutable platform::SharedMutex mutex;
  };

  static std::size_t mine() {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t shard = threads.fetch_add(1, std::memory_order_relaxed);
    return shard % kShards;
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace coffer::pager
