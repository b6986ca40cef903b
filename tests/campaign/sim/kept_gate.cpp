// The gate `kept-cases`: small cases that once were violations, run again each time.
//
// They are kept as their gates' replays, which mean something only as long as the same seed makes the same program:
// whoever changes what a seed decides (plan.cpp, state.cpp, the scheduler) finds new ones with the fault named beside
// each planted again.
#include <array>

#include "tests/campaign/sim/gates.hpp"

namespace coffer::campaign::sim {

namespace {

struct Kept {
  void (*gate)(GateRun&);
  std::string_view name;
  std::string_view words;
};

constexpr std::array kKeptCases = {
    // A commit acknowledged, and nothing synced.
    Kept{crash_images, "crash-images",
         "seed=583880340377267059 step=40 lot=1160757638050510327 lands=11 torn=1 piece=512 "
         "kept=01"},
    // The directory not synced that names a new segment of the journal.
    Kept{crash_images, "crash-images",
         "seed=583880340377267059 step=40 lot=8153609256194659419 lands=0 kept=01"},
    // A superblock that names pages which are not synced.
    Kept{crash_images, "crash-images",
         "seed=15916886550466581944 step=43 lot=14646410391944682404 lands=0001 kept=1"},
    Kept{seeds_twice, "seeds",
         "seed=153563183858708247 lives=3 faults=0 "
         "kept=00000000000000000000000000000000000000000000000001"},
    // Both copies of the superblock under way at the same time.
    Kept{crash_images, "crash-images",
         "seed=7267534899053666369 step=23 lot=4020920460697644058 garbage=1 kept=1"},
    // A commit that refers to slots which are not synced.
    Kept{crash_images, "crash-images",
         "seed=15916886550466581944 step=62 lot=2910788723826478273 lands=01 kept=11111111101001"},
    // Durable to others before the sync is over.
    Kept{faults_by_index, "faults", "seed=583880340377267059 kind=again index=62 sticky=0"},
    // A close that said nothing of relaxed commits which a failed sync had kept from the disk: no planted fault.
    Kept{faults_by_index, "faults", "seed=15518016787101777525 kind=failed-sync index=16 sticky=0"},
};

/// The run of a kept case within the gate's.
class KeptRun final : public GateRun {
 public:
  KeptRun(GateRun& run, const Kept& kept) : run_(run), kept_(kept) {}
  std::uint64_t seed() const override { return run_.seed(); }
  std::uint64_t cases() const override { return 1; }
  bool stop() const override { return run_.stop(); }
  void ran(std::uint64_t count, std::uint64_t faults) override { run_.ran(count, faults); }
  void violated(std::string what, std::string) override {
    run_.violated(std::move(what),
                  std::string(kept_.name) + " --replay '" + std::string(kept_.words) + "'");
  }
  void skip(std::string reason) override { run_.skip(std::move(reason)); }
  void note(std::string) override {}
  std::string_view replay() const override { return kept_.words; }

 private:
  GateRun& run_;
  const Kept& kept_;
};

}  // namespace

std::uint64_t kept_cases_count() {
  return kKeptCases.size();
}

void kept_cases(GateRun& run) {
  for (const Kept& kept : kKeptCases) {
    KeptRun one(run, kept);
    kept.gate(one);
  }
}

}  // namespace coffer::campaign::sim
