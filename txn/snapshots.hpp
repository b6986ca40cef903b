// Who reads what: the live snapshots, and which versions they still need.
//
// Rule V (reclaim by interval): a version born at commit b whose successor was born at w is needed as long
// as a live snapshot s has b <= s < w, or w lies beyond the durable point (a new snapshot may still begin
// below it).  Nothing else keeps it.  `Horizon::needs` is that rule, and the only place where it stands.
// Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include <coffer/statistics.hpp>

#include "platform/platform.hpp"
#include "platform/strong.hpp"

namespace coffer::txn {

/// The live snapshots and the durable point at one moment.
struct Horizon {
  std::vector<CommitNumber> live;  ///< ascending
  CommitNumber durable{};

  /// Rule V.
  [[nodiscard]] bool needs(CommitNumber born, CommitNumber successor) const;
};

class Snapshots {
 public:
  explicit Snapshots(platform::Clock& clock) : clock_(&clock) {}

  struct Ticket {
    std::uint32_t index = 0;
    CommitNumber commit{};
  };
  /// Begins a snapshot at `commit`'s value, read under the lock that reclaiming takes: so either the
  /// reclaimer sees the snapshot, or the snapshot begins at or beyond what the reclaimer took for durable.
  /// `shown` false: the engine's own, which is no reader to tell anybody about.
  [[nodiscard]] Ticket begin(const std::atomic<std::uint64_t>& commit, bool shown = true);
  void end(const Ticket& ticket) noexcept;

  [[nodiscard]] Horizon horizon(const std::atomic<std::uint64_t>& durable) const;
  [[nodiscard]] std::vector<ReaderInfo> readers() const;
  [[nodiscard]] std::size_t count() const;

 private:
  struct Entry {
    bool live = false;
    bool shown = true;
    CommitNumber commit{};
    std::chrono::nanoseconds begun{};
  };
  platform::Clock* clock_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

}  // namespace coffer::txn
