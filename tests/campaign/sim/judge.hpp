// Whether what is left of a store after a crash is what the history promises.
#pragma once

#include <optional>
#include <string>

#include "tests/campaign/sim/world.hpp"

namespace coffer::campaign::sim {

struct Judging {
  Expected expected = Expected::nothing;
  bool with_anchor = false;  ///< the newest that was handed out must be passed through
  bool check = true;         ///< structure and tags of the whole store
  bool go_on = false;        ///< one more commit, and a reopening that shows it
};

struct Verdict {
  std::optional<std::string> violation;
  std::optional<std::uint64_t> commit;  ///< that was found, when the store could be opened
};

/// Opens the store, as a new process would after a crash at `step`, and closes it.
[[nodiscard]] Verdict judge(platform::SimulatedPlatform& machine, const History& history,
                            std::uint64_t step, const Judging& judging);
/// The same of a store on any system; leaves out what must be given back.
[[nodiscard]] Verdict judge_store(const Scene& scene, const History& history, std::uint64_t step,
                                  const Judging& judging);
/// What must be given back when a store is closed: locked memory, files, mappings.
[[nodiscard]] std::optional<std::string> left_over(platform::SimulatedPlatform& machine);

}  // namespace coffer::campaign::sim
