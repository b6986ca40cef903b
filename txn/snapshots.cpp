#include "txn/snapshots.hpp"

#include <algorithm>

namespace coffer::txn {

bool Horizon::needs(CommitNumber born, CommitNumber successor) const {
  if (successor > durable) return true;
  const auto first = std::lower_bound(live.begin(), live.end(), born);
  return first != live.end() && *first < successor;
}

Snapshots::Ticket Snapshots::begin(const std::atomic<std::uint64_t>& commit, bool shown) {
  const auto now = clock_->monotonic();
  const std::scoped_lock lock(mutex_);
  if (free_.empty()) {
    // Both may allocate; `end` must not.
    free_.reserve(entries_.size() + 1);
    entries_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(entries_.size() - 1));
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  const CommitNumber at{commit.load(std::memory_order_acquire)};
  entries_[index] = {.live = true, .shown = shown, .commit = at, .begun = now};
  return {index, at};
}

void Snapshots::end(const Ticket& ticket) noexcept {
  const std::scoped_lock lock(mutex_);
  entries_[ticket.index].live = false;
  free_.push_back(ticket.index);  // room was reserved by begin
}

Horizon Snapshots::horizon(const std::atomic<std::uint64_t>& durable) const {
  Horizon result;
  {
    const std::scoped_lock lock(mutex_);
    result.durable = CommitNumber{durable.load(std::memory_order_acquire)};
    for (const Entry& entry : entries_) {
      if (entry.live) result.live.push_back(entry.commit);
    }
  }
  std::sort(result.live.begin(), result.live.end());
  return result;
}

std::vector<ReaderInfo> Snapshots::readers() const {
  const auto now = clock_->monotonic();
  std::vector<ReaderInfo> result;
  {
    const std::scoped_lock lock(mutex_);
    for (const Entry& entry : entries_) {
      if (!entry.live || !entry.shown) continue;
      result.push_back(
          {.commit = entry.commit.value,
           .age = std::chrono::duration_cast<std::chrono::milliseconds>(now - entry.begun)});
    }
  }
  std::sort(result.begin(), result.end(),
            [](const ReaderInfo& a, const ReaderInfo& b) { return a.age > b.age; });
  return result;
}

std::size_t Snapshots::count() const {
  const std::scoped_lock lock(mutex_);
  return entries_.size() - free_.size();
}

}  // namespace coffer::txn
