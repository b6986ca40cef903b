// See pace.hpp.
#include "backup/pace.hpp"

#include <algorithm>
#include <thread>

#include <coffer/error.hpp>

namespace coffer::backup {
namespace {

using std::chrono::nanoseconds;

// Often enough for a progress bar and for a cancellation that feels immediate.
constexpr nanoseconds kTellEvery = std::chrono::milliseconds(50);

}  // namespace

void Pace::tell() {
  const nanoseconds elapsed = clock_.monotonic() - begin_;
  told_ = elapsed;
  if (watch_ && !watch_({.bytes_done = bytes_,
                         .bytes_total = bytes_total_,
                         .entries = entries_,
                         .pages = pages_,
                         .elapsed = elapsed})) {
    throw Cancelled("cancelled; nothing of it is left");
  }
}

void Pace::advance(std::uint64_t bytes) {
  bytes_ += bytes;
  nanoseconds elapsed = clock_.monotonic() - begin_;
  if (elapsed - told_ >= kTellEvery) tell();
  if (bytes_per_second_max_ == 0) return;
  const nanoseconds due(static_cast<std::int64_t>(
      static_cast<double>(bytes_) / static_cast<double>(bytes_per_second_max_) * 1e9));
  // In steps, so that a slow backup can be cancelled too.
  while ((elapsed = clock_.monotonic() - begin_) < due) {
    std::this_thread::sleep_for(std::min(due - elapsed, kTellEvery));
    tell();
  }
}

}  // namespace coffer::backup
