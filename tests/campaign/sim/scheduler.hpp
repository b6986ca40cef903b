// Runs threads one at a time, in an order that a seed decides.
//
// Inside run() what the program begins as a thread is a task with a stack of its own on the calling thread.  The
// program's calls of pthread_create, mutexes, condition variables and read-write locks come here
// (interpose.cpp), so that the code under test runs unchanged: it blocks where it would block, and another task
// goes on.  A task gives way where it waits, and at points (each lock taken, each call of the machine), there by lot.
// Time is simulated as well: it moves a little at each point, now and then it leaps, and when everybody waits it
// moves on to the next deadline.
//
// Invariants
//   1  Exactly one task runs.  Everything that decides which one comes from the seed and from what the tasks did.
//   2  A lock is the program's own, tried and never waited for: what a task holds, others find taken.  A thread that
//      is no task (two simulations run side by side) may hold a lock of the whole process for a moment; then all
//      who wait try again.
//   3  When all tasks wait and no deadline and no lock can help, run() raises Deadlock; the tasks' stacks are lost.
//   4  No point inside taking a lock exclusively while it is free: pager/reader_gate.hpp takes a number of them one
//      behind the other, and which of them readers use depends on how many threads the process had before.
// Not under a sanitizer, which has its own pthreads.
#pragma once

#include <ucontext.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "tests/campaign/sim/random.hpp"

namespace coffer::campaign::sim {

struct Deadlock : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A hash of everything that happened, in order.
class Trace {
 public:
  void add(std::uint64_t word) { hash_ = mixed(hash_, word); }
  void add(std::string_view text) {
    while (text.size() >= sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), sizeof word);
      add(word);
      text.remove_prefix(sizeof word);
    }
    std::uint64_t rest = text.size() + 1;
    for (const char c : text) rest = rest << 8 | static_cast<unsigned char>(c);
    add(rest);
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325ull;
};

class Scheduler {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  struct Options {
    std::uint64_t seed = 0;
    std::uint64_t switch_one_in = 4;   ///< how often another task goes on at a point
    std::uint64_t leap_one_in = 4000;  ///< how often time leaps there, by up to a minute
    std::function<void(Nanoseconds)> time_moved = {};
  };

  explicit Scheduler(Options options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// False where this build has no simulated threads (a sanitizer's).
  [[nodiscard]] static bool available();
  /// Of the task that calls; null outside of run().
  [[nodiscard]] static Scheduler* current();

  /// Runs `body` as the first task until it and all tasks begun in it have ended.  What it throws is thrown.
  void run(std::function<void()> body);

  /// A place where another task may go on.
  void point();
  [[nodiscard]] Trace& trace() { return trace_; }
  [[nodiscard]] std::uint64_t points() const { return points_; }
  [[nodiscard]] std::uint64_t switches() const { return switches_; }
  /// Since the simulation began.
  [[nodiscard]] Nanoseconds now() const { return now_; }

  // For interpose.cpp.  `try_lock` tries the program's own lock.
  void lock(const void* address, const std::function<bool()>& try_lock);
  void unlocked(const void* address);
  /// False when the time was up.
  bool wait(const void* condition, std::optional<Nanoseconds> deadline,
            const std::function<void()>& unlock, const std::function<void()>& relock);
  void wake(const void* condition, bool all);
  [[nodiscard]] std::uint64_t begin_task(std::function<void*()> body);
  void* join(std::uint64_t task);

 private:
  struct Task;
  enum class State { ready, waits_for_lock, waits_for_condition, waits_for_task, ended };

  static void enter();
  void run_task();
  [[nodiscard]] Task& pick();
  [[nodiscard]] Task* any_ready();
  [[nodiscard]] bool pass_time();
  [[nodiscard]] bool try_locks_again();
  void switch_to(Task& next);
  void give_way();
  void move_time(Nanoseconds by);

  Options options_;
  Random random_;
  Trace trace_;
  std::vector<std::unique_ptr<Task>> tasks_;
  Task* running_ = nullptr;
  ucontext_t host_{};
  Nanoseconds now_{0};
  std::uint64_t points_ = 0;
  std::uint64_t switches_ = 0;
  std::uint64_t fruitless_ = 0;  ///< retries of locks since one was last taken
  bool deadlock_ = false;
};

}  // namespace coffer::campaign::sim
