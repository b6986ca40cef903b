// Whole-store rollbacks, cuts and clones against an anchor: refused, and honest histories are not.
#include "tests/campaign/tamper/attacks.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"

namespace coffer::campaign::tamper {

namespace {

struct Rollback {
  const Moment* files = nullptr;
  const Moment* anchor = nullptr;
  bool honest = false;  ///< the history of the files passes through the anchor
};

Rollback any_rollback(const Loot& loot, std::mt19937_64& rng) {
  const auto& own = loot.own;
  const auto& clone = loot.clone;
  switch (rng() % 4) {
    case 0: {  // an older state of the whole store
      const std::size_t anchor = 1 + rng() % (own.size() - 1);
      return {&own[rng() % anchor], &own[anchor], false};
    }
    case 1: {  // a clone that went another way, and perhaps further
      const std::size_t anchor = Loot::kCloned + 1 + rng() % (own.size() - Loot::kCloned - 1);
      return {&clone[1 + rng() % (clone.size() - 1)], &own[anchor], false};
    }
    case 2: {  // the same, the other way round
      const std::size_t files = Loot::kCloned + 1 + rng() % (own.size() - Loot::kCloned - 1);
      return {&own[files], &clone[1 + rng() % (clone.size() - 1)], false};
    }
    default: {  // what is honest: the same state or a later one, before and after they parted
      const std::size_t anchor = rng() % own.size();
      if (anchor <= Loot::kCloned && rng() % 2 == 0) {
        return {&clone[rng() % clone.size()], &own[anchor], true};
      }
      return {&own[anchor + rng() % (own.size() - anchor)], &own[anchor], true};
    }
  }
}

}  // namespace

void run_rollbacks(GateRun& run) {
  const Loot loot = gather(run.seed());
  each_case(run, "tamper-rollbacks", run.cases(), [&](std::uint64_t i) -> std::string {
    std::mt19937_64 rng(seed_of(run, i));
    const Rollback rollback = any_rollback(loot, rng);
    const auto machine = machine_with(rollback.files->files, i);
    Options options = small_options(rng() % 2 == 0);
    options.anchor = rollback.anchor->anchor;
    const Heard heard = hear(*machine, &loot.key, options);
    std::string wrong;
    if (heard.took > kLongest) wrong = "it took longer than a second";
    if (rollback.honest) {
      if (!heard.opened()) wrong = "an honest history was refused: " + heard.text;
      if (heard.opened() && heard.contents != rollback.files->contents) wrong = "another state";
    } else if (heard.error != "Conflict") {
      wrong = heard.opened() ? "a rollback was not seen" : "refused as " + heard.error;
    }
    if (wrong.empty()) return wrong;
    return "anchor of commit " + std::to_string(rollback.anchor->commit) + ", files of commit " +
           std::to_string(rollback.files->commit) + ": " + wrong;
  });
}

}  // namespace coffer::campaign::tamper
