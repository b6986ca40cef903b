// See read_ahead.hpp.
#include "txn/read_ahead.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>

#include "txn/read_view.hpp"

namespace coffer::txn {

using pager::SharedFrame;

namespace {

/// The share of a writer's share of a small pool's frames that may be open ahead.
constexpr std::uint32_t kShareOfFrames = 4;
/// Looks at an entry that the other thread is opening before the view opens the page itself: some five microseconds,
/// about twice what a page takes.
constexpr int kLooks = 150;

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

std::unique_ptr<ReadAhead> ReadAhead::start(Core& core, CommitNumber snapshot) noexcept {
  if (!core.options.background_checkpoints) return nullptr;
  if (core.threads_ahead.fetch_add(1) + 1 < core.platform.processors()) {
    try {
      return std::unique_ptr<ReadAhead>(new ReadAhead(core, snapshot));
    } catch (const std::system_error&) {
      // No thread to be had.
    } catch (const std::bad_alloc&) {
      // The scan goes on without.
    }
  }
  core.threads_ahead.fetch_sub(1);
  return nullptr;
}

ReadAhead::ReadAhead(Core& core, CommitNumber snapshot)
    : core_(core),
      snapshot_(snapshot),
      room_(std::min<std::size_t>(kPagesMax, core.frames->private_frames_max() / kShareOfFrames)) {}

ReadAhead::~ReadAhead() {
  drop_until(end_);
  // What was abandoned may be being opened still; whoever does that empties it.
  second_.finish();
  core_.threads_ahead.fetch_sub(1);
}

void ReadAhead::expect(std::span<const PageId> pages) noexcept {
  const auto last = std::ranges::find(pages, last_);
  if (begin_ != end_ && last != pages.end()) {
    pages = pages.subspan(static_cast<std::size_t>(last - pages.begin()) + 1);
  } else {
    drop_until(end_);
  }
  const std::uint64_t first = end_;
  for (const PageId page : pages) {
    Entry& entry = at(end_);
    if (end_ - begin_ == room_) break;
    if (entry.state.load(std::memory_order_acquire) != State::empty) break;
    entry.page = last_ = page;
    entry.state.store(State::queued, std::memory_order_release);
    ++end_;
  }
  if (end_ == first) return;
  try {
    // By the time that this is done an entry may have come to stand for another page: that is to be opened as well.
    second_.start([this, first, end = end_] {
      for (std::uint64_t number = first; number < end; ++number) {
        static_cast<void>(try_open(at(number)));
      }
    });
  } catch (const std::bad_alloc&) {
    // The view opens them.
  }
}

std::optional<SharedFrame> ReadAhead::take(PageId page) noexcept {
  std::uint64_t number = begin_;
  while (number < end_ && at(number).page != page) ++number;
  if (number == end_) return std::nullopt;
  drop_until(number);
  Entry& entry = at(begin_);
  const State state = try_open(entry) ? entry.state.load() : wait_for(entry);
  ++begin_;
  if (state == State::abandoned) return std::nullopt;
  const SharedFrame frame = entry.frame;
  entry.state.store(State::empty, std::memory_order_release);
  // Evicted meanwhile: nobody's any more.
  if (state == State::failed || !core_.frames->try_pin(frame)) return std::nullopt;
  return frame;
}

/// Opens the entry's page unless it is not queued; whether it did.
bool ReadAhead::try_open(Entry& entry) noexcept {
  State expected = State::queued;
  if (!entry.state.compare_exchange_strong(expected, State::opening, std::memory_order_acquire)) {
    return false;
  }
  State became = State::failed;
  try {
    entry.frame = open_seen(core_, entry.page, snapshot_, pager::Claim::reader);
    core_.frames->unpin(entry.frame.frame);
    became = State::ready;
  } catch (const std::exception&) {
    // A3
  }
  expected = State::opening;
  if (!entry.state.compare_exchange_strong(expected, became, std::memory_order_acq_rel)) {
    if (became == State::ready) core_.frames->leave(entry.frame);
    entry.state.store(State::empty, std::memory_order_release);
  }
  return true;
}

/// What becomes of an entry that the other thread is opening.  Opens what comes behind it meanwhile.
ReadAhead::State ReadAhead::wait_for(Entry& entry) noexcept {
  std::uint64_t next = begin_ + 1;
  for (int looks = 0; looks < kLooks; ++looks) {
    const State state = entry.state.load(std::memory_order_acquire);
    if (state != State::opening) return state;
    while (next < end_ && !try_open(at(next))) ++next;
    if (next == end_) pause_briefly();
  }
  return abandon(entry);
}

ReadAhead::State ReadAhead::abandon(Entry& entry) noexcept {
  State state = State::opening;
  return entry.state.compare_exchange_strong(state, State::abandoned, std::memory_order_acq_rel)
             ? State::abandoned
             : state;
}

void ReadAhead::drop_until(std::uint64_t number) noexcept {
  for (; begin_ < number; ++begin_) {
    Entry& entry = at(begin_);
    State state = State::queued;
    if (entry.state.compare_exchange_strong(state, State::empty, std::memory_order_acq_rel)) {
      continue;
    }
    if (state == State::opening) state = abandon(entry);
    if (state == State::abandoned) continue;
    if (state == State::ready) core_.frames->leave(entry.frame);
    entry.state.store(State::empty, std::memory_order_release);
  }
}

}  // namespace coffer::txn
