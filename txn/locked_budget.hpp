// How a store's locked memory is divided, and the least with which it works.
#pragma once

#include <cstddef>
#include <cstdint>

#include <coffer/options.hpp>

#include "platform/platform.hpp"

namespace coffer::txn {

/// What a caller's choice is to the platform.
[[nodiscard]] constexpr platform::LockPolicy lock_policy_of(MemoryLocking locking) {
  return locking == MemoryLocking::abort ? platform::LockPolicy::abort
                                         : platform::LockPolicy::proceed_unlocked;
}

/// The lower end of Options::locked_bytes_max.
inline constexpr std::uint64_t kLeastLockedBytes = 512 * 1024;

struct LockedBudget {
  std::uint64_t heap_bytes = 0;
  std::uint32_t chunks_max = 0;
  std::uint64_t frame_bytes = 0;
};
/// InvalidArgument below kLeastLockedBytes.
[[nodiscard]] LockedBudget divide_budget(std::uint64_t locked_bytes_max, std::size_t chunk_stride);

}  // namespace coffer::txn
