#include "txn/snapshots.hpp"

#include <algorithm>

#include "platform/mutation.hpp"

namespace coffer::txn {

bool Horizon::point_in(CommitNumber born, CommitNumber successor) const {
  const auto first = std::lower_bound(points.begin(), points.end(), born);
  return first != points.end() && *first < successor;
}

bool Horizon::needs(CommitNumber born, CommitNumber successor) const {
  return successor > durable || point_in(born, successor);
}

bool Horizon::needs_in_memory(CommitNumber born, CommitNumber successor) const {
  return successor > latest || point_in(born, successor);
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

Horizon Snapshots::horizon(const Reach& reach) const {
  Horizon result;
  {
    const std::scoped_lock lock(mutex_);
    result.points.reserve(entries_.size() + 3);
    // In this order: a target that is gone already is the durable point that is read then.
    const CommitNumber latest{reach.latest.load(std::memory_order_acquire)};
    const CommitNumber target{reach.sync_target.load(std::memory_order_acquire)};
    result.durable = CommitNumber{reach.durable.load(std::memory_order_acquire)};
    result.latest = std::max(latest, reach.next);
    result.points.push_back(result.durable);
    result.points.push_back(latest);
    if (target != CommitNumber{}) result.points.push_back(target);
    for (const Entry& entry : entries_) {
      if (entry.live && !(entry.shown && planted(Mutation::forget_reader)))
        result.points.push_back(entry.commit);
    }
  }
  std::sort(result.points.begin(), result.points.end());
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
