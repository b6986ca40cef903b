// The gate `seeds`: whole simulated histories of a machine, each run twice.
//
// A seed decides a few lives of a program on one machine: what its tasks do and how they are interleaved, which
// calls fail, when the process is killed, what the power cut after it leaves, how the clocks move.  Each life is
// judged by the history, which goes on over all of them.  The second run must leave the same trace (every call of the
// machine, every choice of a task, every result, every byte of the files), and so must any other machine.
#include <fmt/format.h>

#include <atomic>

#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/life.hpp"
#include "tests/campaign/sim/scheduler.hpp"
#include "tests/campaign/sim/words.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::kCutOutcomes;
using platform::SimulatedPlatform;

constexpr std::uint64_t kLives = 3;
/// Through all lives, at most.
constexpr std::size_t kActionsMax = kLives * 6 * 12;

/// What a seed is reduced to when it is minimised.
struct Reduction {
  std::vector<bool> kept;  ///< actions, through all lives; empty: all
  bool faults = true;
  std::uint64_t lives = kLives;
};

struct Told {
  std::optional<std::string> violation;
  std::uint64_t trace = 0;
  std::uint64_t faults = 0;
  std::uint64_t switches = 0;
};

Shape shape_of(Random& random) {
  return {.writers = 1 + random.below(3),
          .others = random.below(4),
          .actions_each = 4 + random.below(8),
          .snapshots = true};
}

std::vector<Fault> some_faults(Random& random) {
  constexpr std::array kKinds = {FaultKind::io_error, FaultKind::again, FaultKind::no_space,
                                 FaultKind::failed_sync, FaultKind::lock};
  std::vector<Fault> faults;
  for (std::uint64_t n = random.one_in(2) ? random.below(4) : 0; n > 0; --n) {
    const FaultKind kind = kKinds[random.below(kKinds.size())];
    faults.push_back({.kind = kind,
                      .index = random.below(kind == FaultKind::failed_sync ? 60 : 400),
                      .sticky = random.one_in(6)});
  }
  return faults;
}

/// The part of `kept` that belongs to the next `count` actions.
std::vector<bool> take(const std::vector<bool>& kept, std::size_t& place, std::size_t count) {
  if (kept.empty()) return {};
  std::vector<bool> part(count, false);
  for (std::size_t i = 0; i < count && place + i < kept.size(); ++i) part[i] = kept[place + i];
  place += count;
  return part;
}

Told tell(std::uint64_t seed, const Reduction& reduction) {
  Told told;
  Trace trace;
  Random random(seed);
  auto machine = SimulatedPlatform::make(seed);
  History history;
  std::size_t place = 0;
  create_store(*machine);
  for (std::uint64_t n = 0; n < reduction.lives && !told.violation; ++n) {
    machine->record(true);
    const std::uint64_t born_at = machine->steps();
    const Plan plan = make_plan(random(), shape_of(random));
    Life life{.plan = kept_of(plan, take(reduction.kept, place, plan.actions())),
              .faults = some_faults(random),
              .create = false};
    if (random.one_in(2)) life.kill_at_call = random.below(1200);
    if (!reduction.faults) life.faults.clear();
    if (random.one_in(4)) machine->set_wall_back(std::chrono::seconds(random.below(100'000)));
    const Lived lived = live(*machine, history, life);
    trace.add(lived.trace);
    told.faults += lived.injected + (lived.killed ? 1 : 0);
    told.switches += lived.switches;
    told.violation = lived.violation;
    if (told.violation) break;
    // The power goes at the end of this life, or at some moment of it.
    const std::uint64_t step = random.one_in(2)
                                   ? machine->steps()
                                   : born_at + random.below(machine->steps() - born_at + 1);
    auto after = machine->cut_at(step, kCutOutcomes[random.below(kCutOutcomes.size())], random());
    ++told.faults;
    const Verdict verdict = judge(*after, history, step, {.with_anchor = true});
    told.violation = verdict.violation;
    if (!verdict.commit) break;
    trace.add(*verdict.commit);
    trace.add(hash_of_files(*after));
    history.recovered(*verdict.commit);
    machine = std::move(after);
  }
  told.trace = trace.hash();
  return told;
}

std::string words_of(std::uint64_t seed, const Reduction& reduction) {
  return fmt::format("seeds --replay 'seed={} lives={} faults={}{}'", seed, reduction.lives,
                     reduction.faults ? 1 : 0,
                     reduction.kept.empty() ? "" : " kept=" + text_of(reduction.kept));
}

/// Fewer lives, no faults, fewer actions, as long as there is a violation.
void report(GateRun& run, std::uint64_t seed, const Told& told) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::seconds(20);
  Reduction reduction;
  std::string what = *told.violation;
  const auto still = [&](const Reduction& smaller) {
    const Told again = tell(seed, smaller);
    if (!again.violation) return false;
    what = *again.violation;
    reduction = smaller;
    return true;
  };
  for (std::uint64_t lives = 1; lives < kLives; ++lives) {
    if (still({.kept = {}, .faults = true, .lives = lives})) break;
  }
  Reduction smaller = reduction;
  smaller.faults = false;
  still(smaller);
  smaller = reduction;
  smaller.kept.assign(kActionsMax, true);
  for (std::size_t i = smaller.kept.size(); i-- > 0 && Clock::now() < until;) {
    smaller.kept[i] = false;
    if (!still(smaller)) smaller.kept[i] = true;
  }
  run.violated(what, words_of(seed, reduction));
}

void replay_seed(GateRun& run) {
  const Words words(run.replay());
  const Reduction reduction{.kept = bits_of(words.text("kept")),
                            .faults = words.number("faults", 1) != 0,
                            .lives = words.number("lives", kLives)};
  const std::uint64_t seed = words.number("seed");
  const Told first = tell(seed, reduction);
  const Told second = tell(seed, reduction);
  run.ran(1, first.faults);
  run.note(fmt::format("trace {:016x}", first.trace));
  if (first.violation) run.violated(*first.violation, words_of(seed, reduction));
  if (first.trace != second.trace) {
    run.violated(fmt::format("traces {:016x} and {:016x}", first.trace, second.trace),
                 words_of(seed, reduction));
  }
}

}  // namespace

void seeds_twice(GateRun& run) {
  if (!Scheduler::available()) return run.skip("a sanitizer has its own threads");
  if (!run.replay().empty()) return replay_seed(run);
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> switches{0};
  std::atomic<std::uint64_t> all_traces{0};
  in_two_threads(run, [&](unsigned) {
    for (std::uint64_t n = next++; n < run.cases() && !run.stop(); n = next++) {
      const std::uint64_t seed = mixed(run.seed(), n);
      const Told first = tell(seed, {});
      const Told second = tell(seed, {});
      run.ran(1, first.faults);
      switches += first.switches;
      all_traces ^= mixed(first.trace, n);
      if (first.violation) report(run, seed, first);
      if (first.trace != second.trace || first.violation != second.violation) {
        run.violated(fmt::format("two runs of one seed left the traces {:016x} and {:016x}",
                                 first.trace, second.trace),
                     words_of(seed, {}));
      }
    }
  });
  run.note(
      fmt::format("{} switches of tasks, all traces {:016x}", switches.load(), all_traces.load()));
}

}  // namespace coffer::campaign::sim
