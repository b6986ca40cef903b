// A thread that does a share of the work while its owner does another.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace coffer::platform {

/// One owner.  The thread starts with the object and ends with it, and with the work that was begun; what that uses
/// outlives the object.
class SecondThread {
 public:
  SecondThread() : thread_([this] { run(); }) {}
  ~SecondThread() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    handed_over_.notify_one();
    thread_.join();
  }
  SecondThread(const SecondThread&) = delete;
  SecondThread& operator=(const SecondThread&) = delete;

  /// Has this done, behind what was handed over before, while the caller goes on.
  void start(std::function<void()> work) {
    {
      const std::scoped_lock lock(mutex_);
      // What went wrong is raised by the next wait; nothing is done behind it.
      if (failure_) return;
      work_.push_back(std::move(work));
    }
    handed_over_.notify_one();
  }

  /// Waits until at most `left` pieces of work are not done, and returns how many are not.  What one of them threw is
  /// thrown, once; those behind it are never begun.
  std::size_t wait(std::size_t left) {
    std::unique_lock lock(mutex_);
    wanted_ = left;
    done_.wait(lock, [this, left] { return not_done() <= left || failure_; });
    if (failure_) {
      // The queue is empty; what failed was the last that was begun.
      std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    return not_done();
  }
  void finish() { static_cast<void>(wait(0)); }
  /// How much is not done now.  Throws as `wait` does.
  std::size_t left() {
    const std::scoped_lock lock(mutex_);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    return not_done();
  }
  /// Takes back what was handed over last, unless it was begun or no more than `keep` pieces of work wait: whether it
  /// did.  The caller does it.
  bool take_back(std::size_t keep) {
    const std::scoped_lock lock(mutex_);
    if (work_.size() <= keep) return false;
    work_.pop_back();
    return true;
  }

  /// Does `share` here and at the same time there, as far as that thread gets to it: what one has done the other must
  /// not have to do.  Returns when both are done; what either threw is thrown.  Nothing else was handed over.
  template <class Share>
  void help_with(Share&& share) {
    start([&share] { share(true); });
    std::exception_ptr failure;
    try {
      share(false);
    } catch (...) {
      failure = std::current_exception();
    }
    withdraw();
    try {
      finish();
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
    if (failure) std::rethrow_exception(failure);
  }

 private:
  [[nodiscard]] std::size_t not_done() const { return work_.size() + (working_ ? 1 : 0); }

  /// On a busy machine the thread may not have begun, and now there is nothing left to do.
  void withdraw() {
    const std::scoped_lock lock(mutex_);
    work_.clear();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      handed_over_.wait(lock, [this] { return !work_.empty() || stopping_; });
      if (stopping_) return;
      std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      working_ = true;
      lock.unlock();
      std::exception_ptr failure;
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      work = nullptr;
      lock.lock();
      working_ = false;
      if (failure) {
        failure_ = failure;
        work_.clear();
      }
      if (not_done() <= wanted_) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable handed_over_;
  std::condition_variable done_;
  std::deque<std::function<void()>> work_;
  bool working_ = false;
  std::size_t wanted_ = 0;  ///< what the owner waits for, when it does
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace coffer::platform
