// Buffers that go round between a thread and its second one, so that each finds some to work on and both rarely wait:
// one that waits goes on when half of them have come back.  Where the order of the work does not matter an owner that would
// have to wait does some of it instead.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "platform/contracts.hpp"
#include "platform/second_thread.hpp"

namespace coffer::platform {

/// Items that the owner fills and a second thread empties, in their order.
template <class Item>
class WriteBehind {
 public:
  explicit WriteBehind(std::vector<Item> items) : items_(std::move(items)) {
    Expects(items_.size() >= 2);
  }
  /// The one to be filled.
  [[nodiscard]] Item& current() { return items_[at_]; }
  /// Has `empty` called with it by the thread; another one is to be filled.  Raises what went wrong before.
  template <class Empty>
  void hand_over(Empty&& empty) {
    thread_.start([&item = items_[at_], empty = std::forward<Empty>(empty)] { empty(item); });
    at_ = (at_ + 1) % items_.size();
    if (++away_ == items_.size()) away_ = thread_.wait(away_ / 2);
  }
  /// The same, but when the thread has all the other items `here` is called with this one instead, at once, and it is
  /// the current one again.  So items are not emptied in their order.
  template <class Empty, class Here>
  void hand_over_or(Empty&& empty, Here&& here) {
    if (away_ + 1 == items_.size()) away_ = thread_.left();
    if (away_ + 1 == items_.size()) return here(items_[at_]);
    hand_over(std::forward<Empty>(empty));
  }
  /// All that was handed over is done.
  void finish() { away_ = thread_.wait(0); }

 private:
  std::vector<Item> items_;
  std::size_t at_ = 0;
  std::size_t away_ = 0;  ///< at most: with the thread
  SecondThread thread_;
};

/// Items that a second thread fills and the owner uses, in their order.
template <class Item>
class ReadAhead {
 public:
  explicit ReadAhead(std::vector<Item> items) : items_(std::move(items)), here_(items_.size()) {
    Expects(items_.size() >= 2);
  }
  /// The next one that can be handed over; null when all are away or in use.
  [[nodiscard]] Item* free() {
    return in_use_ + ahead_ < items_.size() ? &items_[place(ahead_)] : nullptr;
  }
  /// Has `fill` called by the thread with the one that `free` returned.
  template <class Fill>
  void hand_over(Fill&& fill) {
    Item* const item = free();
    Expects(item != nullptr);
    thread_.start([item, fill = std::forward<Fill>(fill)] { fill(*item); });
    ++ahead_;
    ++away_;
  }
  /// The next one that was filled, the owner's until `give_back`; null when none was handed over.  Raises what went
  /// wrong with it, or with one behind it.
  [[nodiscard]] Item* take() {
    if (!expect_next()) return nullptr;
    if (!next_is_filled()) filled_ = away_ - thread_.wait(away_ / 2);
    return next();
  }
  /// The same; but while the thread has not filled it, `here` is called with items behind it that the thread has not begun,
  /// the last ones first.  What `here` throws leaves a relay that is good for nothing.
  template <class Here>
  [[nodiscard]] Item* take(Here&& here) {
    if (!expect_next()) return nullptr;
    // One stays for the thread, which would otherwise go to sleep.
    while (!next_is_filled() && thread_.take_back(1)) {
      const std::size_t last = last_away();
      here_[last] = true;
      --away_;
      here(items_[last]);
    }
    if (!next_is_filled()) filled_ = away_ - thread_.wait(away_ - 1);
    return next();
  }
  void give_back() {
    at_ = (at_ + in_use_) % items_.size();
    in_use_ = 0;
  }

 private:
  /// Of the one `n` behind the next.
  [[nodiscard]] std::size_t place(std::size_t n) const {
    return (at_ + in_use_ + n) % items_.size();
  }
  [[nodiscard]] bool expect_next() const {
    Expects(in_use_ == 0);
    return ahead_ != 0;
  }
  [[nodiscard]] bool next_is_filled() {
    if (here_[at_]) return true;
    if (filled_ == 0) filled_ = away_ - thread_.left();
    return filled_ != 0;
  }
  /// The one that was handed over last, of those that the thread has.
  [[nodiscard]] std::size_t last_away() const {
    std::size_t n = ahead_ - 1;
    while (here_[place(n)]) --n;
    return place(n);
  }
  Item* next() {
    Item* const item = &items_[at_];
    if (here_[at_]) {
      here_[at_] = false;
    } else {
      --away_;
      --filled_;
    }
    --ahead_;
    in_use_ = 1;
    return item;
  }

  std::vector<Item> items_;
  std::vector<bool> here_;  ///< which of those ahead the owner has filled
  std::size_t at_ = 0;      ///< the one in use, or else the next
  std::size_t in_use_ = 0;  ///< by the owner: none or one
  std::size_t ahead_ = 0;   ///< handed over, and not taken yet
  std::size_t away_ = 0;    ///< of these: the thread's, filled or not
  std::size_t filled_ = 0;  ///< of these: known to be filled, the first ones
  SecondThread thread_;
};

}  // namespace coffer::platform
