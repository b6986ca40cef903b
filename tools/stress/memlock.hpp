// The memory-lock stress test.
//
// Worker threads take locked memory in the three ways in which the engine does (frames of a pool, regions committed and
// released, buffers of a heap), and two of them run transactions on a store of their own, while one thread squeezes the
// room that is left and releases it again, applies memory pressure, and forks.
//
// What it holds throughout:
//   S1  What was put into locked memory is still there when it is looked at again.
//   S2  Memory is zero when it is taken: whoever had it before left nothing.
//   S3  When no worker is between two steps, the system's count of locked memory is Coffer's account and what the
//       squeeze has locked, to the byte.
//   S4  A MemoryLockError names the bytes that were asked for, the true limits, and a limit that is more than them.
//   S5  What failed for want of room works again once there is room.
//   S6  When all has ended nothing is locked.
//   S7  A forked child has nothing locked and knows that it is a child.
//   S8  Locked memory is not scattered: at most 64 mappings for each begun GiB and each begun eight threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "platform/platform.hpp"
#include "tools/latency.hpp"

namespace coffer::tools::stress {

/// A fault that the test must find (--plant), so that one knows that it would.
enum class Plant {
  none,
  leak,      ///< locked memory is not given back
  nowipe,    ///< something writes into memory that was given back
  miscount,  ///< memory is locked that the account does not know
};

struct MemlockOptions {
  unsigned threads = 8;
  std::chrono::milliseconds duration{20'000};
  std::vector<std::uint64_t> sizes{4096, 16384, 65536};  ///< of regions and buffers
  /// Somebody else changes the limits (prlimit) and gives all the room back before the end: the run squeezes
  /// nothing itself.
  bool limits_from_outside = false;
  std::vector<std::uint64_t> limits;  ///< bytes left to Coffer, step by step; empty: by chance
  std::chrono::milliseconds step{100};
  std::uint64_t room_bytes_max = 64 << 20;
  std::uint64_t pressure_bytes = 256 << 20;
  std::uint64_t seed = 1;
  platform::LockPolicy policy = platform::LockPolicy::abort;
  Plant plant = Plant::none;
  std::filesystem::path directory;  ///< where the store is made
};

struct MemlockResult {
  std::map<std::string, Latency> latencies;  ///< by operation
  std::uint64_t cycles = 0;                  ///< taken and given back
  std::uint64_t commits = 0;
  std::uint64_t lock_failures = 0;  ///< MemoryLockErrors, all of which must have been survived
  std::uint64_t squeezes = 0;       ///< by itself, or seen from outside
  std::uint64_t forks = 0;
  std::uint64_t account_checks = 0;
  std::uint64_t drift_bytes_max = 0;  ///< greatest difference of S3
  std::uint64_t locked_bytes_max = 0;
  std::uint64_t locked_mappings_max = 0;
  /// A frame taken and given back while there is room: many times on one thread, with no clock in between.
  std::chrono::duration<double, std::nano> frame_cycle{};
  std::uint64_t unlocked_plain_bytes_max = 0;
  std::optional<std::uint64_t> room_bytes;
  std::chrono::duration<double> taken{};
  std::uint64_t violations = 0;
  std::vector<std::string> violation_texts;  ///< the first ones
};

/// What is shown while it runs.
struct MemlockState {
  std::uint64_t cycles = 0;
  std::uint64_t locked_bytes = 0;
  std::optional<std::uint64_t> left_bytes;
  std::uint64_t lock_failures = 0;
  std::uint64_t violations = 0;
  std::chrono::duration<double> since_begin{};
};

/// Runs it.  `watch` is told of the state a few times a second, on a thread of the test's.
[[nodiscard]] MemlockResult run_memlock(platform::Platform& platform, const MemlockOptions& options,
                                        const std::function<void(const MemlockState&)>& watch);

}  // namespace coffer::tools::stress
