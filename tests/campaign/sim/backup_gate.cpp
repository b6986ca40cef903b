// The gate `backup-crashes`: backups in files and stores restored from them, while the power goes or a call fails.
//
// A program commits and, beside that, makes snapshots, increments, logical backups and increments of those, and restores
// some of them.  It is simulated once and then cut at moments by lot, most of them inside a backup or a restore; and it is
// run again with a call that fails, by index, and cut at its end.  Whatever is then there under a name that was asked for
// is the whole of one commit, and what a call had reported is there.  Unfinished files have names of their own.
#include <fmt/format.h>

#include <array>
#include <atomic>

#include "tests/campaign/sim/copies.hpp"
#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/life.hpp"
#include "tests/campaign/sim/scheduler.hpp"
#include "tests/campaign/sim/words.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::CutOutcome;
using platform::kCutOutcomes;
using platform::SimulatedPlatform;

constexpr Shape kBackupShape{.writers = 1, .others = 1, .actions_each = 10, .backups = true};
constexpr std::uint64_t kCutsEach = 60;
constexpr std::uint64_t kFaultsEach = 20;
/// Failing allocations are the business of the gate `faults`: their index means nothing where there are threads.
constexpr std::array kBackupFaults = {FaultKind::io_error, FaultKind::again, FaultKind::no_space,
                                      FaultKind::failed_sync, FaultKind::lock};

Plan backup_plan(std::uint64_t seed) {
  Plan plan = make_plan(seed, kBackupShape);
  plan.sizes.changes_max = 12;
  return plan;
}

struct BackupCut {
  std::uint64_t step = 0;
  std::uint64_t lot = 0;
};

std::string words_of(std::uint64_t seed, const BackupCut& cut) {
  return fmt::format("backup-crashes --replay 'seed={} step={} lot={}'", seed, cut.step, cut.lot);
}
std::string words_of(std::uint64_t seed, const Fault& fault) {
  return fmt::format("backup-crashes --replay 'seed={} kind={} index={} sticky={}'", seed,
                     name_of(fault.kind), fault.index, fault.sticky ? 1 : 0);
}

std::optional<std::string> judge_all(const SimulatedPlatform& machine, const History& history,
                                     const BackupCut& cut, CutOutcome outcome) {
  const auto after = machine.cut_at(cut.step, outcome, cut.lot);
  auto violation = judge_copies(*after, history, cut.step, cut.lot >> 8);
  // The store itself is what other gates look at.
  if (!violation && cut.lot % 4 == 0) {
    violation = judge(*after, history, cut.step, {.with_anchor = true}).violation;
  }
  return violation;
}

std::optional<std::string> try_cut(const Recording& program, const BackupCut& cut) {
  return judge_all(*program.machine, program.history, cut,
                   kCutOutcomes[cut.lot % kCutOutcomes.size()]);
}

/// Two of three inside of what makes a copy or just behind it.
BackupCut any_cut(const Recording& program, Random& random) {
  const auto& copies = program.history.copies();
  std::uint64_t from = program.created_at;
  std::uint64_t upto = program.machine->steps();
  if (!copies.empty() && !random.one_in(3)) {
    const Copy& copy = copies[random.below(copies.size())];
    from = copy.begun_at;
    upto = std::min(copy.done_at + 2, upto);
  }
  return {.step = from + random.below(upto - from + 1), .lot = random()};
}

struct Failed {
  std::optional<std::string> violation;
  std::uint64_t injected = 0;
};

Failed try_fault(std::uint64_t seed, const Fault& fault) {
  const auto machine = SimulatedPlatform::make(seed);
  machine->record(true);
  create_store(*machine);
  History history;
  const Lived lived =
      live(*machine, history, {.plan = backup_plan(seed), .faults = {fault}, .create = false});
  Failed failed{lived.violation, lived.injected};
  for (const CutOutcome outcome : {CutOutcome::everything_lands, CutOutcome::random_sectors}) {
    if (failed.violation) break;
    failed.violation =
        judge_all(*machine, history, {machine->steps(), mixed(seed, fault.index)}, outcome);
  }
  return failed;
}

Fault any_fault(const Recording& program, Random& random) {
  const FaultKind kind = kBackupFaults[random.below(kBackupFaults.size())];
  const std::uint64_t count = program.lived.calls[static_cast<std::size_t>(kind)];
  return {.kind = kind,
          .index = random.below(std::max<std::uint64_t>(1, count)),
          .sticky = random.one_in(2)};
}

void replay_backups(GateRun& run) {
  const Words words(run.replay());
  const std::uint64_t seed = words.number("seed");
  if (words.text("kind").empty()) {
    const BackupCut cut{words.number("step"), words.number("lot")};
    const Recording program = record(backup_plan(seed));
    run.ran(1, 1);
    const auto violation =
        program.lived.violation ? program.lived.violation : try_cut(program, cut);
    if (violation) run.violated(*violation, words_of(seed, cut));
    return;
  }
  for (const FaultKind kind : kBackupFaults) {
    if (words.text("kind") != name_of(kind)) continue;
    const Fault fault{kind, words.number("index"), words.number("sticky") != 0};
    const Failed failed = try_fault(seed, fault);
    run.ran(1, failed.injected);
    if (failed.violation) run.violated(*failed.violation, words_of(seed, fault));
  }
}

struct BackupTally {
  std::atomic<std::uint64_t> programs{0};
  std::atomic<std::uint64_t> cases{0};
  std::atomic<std::uint64_t> backups{0};
  std::atomic<std::uint64_t> stores{0};
};

void one_program(GateRun& run, std::uint64_t seed, BackupTally& tally) {
  const auto more = [&] { return tally.cases < run.cases() && !run.stop(); };
  const Recording program = record(backup_plan(seed));
  if (program.lived.violation)
    return run.violated(*program.lived.violation, words_of(seed, {0, 0}));
  for (const Copy& copy : program.history.copies()) {
    ++(copy.chain.empty() ? tally.stores : tally.backups);
  }
  Random random(seed);
  for (std::uint64_t i = 0; i < kCutsEach && more(); ++i) {
    const BackupCut cut = any_cut(program, random);
    const CurrentCase current([&] { return words_of(seed, cut); });
    const auto violation = try_cut(program, cut);
    ++tally.cases;
    run.ran(1, 1);
    if (violation) run.violated(*violation, words_of(seed, cut));
  }
  for (std::uint64_t i = 0; i < kFaultsEach && more(); ++i) {
    const Fault fault = any_fault(program, random);
    const CurrentCase current([&] { return words_of(seed, fault); });
    const Failed failed = try_fault(seed, fault);
    ++tally.cases;
    run.ran(1, failed.injected);
    if (failed.violation) run.violated(*failed.violation, words_of(seed, fault));
  }
}

}  // namespace

void backup_crashes(GateRun& run) {
  if (!Scheduler::available()) return run.skip("a sanitizer has its own threads");
  if (!run.replay().empty()) return replay_backups(run);
  BackupTally tally;
  in_two_threads(run, [&](unsigned) {
    while (tally.cases < run.cases() && !run.stop()) {
      one_program(run, mixed(run.seed(), tally.programs++), tally);
    }
  });
  run.note(fmt::format("{} programs with {} backups and {} restores", tally.programs.load(),
                       tally.backups.load(), tally.stores.load()));
}

}  // namespace coffer::campaign::sim
