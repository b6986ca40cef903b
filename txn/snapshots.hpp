// Who reads what: the live snapshots, and which versions they still need.
//
// Rule V (reclaim by interval): a version born at commit b whose successor was born at w is needed as long
// as a live snapshot s has b <= s < w, or w lies beyond the durable point (a new snapshot may still begin
// below it).  Nothing else keeps it.  `Horizon::needs` is that rule, and the only place where it stands.
//
// Rule VM, for ciphertext that is in memory only: of the versions beyond the durable point those are needed
// that a new snapshot can begin at.  That is the durable point, the one that a sync under way will make it,
// the commit that was the latest, and what comes later: a sync takes for its target what is the latest when
// it begins, under the publish lock.  What lies in between is passed over, so that relaxed commits to one
// page do not pile up.  A slot is not given back so early: rule V alone decides there.
//
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

/// Where snapshots are, and where new ones can begin, at one moment.
struct Horizon {
  std::vector<CommitNumber>
      points;  ///< ascending: live snapshots and, for rule VM, beginnings below `latest`
  CommitNumber durable{};
  CommitNumber latest{};  ///< any commit from this one on may become the durable point

  /// Rule V.
  [[nodiscard]] bool needs(CommitNumber born, CommitNumber successor) const;
  /// Rule VM.
  [[nodiscard]] bool needs_in_memory(CommitNumber born, CommitNumber successor) const;

 private:
  [[nodiscard]] bool point_in(CommitNumber born, CommitNumber successor) const;
};

/// What a horizon is taken from, besides the snapshots.
struct Reach {
  const std::atomic<std::uint64_t>& durable;
  const std::atomic<std::uint64_t>& sync_target;  ///< of the sync under way; 0: none
  const std::atomic<std::uint64_t>& latest;
  CommitNumber next{};  ///< about to be published, under the publish lock; 0: no such commit
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

  [[nodiscard]] Horizon horizon(const Reach& reach) const;
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
