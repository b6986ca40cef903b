// The gate `nested-crashes`: the power goes again while a store recovers, and again while it recovers from that.
//
// A crash leaves a disk; the recovery from it is recorded, and cut after each of its steps; each of these is judged,
// and its own recovery cut as well.  Once a recovery is over its result has been shown to a user, and a later
// recovery may find nothing else.
#include <fmt/format.h>

#include <atomic>

#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/life.hpp"
#include "tests/campaign/sim/words.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::kCutOutcomes;
using platform::SimulatedPlatform;

constexpr Shape kNestedShape{.writers = 2, .others = 1, .actions_each = 10, .snapshots = false};
constexpr std::uint64_t kCrashesOfAProgram = 40;
constexpr std::size_t kDepth = 3;

struct Cut {
  std::uint64_t step = 0;
  std::uint64_t lot = 0;
};

std::unique_ptr<SimulatedPlatform> cut(const SimulatedPlatform& machine, const Cut& at) {
  return machine.cut_at(at.step, kCutOutcomes[at.lot % kCutOutcomes.size()], at.lot);
}

/// A store's recovery, recorded.
struct Recovery {
  std::uint64_t opened_at = History::kNever;  ///< the step by which the store was open
  std::optional<std::uint64_t> commit;
};

/// A program's crashes, one inside the other.
class Crashes {
 public:
  Crashes(std::uint64_t seed, const History& history) : seed_(seed), history_(history) {}

  /// Judges what `cuts` lead to: each is of the recovery from the one before.  Then, unless that is deep enough,
  /// goes on with the cuts inside this recovery: all of them or, from the second on, a few.
  template <class Judged>
  bool judge_below(SimulatedPlatform& machine, std::vector<Cut>& cuts,
                   std::optional<std::uint64_t> must_be, Judged&& judged) {
    machine.record(true);
    const std::uint64_t first = cuts.front().step;
    Verdict verdict = judge(machine, history_, first,
                            {.with_anchor = cuts.back().lot % 4 == 0,
                             .check = cuts.back().lot % 2 == 0,
                             .go_on = cuts.size() == kDepth && cuts.back().lot % 8 == 1});
    if (!verdict.violation && must_be && verdict.commit != must_be) {
      verdict.violation = fmt::format("a recovery showed commit {}, and the one after it {}",
                                      *must_be, verdict.commit.value_or(0));
    }
    if (!judged(cuts, verdict)) return false;
    if (verdict.violation || cuts.size() == kDepth) return true;
    const std::uint64_t steps = machine.steps();
    const std::uint64_t stride = cuts.size() == 1 ? 1 : 1 + steps / 4;
    for (std::uint64_t step = cuts.size() == 1 ? 0 : cuts.back().lot % stride; step <= steps;
         step += stride) {
      const Cut inner{step, mixed(seed_, mixed(cuts.back().lot, step))};
      const auto after = cut(machine, inner);
      cuts.push_back(inner);
      // The last step is the end of the closing: by then the store was open.
      const auto fixed = step == steps ? verdict.commit : std::nullopt;
      const bool more = judge_below(*after, cuts, fixed ? fixed : must_be, judged);
      cuts.pop_back();
      if (!more) return false;
    }
    return true;
  }

 private:
  const std::uint64_t seed_;
  const History& history_;
};

std::string words_of(std::uint64_t seed, const std::vector<Cut>& cuts) {
  std::string words = fmt::format("seed={}", seed);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    words += fmt::format(" step{0}={1} lot{0}={2}", i + 1, cuts[i].step, cuts[i].lot);
  }
  return fmt::format("nested-crashes --replay '{}'", words);
}

struct Program {
  std::unique_ptr<SimulatedPlatform> machine;
  History history;
  std::uint64_t created_at = 0;
  Lived lived;
};

Program simulate(std::uint64_t seed) {
  Program program;
  program.machine = SimulatedPlatform::make(seed);
  program.machine->record(true);
  create_store(*program.machine);
  program.created_at = program.machine->steps();
  program.lived = live(*program.machine, program.history,
                       {.plan = make_plan(seed, kNestedShape), .create = false});
  return program;
}

/// The same cuts again, one inside the other, judged at each depth.
void replay_crashes(GateRun& run) {
  const Words words(run.replay());
  const std::uint64_t seed = words.number("seed");
  const Program program = simulate(seed);
  run.ran(1, 1);
  std::vector<Cut> cuts;
  std::unique_ptr<SimulatedPlatform> machine;
  std::optional<std::string> violation = program.lived.violation;
  for (std::size_t i = 1; i <= kDepth && !violation; ++i) {
    if (words.text(fmt::format("lot{}", i)).empty()) break;
    cuts.push_back({words.number(fmt::format("step{}", i)), words.number(fmt::format("lot{}", i))});
    machine = cut(machine ? *machine : *program.machine, cuts.back());
    machine->record(true);
    violation =
        judge(*machine, program.history, cuts.front().step, {.with_anchor = true}).violation;
  }
  if (violation) run.violated(*violation, words_of(seed, cuts));
}

}  // namespace

void nested_crashes(GateRun& run) {
  if (!run.replay().empty()) return replay_crashes(run);
  std::atomic<std::uint64_t> programs{0};
  std::atomic<std::uint64_t> cases{0};
  std::atomic<std::uint64_t> deepest{0};
  in_two_threads(run, [&](unsigned) {
    while (cases < run.cases() && !run.stop()) {
      const std::uint64_t seed = mixed(run.seed(), programs++);
      const Program program = simulate(seed);
      if (program.lived.violation) {
        run.violated(*program.lived.violation, words_of(seed, {}));
        continue;
      }
      Random random(seed);
      Crashes crashes(seed, program.history);
      bool more = true;
      for (std::uint64_t i = 0; i < kCrashesOfAProgram && more; ++i) {
        const std::uint64_t steps = program.machine->steps() - program.created_at;
        std::vector<Cut> cuts{{program.created_at + random.below(steps + 1), random()}};
        const auto machine = cut(*program.machine, cuts.front());
        more = crashes.judge_below(
            *machine, cuts, std::nullopt, [&](const auto& at, const Verdict& verdict) {
              if (at.size() > 1) {  // the first is no crash inside a recovery
                ++cases;
                run.ran(1, at.size());
                if (at.size() == kDepth) ++deepest;
              }
              if (verdict.violation) run.violated(*verdict.violation, words_of(seed, at));
              return !verdict.violation && cases < run.cases() && !run.stop();
            });
      }
    }
  });
  run.note(fmt::format("{} programs, {} at depth {}", programs.load(), deepest.load(), kDepth));
}

}  // namespace coffer::campaign::sim
