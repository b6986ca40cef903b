// A thread that does a share of the work while its owner does another.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace coffer::platform {

/// One owner, one piece of work at a time.  The thread starts with the object and ends with it, and with the work
/// that was begun: what that uses outlives the object.
class SecondThread {
 public:
  SecondThread() : thread_([this] { run(); }) {}
  ~SecondThread() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  SecondThread(const SecondThread&) = delete;
  SecondThread& operator=(const SecondThread&) = delete;

  /// Has this done while the caller goes on.  What was handed over before was finished.
  void start(std::function<void()> work) {
    {
      const std::scoped_lock lock(mutex_);
      work_ = std::move(work);
      state_ = State::waiting;
    }
    changed_.notify_all();
  }

  /// Waits until it is done; what it threw is thrown, once.
  void finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ == State::idle; });
    if (const auto failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
  }

  /// Does `share` here and at the same time there, as far as that thread gets to it: what one has done the other must
  /// not have to do.  Returns when both are done; what either threw is thrown.
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
  enum class State { idle, waiting, working };

  /// On a busy machine the thread may not have begun, and now there is nothing left to do.
  void withdraw() {
    const std::scoped_lock lock(mutex_);
    if (state_ == State::waiting) state_ = State::idle;
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return state_ == State::waiting || stopping_; });
      if (state_ != State::waiting) return;
      state_ = State::working;
      lock.unlock();
      std::exception_ptr failure;
      try {
        work_();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      failure_ = failure;
      state_ = State::idle;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> work_;
  std::exception_ptr failure_;
  State state_ = State::idle;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace coffer::platform
