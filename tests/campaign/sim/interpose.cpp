// The C library's threads and locks, for the whole program: in a simulation the scheduler's, everywhere else the
// library's own.
//
// The program's symbols come before those of the libraries, libstdc++'s calls included; the library's own are
// found behind them.
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#include <cerrno>

#include "platform/contracts.hpp"
#include "tests/campaign/sim/scheduler.hpp"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COFFER_SANITIZED_THREADS
#endif
#endif
#else
#define COFFER_SANITIZED_THREADS
#endif

#ifndef COFFER_SANITIZED_THREADS

namespace coffer::campaign::sim {
namespace {

/// Tells a task's number from a thread's handle, which is an address.
constexpr pthread_t kTaskMark = pthread_t{1} << (sizeof(pthread_t) * 8 - 1);

template <class Function>
Function next_symbol(const char* name) {
  // Condition variables have an older form under the same name.
  void* found = ::dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
  if (found == nullptr) found = ::dlsym(RTLD_NEXT, name);
  Ensures(found != nullptr);
  return reinterpret_cast<Function>(found);
}

#define COFFER_REAL(name) static const auto real = next_symbol<decltype(&::name)>(#name)

std::chrono::nanoseconds duration_of(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// What the simulation's clocks show at its beginning.
constexpr std::chrono::nanoseconds kMonotonicBegin = std::chrono::hours(1);
constexpr std::chrono::nanoseconds kWallBegin = std::chrono::seconds(1704067200);

std::chrono::nanoseconds begin_of(clockid_t clock) {
  return clock == CLOCK_REALTIME ? kWallBegin : kMonotonicBegin;
}

int wait_for(Scheduler& scheduler, pthread_cond_t* condition, pthread_mutex_t* mutex,
             std::optional<std::chrono::nanoseconds> deadline) {
  const bool in_time = scheduler.wait(
      condition, deadline, [&] { pthread_mutex_unlock(mutex); },
      [&] { scheduler.lock(mutex, [&] { return pthread_mutex_trylock(mutex) == 0; }); });
  return in_time ? 0 : ETIMEDOUT;
}

}  // namespace
}  // namespace coffer::campaign::sim

using coffer::campaign::sim::begin_of;
using coffer::campaign::sim::duration_of;
using coffer::campaign::sim::kTaskMark;
using coffer::campaign::sim::next_symbol;
using coffer::campaign::sim::Scheduler;
using coffer::campaign::sim::wait_for;

#define COFFER_SHOWN extern "C" __attribute__((visibility("default")))

COFFER_SHOWN int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  COFFER_REAL(pthread_mutex_lock);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(mutex);
  scheduler->point();
  scheduler->lock(mutex, [mutex] { return pthread_mutex_trylock(mutex) == 0; });
  return 0;
}

COFFER_SHOWN int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  COFFER_REAL(pthread_mutex_unlock);
  const int result = real(mutex);
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->unlocked(mutex);
  return result;
}

COFFER_SHOWN int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  COFFER_REAL(pthread_cond_wait);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(condition, mutex);
  return wait_for(*scheduler, condition, mutex, {});
}

COFFER_SHOWN int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                        const timespec* until) {
  COFFER_REAL(pthread_cond_timedwait);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(condition, mutex, until);
  return wait_for(*scheduler, condition, mutex, duration_of(*until) - begin_of(CLOCK_REALTIME));
}

COFFER_SHOWN int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                        clockid_t clock, const timespec* until) {
  COFFER_REAL(pthread_cond_clockwait);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(condition, mutex, clock, until);
  return wait_for(*scheduler, condition, mutex, duration_of(*until) - begin_of(clock));
}

COFFER_SHOWN int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  COFFER_REAL(pthread_cond_signal);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(condition);
  scheduler->wake(condition, false);
  return 0;
}

COFFER_SHOWN int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  COFFER_REAL(pthread_cond_broadcast);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(condition);
  scheduler->wake(condition, true);
  return 0;
}

COFFER_SHOWN int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  COFFER_REAL(pthread_rwlock_rdlock);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(lock);
  scheduler->point();
  scheduler->lock(lock, [lock] { return pthread_rwlock_tryrdlock(lock) == 0; });
  return 0;
}

COFFER_SHOWN int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  COFFER_REAL(pthread_rwlock_wrlock);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(lock);
  scheduler->lock(lock, [lock] { return pthread_rwlock_trywrlock(lock) == 0; });
  return 0;
}

COFFER_SHOWN int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  COFFER_REAL(pthread_rwlock_unlock);
  const int result = real(lock);
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->unlocked(lock);
  return result;
}

COFFER_SHOWN int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                void* (*start)(void*), void* argument) noexcept {
  COFFER_REAL(pthread_create);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return real(thread, attributes, start, argument);
  try {
    *thread = kTaskMark | scheduler->begin_task([start, argument] { return start(argument); });
  } catch (const std::bad_alloc&) {
    return EAGAIN;
  }
  return 0;
}

COFFER_SHOWN int pthread_join(pthread_t thread, void** result) {
  COFFER_REAL(pthread_join);
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr || (thread & kTaskMark) == 0) return real(thread, result);
  void* const value = scheduler->join(thread & ~kTaskMark);
  if (result != nullptr) *result = value;
  return 0;
}

COFFER_SHOWN int pthread_detach(pthread_t thread) noexcept {
  COFFER_REAL(pthread_detach);
  if (Scheduler::current() == nullptr || (thread & kTaskMark) == 0) return real(thread);
  return 0;
}

COFFER_SHOWN int clock_gettime(clockid_t clock, timespec* time) noexcept {
  COFFER_REAL(clock_gettime);
  const Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)) {
    return real(clock, time);
  }
  const auto now = begin_of(clock) + scheduler->now();
  time->tv_sec = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  time->tv_nsec = (now % std::chrono::seconds(1)).count();
  return 0;
}

#endif
