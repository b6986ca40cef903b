// Buffers that go round between a thread and its second one, so that each finds some to work on and both rarely wait:
// one that waits goes on when half of them have come back.
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
  explicit ReadAhead(std::vector<Item> items) : items_(std::move(items)) {
    Expects(items_.size() >= 2);
  }
  /// The next one that can be handed over; null when all are away or in use.
  [[nodiscard]] Item* free() {
    return in_use_ + ready_ + away_ < items_.size() ? &items_[at_] : nullptr;
  }
  /// Has `fill` called by the thread with the one that `free` returned.
  template <class Fill>
  void hand_over(Fill&& fill) {
    Expects(free() != nullptr);
    thread_.start([&item = items_[at_], fill = std::forward<Fill>(fill)] { fill(item); });
    at_ = (at_ + 1) % items_.size();
    ++away_;
  }
  /// The next one that was filled, the owner's until `give_back`; null when none was handed over.  Raises what went
  /// wrong with it, or with one behind it.
  [[nodiscard]] Item* take() {
    Expects(in_use_ == 0);
    if (ready_ == 0) {
      if (away_ == 0) return nullptr;
      const std::size_t left = thread_.wait(away_ / 2);
      ready_ = away_ - left;
      away_ = left;
    }
    Item* const item = &items_[(at_ + items_.size() - ready_ - away_) % items_.size()];
    --ready_;
    in_use_ = 1;
    return item;
  }
  void give_back() { in_use_ = 0; }

 private:
  std::vector<Item> items_;
  std::size_t at_ = 0;
  std::size_t in_use_ = 0;  ///< by the owner: none or one
  std::size_t ready_ = 0;   ///< and filled
  std::size_t away_ = 0;    ///< with the thread
  SecondThread thread_;
};

}  // namespace coffer::platform
