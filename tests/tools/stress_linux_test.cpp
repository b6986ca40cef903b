// Linux only: one process changes another's limits
//
// The memory-lock stress test while somebody else squeezes it.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/support/full_run.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/command_driver_linux.hpp"

namespace coffer::tools::test {
namespace {

/// Changes the soft limit of its parent ten times a second for a while, and gives everything back.
[[noreturn]] void squeeze_parent(pid_t parent, std::uint64_t room, std::chrono::seconds how_long) {
  std::mt19937_64 random(3);
  const auto set = [&](std::uint64_t bytes) {
    const rlimit limit{bytes, room};
    if (::prlimit(parent, RLIMIT_MEMLOCK, &limit, nullptr) != 0) ::_exit(1);
  };
  const auto end = std::chrono::steady_clock::now() + how_long;
  while (std::chrono::steady_clock::now() < end) {
    set(random() % 3 == 0 ? room : random() % room);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  set(room);
  ::_exit(0);
}

}  // namespace

// Five minutes and a million cycles in a full run.
TEST_CASE("stress: limits that another process changes break nothing either") {
  if (!coffer::test::locks_are_real()) return coffer::test::skip(coffer::test::kLocksAreNotReal);
  constexpr std::uint64_t kRoom = 4 << 20;
  const bool full = coffer::test::full_run();
  const std::chrono::seconds squeezed(full ? 298 : 5);
  const std::chrono::seconds duration = squeezed + std::chrono::seconds(2);
  if (coffer::test::lock_limit().rlim_max < kRoom)
    return coffer::test::skip("the hard limit on locked memory is too low");
  const Outcome outcome =
      run_in_child({.arguments = {"--json", "stress", "memlock", "--threads", "8", "--duration",
                                  std::to_string(duration.count()), "--limits-from-outside"},
                    .patience = duration + kPatience},
                   [&] {
                     coffer::test::limit_locked_memory(kRoom, kRoom);
                     const pid_t command = ::getpid();
                     if (::fork() == 0) squeeze_parent(command, kRoom, squeezed);
                     // What a process is allowed to raise by itself is no squeeze.
                     coffer::test::forbid_setting_limits();
                   });
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const auto result = nlohmann::json::parse(outcome.out);
  CHECK(result["violations"] == 0);
  CHECK(result["room_bytes"] == kRoom);
  CHECK(result["cycles"] >= (full ? 1'000'000 : 10'000));
  CHECK(result["squeezes"] > 10);
  CHECK(result["lock_failures"] > 100);
  CHECK(result["account_checks"] > 20);
  CHECK(result["drift_bytes_max"] == 0);
  CHECK(result["locked_mappings_max"] <= 64);
  CHECK(result["commits"] > 10);
}

}  // namespace coffer::tools::test
