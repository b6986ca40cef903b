// Verified nodes of the page table, by place; bounded.
//
// Invariant
//   C1  Every node in the cache belongs to the checkpoint in force.  So a page's leaf is found with one
//       look-up, without a descent from the root.  Whoever puts nodes in or changes the checkpoint
//       keeps the two apart (Metadata's gate).
//
// Stripes by key, each with its lock and its share of the bytes; a look-up takes one lock, shared.
// Eviction goes round (second chance).  A stripe keeps at least one node.  Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "pager/node.hpp"
#include "platform/shared_mutex.hpp"

namespace coffer::pager {

class NodeCache {
 public:
  explicit NodeCache(std::uint64_t bytes_max);

  /// Calls `use(node)` under the stripe's lock when the node is there.
  template <class Use>
  bool peek(unsigned level, std::uint64_t index, Use use) const {
    const Key key(level, index);
    const Stripe& stripe = stripe_of(key);
    const std::shared_lock guard(stripe.mutex);
    const auto found = stripe.where.find(key.value);
    if (found == stripe.where.end()) return false;
    const Entry& entry = stripe.entries[found->second];
    // Most of the time it is set already: no write, no cache line taken from other readers.
    if (!entry.used->load(std::memory_order_relaxed)) {
      entry.used->store(true, std::memory_order_relaxed);
    }
    use(entry.node);
    return true;
  }

  [[nodiscard]] NodePointer find(unsigned level, std::uint64_t index) const {
    NodePointer node;
    peek(level, index, [&](const NodePointer& there) { node = there; });
    return node;
  }
  void put(unsigned level, std::uint64_t index, NodePointer node);
  void erase(unsigned level, std::uint64_t index) noexcept;
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t bytes_max() const { return bytes_max_; }

 private:
  struct Key {
    Key(unsigned level, std::uint64_t index)
        : value((std::uint64_t{level} << format::kNumberBits) | index) {}
    std::uint64_t value;
  };
  struct Hash {
    std::size_t operator()(std::uint64_t key) const noexcept {
      return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ull) >> 8);
    }
  };
  struct Entry {
    std::uint64_t key = 0;
    NodePointer node;
    std::unique_ptr<std::atomic<bool>> used;
  };
  struct alignas(64) Stripe {
    mutable platform::SharedMutex mutex;
    std::unordered_map<std::uint64_t, std::size_t, Hash> where;
    std::vector<Entry> entries;
    std::size_t hand = 0;
    std::uint64_t bytes = 0;
  };

  [[nodiscard]] Stripe& stripe_of(Key key) const {
    return stripes_[(key.value * 0x9E3779B97F4A7C15ull) >> 32 & (stripe_count_ - 1)];
  }
  static void drop(Stripe& stripe, std::size_t at) noexcept;
  void evict(Stripe& stripe) const;

  std::uint64_t bytes_max_;
  std::size_t stripe_count_;
  std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace coffer::pager
