// See node_cache.hpp.
#include "pager/node_cache.hpp"

#include <algorithm>
#include <bit>

namespace coffer::pager {

namespace {

constexpr std::uint64_t kStripeBytes = std::uint64_t{256} << 10;
constexpr std::uint64_t kStripesMax = 64;

}  // namespace

NodeCache::NodeCache(std::uint64_t bytes_max)
    : bytes_max_(bytes_max),
      stripe_count_(
          std::bit_floor(std::clamp<std::uint64_t>(bytes_max / kStripeBytes, 1, kStripesMax))),
      stripes_(std::make_unique<Stripe[]>(stripe_count_)) {}

void NodeCache::drop(Stripe& stripe, std::size_t at) noexcept {
  stripe.bytes -= stripe.entries[at].node->memory_bytes();
  stripe.where.erase(stripe.entries[at].key);
  if (at + 1 != stripe.entries.size()) {
    stripe.entries[at] = std::move(stripe.entries.back());
    stripe.where.find(stripe.entries[at].key)->second = at;
  }
  stripe.entries.pop_back();
}

void NodeCache::evict(Stripe& stripe) const {
  const std::uint64_t share = bytes_max_ / stripe_count_;
  while (stripe.bytes > share && stripe.entries.size() > 1) {
    if (stripe.hand >= stripe.entries.size()) stripe.hand = 0;
    Entry& entry = stripe.entries[stripe.hand];
    if (entry.used->exchange(false, std::memory_order_relaxed)) {
      ++stripe.hand;
    } else {
      drop(stripe, stripe.hand);
    }
  }
}

void NodeCache::put(unsigned level, std::uint64_t index, NodePointer node) {
  const Key key(level, index);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard guard(stripe.mutex);
  if (const auto found = stripe.where.find(key.value); found != stripe.where.end()) {
    Entry& entry = stripe.entries[found->second];
    stripe.bytes += node->memory_bytes();
    stripe.bytes -= entry.node->memory_bytes();
    entry.node = std::move(node);
  } else {
    auto used = std::make_unique<std::atomic<bool>>(true);
    stripe.entries.reserve(std::bit_ceil(stripe.entries.size() + 1));
    stripe.where.emplace(key.value, stripe.entries.size());
    stripe.bytes += node->memory_bytes();
    stripe.entries.push_back({key.value, std::move(node), std::move(used)});
  }
  evict(stripe);
}

void NodeCache::erase(unsigned level, std::uint64_t index) noexcept {
  const Key key(level, index);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard guard(stripe.mutex);
  if (const auto found = stripe.where.find(key.value); found != stripe.where.end()) {
    drop(stripe, found->second);
  }
}

std::uint64_t NodeCache::bytes() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < stripe_count_; ++i) {
    const std::shared_lock guard(stripes_[i].mutex);
    sum += stripes_[i].bytes;
  }
  return sum;
}

}  // namespace coffer::pager
