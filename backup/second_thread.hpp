// A thread that does a share of the work now and then, while its owner does the rest.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace coffer::backup {

/// One owner.  The thread starts with the object and ends with it.
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

  /// Does `share` here and at the same time there, as far as that thread gets to it: what one has done the other must
  /// not have to do.  Returns when both are done; what either threw is thrown.
  template <class Share>
  void help_with(Share&& share) {
    {
      const std::scoped_lock lock(mutex_);
      work_ = [&share] { share(true); };
      state_ = State::waiting;
    }
    changed_.notify_all();
    std::exception_ptr failure;
    try {
      share(false);
    } catch (...) {
      failure = std::current_exception();
    }
    std::unique_lock lock(mutex_);
    // On a busy machine it may not have begun, and now there is nothing left to do.
    if (state_ == State::waiting) state_ = State::idle;
    changed_.wait(lock, [this] { return state_ == State::idle; });
    if (!failure) failure = failure_;
    failure_ = nullptr;
    if (failure) std::rethrow_exception(failure);
  }

 private:
  enum class State { idle, waiting, working };

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

}  // namespace coffer::backup
