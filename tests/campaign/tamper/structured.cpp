// Structured attacks on a store's files, one kind after the other.
#include "tests/campaign/tamper/attacks.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"

namespace coffer::campaign::tamper {

void run_structured(GateRun& run) {
  const Loot loot = gather(run.seed());
  const auto& kinds = attacks();
  each_case(run, "tamper-structured", run.cases(), [&](std::uint64_t i) -> std::string {
    const Attack& attack = kinds[i % kinds.size()];
    std::mt19937_64 rng(seed_of(run, i));
    const Attacked attacked = attack.make(loot, rng);
    const auto machine = machine_with(attacked.files, i);
    // Most look only; those that may write must not make something genuine of it.
    const bool read_only = rng() % 4 != 0;
    std::string wrong = verdict(attacked, hear(*machine, &loot.key, small_options(read_only)));
    if (wrong.empty() && !read_only) {
      wrong = verdict(attacked, hear(*machine, &loot.key));
      if (!wrong.empty()) wrong = "opened for writing before, " + wrong;
    }
    return wrong.empty() ? "" : std::string(attack.name) + ": " + wrong;
  });
}

}  // namespace coffer::campaign::tamper
