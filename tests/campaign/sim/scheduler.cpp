// See scheduler.hpp.
#include "tests/campaign/sim/scheduler.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "platform/contracts.hpp"

namespace coffer::campaign::sim {

namespace {

/// Of the C++ runtime: a thread's exceptions under way.  A task has its own.
struct Exceptions {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};
void* exceptions_of_thread() {
  return abi::__cxa_get_globals();
}

constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::uint64_t kFruitlessMax = 2000;

/// Memory for a task to run on, with a page below it that nobody may touch.  Kept for the thread's next simulation.
class Stack {
 public:
  Stack() {
    if (!spare().empty()) {
      memory_ = spare().back();
      spare().pop_back();
      return;
    }
    memory_ = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(memory_, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), PROT_NONE);
  }
  ~Stack() { spare().push_back(memory_); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  [[nodiscard]] void* memory() const { return memory_; }

 private:
  static std::vector<void*>& spare() {
    thread_local std::vector<void*> stacks = [] {
      std::vector<void*> room;
      room.reserve(256);  // giving a stack back allocates nothing
      return room;
    }();
    return stacks;
  }
  void* memory_;
};

thread_local Scheduler* scheduler_of_thread = nullptr;

}  // namespace

struct Scheduler::Task {
  std::uint64_t id = 0;
  std::function<void*()> body;
  Stack stack;
  ucontext_t context{};
  State state = State::ready;
  const void* waits_for = nullptr;
  std::optional<Nanoseconds> deadline = {};
  bool timed_out = false;
  Exceptions exceptions = {};
  void* result = nullptr;
};

Scheduler::Scheduler(Options options) : options_(std::move(options)), random_(options_.seed) {}
Scheduler::~Scheduler() = default;

bool Scheduler::available() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return false;
#else
  return true;
#endif
#else
  return true;
#endif
}

Scheduler* Scheduler::current() {
  return scheduler_of_thread;
}

void Scheduler::run(std::function<void()> body) {
  Expects(scheduler_of_thread == nullptr && tasks_.empty());
  std::exception_ptr failure;
  const std::uint64_t first = begin_task([&]() -> void* {
    try {
      body();
    } catch (...) {
      failure = std::current_exception();
    }
    return nullptr;
  });
  running_ = tasks_.at(first).get();
  scheduler_of_thread = this;
  ::swapcontext(&host_, &running_->context);
  scheduler_of_thread = nullptr;
  if (deadlock_) {
    std::string who;
    for (auto& task : tasks_) {
      if (task->state == State::ended) continue;
      who += fmt::format(" task {} waits for a {}", task->id,
                         task->state == State::waits_for_lock        ? "lock"
                         : task->state == State::waits_for_condition ? "condition"
                                                                     : "task");
      // What lies on its stack was never destroyed, and may still be pointed to.
      static_cast<void>(task.release());
    }
    throw Deadlock("nobody can go on:" + who);
  }
  if (failure) std::rethrow_exception(failure);
}

std::uint64_t Scheduler::begin_task(std::function<void*()> body) {
  auto task = std::make_unique<Task>();
  task->id = tasks_.size();
  task->body = std::move(body);
  ::getcontext(&task->context);
  task->context.uc_stack.ss_sp = task->stack.memory();
  task->context.uc_stack.ss_size = kStackBytes;
  task->context.uc_link = nullptr;
  ::makecontext(&task->context, &Scheduler::enter, 0);
  tasks_.push_back(std::move(task));
  return tasks_.back()->id;
}

void Scheduler::enter() {
  scheduler_of_thread->run_task();
}

void Scheduler::run_task() {
  Task& task = *running_;
  const Exceptions none;
  std::memcpy(exceptions_of_thread(), &none, sizeof none);
  task.result = task.body();
  task.body = nullptr;
  task.state = State::ended;
  for (auto& other : tasks_) {
    if (other->state == State::waits_for_task && other->waits_for == &task) {
      other->state = State::ready;
    }
  }
  bool all_ended = true;
  for (const auto& other : tasks_) all_ended = all_ended && other->state == State::ended;
  if (all_ended) ::setcontext(&host_);
  switch_to(pick());
  Ensures(false);  // an ended task is never picked
}

Scheduler::Task* Scheduler::any_ready() {
  std::uint64_t ready = 0;
  for (const auto& task : tasks_) ready += task->state == State::ready ? 1 : 0;
  if (ready == 0) return nullptr;
  std::uint64_t chosen = ready == 1 ? 0 : random_.below(ready);
  for (const auto& task : tasks_) {
    if (task->state == State::ready && chosen-- == 0) return task.get();
  }
  return nullptr;
}

/// To the earliest deadline; false when nobody has one.
bool Scheduler::pass_time() {
  Task* earliest = nullptr;
  for (const auto& task : tasks_) {
    if (task->state == State::waits_for_condition && task->deadline &&
        (earliest == nullptr || *task->deadline < *earliest->deadline)) {
      earliest = task.get();
    }
  }
  if (earliest == nullptr) return false;
  move_time(std::max(Nanoseconds(0), *earliest->deadline - now_));
  return true;
}

bool Scheduler::try_locks_again() {
  if (++fruitless_ > kFruitlessMax) return false;
  bool some = false;
  for (const auto& task : tasks_) {
    if (task->state != State::waits_for_lock) continue;
    task->state = State::ready;
    some = true;
  }
  if (some) ::sched_yield();
  return some;
}

Scheduler::Task& Scheduler::pick() {
  for (;;) {
    if (Task* const task = any_ready()) return *task;
    // Time passes only when no lock is waited for: whoever holds one is no task of ours, or waits itself.
    if (pass_time() || try_locks_again()) continue;
    deadlock_ = true;
    ::setcontext(&host_);
  }
}

void Scheduler::switch_to(Task& next) {
  Task& from = *running_;
  if (&next == &from) return;
  ++switches_;
  trace_.add(next.id);
  std::memcpy(&from.exceptions, exceptions_of_thread(), sizeof from.exceptions);
  running_ = &next;
  ::swapcontext(&from.context, &next.context);
  std::memcpy(exceptions_of_thread(), &from.exceptions, sizeof from.exceptions);
}

void Scheduler::give_way() {
  switch_to(pick());
}

void Scheduler::move_time(Nanoseconds by) {
  now_ += by;
  if (options_.time_moved) options_.time_moved(by);
  for (const auto& task : tasks_) {
    if (task->state == State::waits_for_condition && task->deadline && *task->deadline <= now_) {
      task->state = State::ready;
      task->timed_out = true;
    }
  }
}

void Scheduler::point() {
  ++points_;
  const bool leap = options_.leap_one_in != 0 && random_.one_in(options_.leap_one_in);
  move_time(leap ? Nanoseconds(random_.below(60'000'000'000)) : Nanoseconds(1000));
  if (random_.one_in(options_.switch_one_in)) give_way();
}

void Scheduler::lock(const void* address, const std::function<bool()>& try_lock) {
  while (!try_lock()) {
    running_->state = State::waits_for_lock;
    running_->waits_for = address;
    give_way();
  }
  fruitless_ = 0;
}

void Scheduler::unlocked(const void* address) {
  for (const auto& task : tasks_) {
    if (task->state == State::waits_for_lock && task->waits_for == address) {
      task->state = State::ready;
    }
  }
}

bool Scheduler::wait(const void* condition, std::optional<Nanoseconds> deadline,
                     const std::function<void()>& unlock, const std::function<void()>& relock) {
  Task& task = *running_;
  task.state = State::waits_for_condition;
  task.waits_for = condition;
  task.deadline = deadline;
  task.timed_out = deadline && *deadline <= now_;
  // The standard allows a wait to end for no reason.
  if (task.timed_out || random_.one_in(64)) task.state = State::ready;
  unlock();
  give_way();
  const bool in_time = !task.timed_out;
  task.deadline.reset();
  relock();
  return in_time;
}

void Scheduler::wake(const void* condition, bool all) {
  std::uint64_t waiting = 0;
  const auto waits = [&](const Task& task) {
    return task.state == State::waits_for_condition && task.waits_for == condition;
  };
  for (const auto& task : tasks_) waiting += waits(*task) ? 1 : 0;
  if (waiting == 0) return;
  std::uint64_t chosen = all ? 0 : random_.below(waiting);
  for (const auto& task : tasks_) {
    if (!waits(*task)) continue;
    if (all || chosen-- == 0) task->state = State::ready;
  }
}

void* Scheduler::join(std::uint64_t id) {
  Task& other = *tasks_.at(id);
  while (other.state != State::ended) {
    running_->state = State::waits_for_task;
    running_->waits_for = &other;
    give_way();
  }
  return other.result;
}

}  // namespace coffer::campaign::sim
