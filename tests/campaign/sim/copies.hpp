// Backups in files and stores restored from them, in a simulated program.
#pragma once

#include "tests/campaign/sim/history.hpp"
#include "tests/campaign/sim/world.hpp"

namespace coffer::campaign::sim {

/// Makes the store `path` of what a backup holds; the commit that this shows.
std::uint64_t restore_copy(platform::Platform& platform, const Copy& backup,
                           const std::string& path);
/// Raises Violated unless the store `path` has what that commit had.
void require_restored(platform::Platform& platform, const std::string& path, const History& history,
                      std::uint64_t commit);

/// What a crash at `step` has left of every backup and every restored store: all of one that was done, all or nothing
/// of another.  `lot` decides which of those that had been done for long are read; the others are all.  In words,
/// what is wrong.
[[nodiscard]] std::optional<std::string> judge_copies(platform::SimulatedPlatform& machine,
                                                      const History& history, std::uint64_t step,
                                                      std::uint64_t lot);

}  // namespace coffer::campaign::sim
