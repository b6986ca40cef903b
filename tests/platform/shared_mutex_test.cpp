// Many threads at a lock that none has used before: its first users are where rwlocks went wrong.
#include <catch2/catch.hpp>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "platform/shared_mutex.hpp"
#include "tests/support/full_run.hpp"

namespace coffer::test {
namespace {

/// Threads that entered a lock while another was in it alone.
std::uint64_t trespassers(unsigned entries) {
  constexpr int kThreads = 4;
  platform::SharedMutex mutex;
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

TEST_CASE("nobody shares a lock that one holds alone, from its first use on", "[threads]") {
  const int locks = full_run() ? 20'000 : 1000;
  std::uint64_t wrong = 0;
  for (int i = 0; i < locks; ++i) wrong += trespassers(200);
  CHECK(wrong == 0);
}

TEST_CASE("a shared lock is tried without waiting") {
  platform::SharedMutex mutex;
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
