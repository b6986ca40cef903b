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
                               const Moment& before) {
  ++lock_failures;
  const auto& numbers = failure.numbers();
  if (requested_bytes != 0 && numbers.requested_bytes != requested_bytes) {
    violated(fmt::format("S4: {} bytes were asked for, and the error says {}", requested_bytes,
                         numbers.requested_bytes));
  }
  const auto room = side.room_bytes();
  const Moment now = moment();
  // Limits that changed meanwhile say nothing of the error.
  const bool settled = now.limits == before.limits;
  if (room && settled) {
    const auto limits = now.limits.value_or(SystemSide::Limits{*room, *room});
    if (numbers.soft_limit_bytes != limits.soft_bytes ||
        numbers.hard_limit_bytes != limits.hard_bytes) {
      violated(fmt::format("S4: the limit is {} (hard {}), and the error says {} (hard {})",
                           limits.soft_bytes, limits.hard_bytes, numbers.soft_limit_bytes,
                           numbers.hard_limit_bytes));
    }
  }
  if (numbers.sufficient_limit_bytes != 0 &&
      numbers.sufficient_limit_bytes < numbers.requested_bytes + numbers.locked_bytes / 2) {
    violated(fmt::format("S4: a limit of {} is named for {} bytes more",
                         numbers.sufficient_limit_bytes, numbers.requested_bytes));
  }
  const bool room_was_whole = settled && now.phase == before.phase && now.phase % 2 == 1 &&
                              (!now.limits || (room && now.limits->soft_bytes >= *room));
  if (room_was_whole)
    violated(fmt::format("S5: no room, though nothing is squeezed: {}", failure.what()));
}

}  // namespace coffer::tools::stress
