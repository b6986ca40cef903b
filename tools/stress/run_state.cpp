// See run_state.hpp.
#include "tools/stress/run_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "txn/locked_budget.hpp"

namespace coffer::tools::stress {

// A quarter stays free: regions round up to pages, and a store has more than its budget of frames for a moment.
Shares shares_of(const MemlockOptions& options, std::optional<std::uint64_t> room_bytes) {
  constexpr std::uint64_t kMostStore = 4 << 20;
  const std::uint64_t room =
      std::min(room_bytes.value_or(options.room_bytes_max), options.room_bytes_max);
  Shares shares;
  shares.frames = room / 8;
  shares.regions_each = room / 4 / options.threads;
  shares.buffers_each = room / 8 / options.threads;
  shares.stores = options.threads >= 4 ? 2 : options.threads >= 2 ? 1 : 0;
  if (shares.stores > 0) shares.store = std::min(room / 4 / shares.stores, kMostStore);
  if (shares.store < txn::kLeastLockedBytes) shares.stores = 0;
  return shares;
}

void RunState::look_at_failure(const MemoryLockError& failure, std::uint64_t requested_bytes,
                               std::uint64_t phase_before) {
  ++lock_failures;
  const auto& numbers = failure.numbers();
  if (requested_bytes != 0 && numbers.requested_bytes != requested_bytes) {
    violated(fmt::format("S4: {} bytes were asked for, and the error says {}", requested_bytes,
                         numbers.requested_bytes));
  }
  if (const auto room = side.room_bytes()) {
    if (numbers.soft_limit_bytes != *room || numbers.hard_limit_bytes != *room) {
      violated(fmt::format("S4: the limit is {}, and the error says {} (hard {})", *room,
                           numbers.soft_limit_bytes, numbers.hard_limit_bytes));
    }
  }
  if (numbers.sufficient_limit_bytes != 0 &&
      numbers.sufficient_limit_bytes < numbers.requested_bytes + numbers.locked_bytes / 2) {
    violated(fmt::format("S4: a limit of {} is named for {} bytes more",
                         numbers.sufficient_limit_bytes, numbers.requested_bytes));
  }
  const std::uint64_t now = phase.load();
  if (now == phase_before && now % 2 == 1) {
    violated(fmt::format("S5: no room, though nothing is squeezed: {}", failure.what()));
  }
}

}  // namespace coffer::tools::stress
