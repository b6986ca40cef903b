// Opening the pages that a scan is going to read on a second thread, while the scan reads those before them.
//
// Invariants
//   A1  A page is opened ahead exactly as the view would open it: found, verified, and shared as the version that the
//       view's snapshot sees.
//   A2  What is open ahead is bounded, is nobody's pin (whoever needs a frame more may evict it), and is wiped at the
//       latest when the view ends.
//   A3  What fails ahead is told to nobody: the view opens that page itself when it comes to it, and raises what is
//       wrong with it, or never comes to it.
//   A4  The view never waits for long: what the thread does not get to, the view does.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <span>

#include "platform/second_thread.hpp"
#include "txn/core.hpp"
#include "txn/pages.hpp"

namespace coffer::txn {

/// Of one view, whose thread calls everything here.
class ReadAhead {
 public:
  /// Nothing where the engine has no threads of its own, where each processor but one has such a thread already, or
  /// where the system has none to give.
  [[nodiscard]] static std::unique_ptr<ReadAhead> start(Core& core, CommitNumber snapshot) noexcept;
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Whether so few pages are left that it is time to name more.
  [[nodiscard]] bool wants_more() const noexcept { return begin_ + room_ / 2 >= end_; }
  /// What the scan comes to next, in this order; what was named before and is not among it is dropped.
  void expect(std::span<const PageId> pages) noexcept;
  /// The page's frame, if it was opened ahead: pinned once, and the caller is its user.  What was named before it and
  /// not taken is dropped.
  [[nodiscard]] std::optional<pager::SharedFrame> take(PageId page) noexcept;

 private:
  static constexpr std::size_t kPagesMax = PageSource::kPagesAheadMax;
  /// Of an entry.  The view's thread makes an empty one queued and a ready or failed one empty; whoever makes a queued
  /// one opening opens it.
  enum class State : std::uint8_t {
    empty,
    queued,
    opening,
    abandoned,  ///< the view did not wait for it: who opens it empties it
    ready,
    failed,
  };
  struct alignas(64) Entry {
    std::atomic<State> state{State::empty};
    PageId page{};             // written by the view's thread before the entry is queued
    pager::SharedFrame frame;  // written by who opens it before it is ready
  };

  ReadAhead(Core& core, CommitNumber snapshot);
  [[nodiscard]] Entry& at(std::uint64_t number) noexcept { return entries_[number % kPagesMax]; }
  [[nodiscard]] bool try_open(Entry& entry) noexcept;
  [[nodiscard]] State wait_for(Entry& entry) noexcept;
  [[nodiscard]] static State abandon(Entry& entry) noexcept;
  void drop_until(std::uint64_t number) noexcept;

  Core& core_;
  CommitNumber snapshot_;
  std::size_t room_;
  std::array<Entry, kPagesMax> entries_;
  std::uint64_t begin_ =
      0;  ///< entries are numbered as they are named; those from here on are not taken
  std::uint64_t end_ = 0;
  PageId last_{};  ///< named
  platform::SecondThread second_;
};

}  // namespace coffer::txn
