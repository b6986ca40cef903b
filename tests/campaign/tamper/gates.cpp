#include "tests/campaign/gate.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"

namespace coffer::campaign {

std::vector<Gate> tamper_gates() {
  return {
      {"tamper-bits", "single bits", 4'500'000, tamper::run_bit_flips, 450},
      {"tamper-structured", "attacks on files", 100'000, tamper::run_structured, 88},
      {"tamper-backups", "attacks on backups", 20'000, tamper::run_backups, 17},
      {"tamper-replays", "pages, records, links replayed", 10'000, tamper::run_replays, 14},
      {"tamper-rollbacks", "rollbacks against an anchor", 1'000, tamper::run_rollbacks, 7},
      {"tamper-bindings", "units in a wrong place", 1'000'000, tamper::run_bindings, 4},
      {"tamper-envelopes", "key headers made to measure", 20'000, tamper::run_envelopes, 19},
      {"plaintext-residues", "stores whose memory is searched", 5'000, tamper::run_residues, 22},
      {"hostile-journals", "records that cannot be", 20'000, tamper::run_hostile_journals, 5},
      {"disk-nonces", "lives", 200, tamper::run_nonces, 15},
      {"held-slots", "lives of slots", 3'000, tamper::run_held_slots, 190},
      {"kill-then-cut", "cuts after a kill and a reopening", 50'000, tamper::run_kill_cuts, 44},
  };
}

}  // namespace coffer::campaign
