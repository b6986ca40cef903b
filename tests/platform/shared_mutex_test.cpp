// Many threads at a lock that none has used before: its first users are where rwlocks went wrong.  The same of one that
// spins before it waits.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "platform/shared_mutex.hpp"
#include "platform/spinning.hpp"
#include "tests/support/full_run.hpp"

namespace coffer::test {
namespace {

/// Threads that entered a lock while another was in it alone.
template <class Mutex>
std::uint64_t trespassers(unsigned entries) {
  constexpr int kThreads = 4;
  Mutex mutex;
  std::atomic<int> ready{0};
  std::atomic<int> sharing{0};
  std::atomic<int> alone{0};
  std::atomic<std::uint64_t> wrong{0};
  const auto enter = [&](bool writer) {
    ++ready;
    while (ready < kThreads) std::this_thread::yield();
    for (unsigned i = 0; i < entries; ++i) {
      if (writer) {
        const std::lock_guard guard(mutex);
        if (++alone != 1 || sharing != 0) ++wrong;
        --alone;
      } else {
        const std::shared_lock guard(mutex);
        ++sharing;
        if (alone != 0) ++wrong;
        --sharing;
      }
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(enter, i == 0);
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

}  // namespace

TEMPLATE_TEST_CASE("nobody shares a lock that one holds alone, from its first use on", "[threads]",
                   platform::SharedMutex, platform::Spinning<platform::SharedMutex>) {
  const int locks = full_run() ? 20'000 : 1000;
  std::uint64_t wrong = 0;
  for (int i = 0; i < locks; ++i) wrong += trespassers<TestType>(200);
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("a lock that is held for longer than one spins is waited for", "[threads]",
                   platform::SharedMutex, platform::Spinning<platform::SharedMutex>) {
  const bool shared = GENERATE(false, true);
  CAPTURE(shared);
  TestType mutex;
  std::atomic<bool> released{false};
  std::atomic<bool> early{false};
  std::unique_lock held(mutex);
  std::atomic<bool> waiting{false};
  std::thread other([&] {
    waiting = true;
    if (shared) {
      const std::shared_lock lock(mutex);
      early = !released;
    } else {
      const std::lock_guard lock(mutex);
      early = !released;
    }
  });
  while (!waiting) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  released = true;
  held.unlock();
  other.join();
  CHECK_FALSE(early);
}

TEMPLATE_TEST_CASE("a shared lock is tried without waiting", "", platform::SharedMutex,
                   platform::Spinning<platform::SharedMutex>) {
  TestType mutex;
  const auto elsewhere = [](auto&& attempt) {
    bool got = false;
    std::thread([&] { got = attempt(); }).join();
    return got;
  };
  const auto try_shared = [&] {
    const std::shared_lock lock(mutex, std::try_to_lock);
    return lock.owns_lock();
  };
  const auto try_alone = [&] {
    const std::unique_lock lock(mutex, std::try_to_lock);
    return lock.owns_lock();
  };
  {
    const std::shared_lock held(mutex);
    CHECK(elsewhere(try_shared));
    CHECK_FALSE(elsewhere(try_alone));
  }
  {
    const std::unique_lock held(mutex);
    CHECK_FALSE(elsewhere(try_shared));
    CHECK_FALSE(elsewhere(try_alone));
  }
  CHECK(elsewhere(try_alone));
}

}  // namespace coffer::test
