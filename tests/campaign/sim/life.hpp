// One life of a simulated program: a plan carried out on a machine under a scheduler, with faults, to its end or to
// its being killed.  Everything in it follows from the plan, the faults and the machine.
#pragma once

#include <array>

#include "tests/campaign/sim/injection.hpp"
#include "tests/campaign/sim/world.hpp"

namespace coffer::campaign::sim {

struct Life {
  Plan plan;
  std::vector<Fault> faults = {};
  std::uint64_t kill_at_call = UINT64_MAX;
  bool create = true;   ///< the store, before opening it
  bool threads = true;  ///< tasks interleaved; without, one behind the other
};

struct Lived {
  std::optional<std::string> violation;
  std::uint64_t trace = 0;
  std::uint64_t switches = 0;
  std::uint64_t injected = 0;
  bool killed = false;
  std::array<std::uint64_t, kFaultKinds.size()> calls{};  ///< that could have failed, by kind
};

[[nodiscard]] Lived live(platform::SimulatedPlatform& machine, History& history, const Life& life);

/// Of the contents of all files below the root.
[[nodiscard]] std::uint64_t hash_of_files(platform::SimulatedPlatform& machine);

}  // namespace coffer::campaign::sim
