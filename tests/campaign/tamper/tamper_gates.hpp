// The gates of this folder, one source each.
#pragma once

#include <charconv>
#include <exception>
#include <string>
#include <string_view>

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::tamper {

void run_bit_flips(GateRun& run);         ///< bit_flips.cpp
void run_structured(GateRun& run);        ///< structured.cpp
void run_replays(GateRun& run);           ///< replays.cpp
void run_backups(GateRun& run);           ///< backup_attacks.cpp
void run_rollbacks(GateRun& run);         ///< rollbacks.cpp
void run_envelopes(GateRun& run);         ///< envelopes.cpp
void run_bindings(GateRun& run);          ///< bindings.cpp
void run_residues(GateRun& run);          ///< residues.cpp
void run_hostile_journals(GateRun& run);  ///< hostile_journals.cpp
void run_nonces(GateRun& run);            ///< nonces.cpp
void run_held_slots(GateRun& run);        ///< held_slots.cpp
void run_kill_cuts(GateRun& run);         ///< kill_cuts.cpp

/// Runs cases 0 to `count`, or the one that is to be replayed.  `one` says what is wrong with a case; nothing: nothing.
template <class One>
void each_case(GateRun& run, std::string_view gate, std::uint64_t count, const One& one) {
  std::uint64_t first = 0;
  if (const std::string_view replay = run.replay(); !replay.empty()) {
    std::from_chars(replay.data(), replay.data() + replay.size(), first);
    count = first + 1;
  }
  for (std::uint64_t i = first; i < count && !run.stop(); ++i) {
    std::string wrong;
    try {
      wrong = one(i);
    } catch (const std::exception& e) {
      wrong = std::string("it ended with an exception: ") + e.what();
    }
    run.ran(1, 1);
    if (wrong.empty()) continue;
    run.violated("case " + std::to_string(i) + ": " + wrong, std::string(gate) + " --seed " +
                                                                 std::to_string(run.seed()) +
                                                                 " --replay " + std::to_string(i));
  }
}

/// What is random in a case.
[[nodiscard]] inline std::uint64_t seed_of(const GateRun& run, std::uint64_t i) {
  return run.seed() * 1'000'003 + i;
}

}  // namespace coffer::campaign::tamper
