// Which backups may leave, and in which order.
//
// Invariants
//   T1  A set leaves whole, when its newest link is older than asked and enough sets of its store are newer.
//   T2  Of each store that has a set without trouble, at least one such set stays.
//   T3  What cannot be told for sure stays, and is no reason for anything else to leave.
//   T4  At every moment, also after a power cut, each increment that is left has its whole chain.
#pragma once

#include <vector>

#include <coffer/backup.hpp>

#include "platform/platform.hpp"

namespace coffer::backup {

/// Which of these (as find_troubles leaves them) leave, as indices in the order of leaving.
[[nodiscard]] std::vector<std::size_t> leaving(const std::vector<BackupFile>& backups,
                                               const PruneOptions& options,
                                               std::chrono::nanoseconds now);

/// prune_backups on any platform.
[[nodiscard]] PruneReport prune_in(platform::Platform& platform, const platform::Path& directory,
                                   const PruneOptions& options);

}  // namespace coffer::backup
