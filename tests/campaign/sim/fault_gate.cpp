// The gate `faults`: each call that can fail does, once or from then on.
//
// A short program (it creates a store, works, closes it) is run without faults to count what could fail, and then
// once for each kind of fault, each index and {once, sticky}.  Afterwards the process is gone and the power too, in
// two ways, and the system is well again: what was acknowledged must be there.  What the disk itself does wrong
// (misdirected reads and writes, bit rot) may besides be refused as damage; it must never show as other contents.
//
// EINTR and short transfers do not exist behind the platform's interface, which repeats them: those are tried on the
// real system (transfer_faults.hpp), where nothing of them may show.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/life.hpp"
#include "tests/campaign/sim/scheduler.hpp"
#include "tests/campaign/sim/transfer_faults.hpp"
#include "tests/campaign/sim/words.hpp"
#include "tests/support/fail_allocations.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::CutOutcome;
using platform::SimulatedPlatform;

constexpr Shape kFaultShape{.writers = 1, .others = 1, .actions_each = 5, .snapshots = false};

struct Case {
  std::uint64_t seed = 0;
  Fault fault;
};

std::string words_of(const Case& c) {
  return fmt::format("faults --replay 'seed={} kind={} index={} sticky={}'", c.seed,
                     name_of(c.fault.kind), c.fault.index, c.fault.sticky ? 1 : 0);
}

/// In a program whose allocations fail there are no threads: the index then counts the same ones again.
bool is_threaded(FaultKind kind) {
  return kind != FaultKind::allocation;
}

Life life_of(std::uint64_t seed, FaultKind kind) {
  Life life{.plan = make_plan(seed, kFaultShape), .threads = is_threaded(kind)};
  life.plan.sizes = {.keys = 24, .changes_max = 4, .large_one_in = 20, .large_bytes = 3000};
  life.plan.checkpoint_journal_bytes = 16 * 1024;
  if (!is_threaded(kind)) life.plan.background_checkpoints = false;
  return life;
}

/// How often a fault of that kind can be had in the program.
std::uint64_t count_of(std::uint64_t seed, FaultKind kind) {
  const auto machine = SimulatedPlatform::make(seed);
  machine->record(true);
  History history;
  const Life life = life_of(seed, kind);
  if (kind != FaultKind::allocation) {
    return live(*machine, history, life).calls[static_cast<std::size_t>(kind)];
  }
  constexpr std::uint64_t kMany = std::uint64_t{1} << 40;
  test::fail_allocation_in(kMany);
  static_cast<void>(live(*machine, history, life));
  const std::uint64_t left = test::allocations_until_failure();
  static_cast<void>(test::stop_failing_allocations());
  return kMany - left;
}

struct Result {
  std::optional<std::string> violation;
  bool injected = false;
};

/// After the faulty life: the store is there whole or, if its creation failed, not at all.
std::optional<std::string> judge_after(SimulatedPlatform& machine, const History& history,
                                       Expected expected, CutOutcome outcome, std::uint64_t lot) {
  const auto after = machine.cut_at(machine.steps(), outcome, lot);
  if (!after->files().exists(kStorePath)) {
    if (history.at(machine.steps()).must == 0 && history.last() == 0) return std::nullopt;
    return "the store is gone";
  }
  return judge(*after, history, machine.steps(),
               {.expected = expected,
                .with_anchor = expected == Expected::media_faults || lot % 2 == 0})
      .violation;
}

Result try_fault(const Case& c) {
  Result result;
  const FaultKind kind = c.fault.kind;
  const auto machine = SimulatedPlatform::make(c.seed);
  machine->record(true);
  History history;
  Life life = life_of(c.seed, kind);
  life.faults = {c.fault};
  if (kind == FaultKind::allocation) {
    test::fail_allocation_in(c.fault.index + 1, c.fault.sticky);
    Lived lived;
    try {
      lived = live(*machine, history, life);
    } catch (const std::bad_alloc&) {
      // The simulation itself had no memory, before or behind what the program did.
    }
    result.injected = !test::stop_failing_allocations();
    result.violation = lived.violation;
    if (!result.violation) result.violation = left_over(*machine);
  } else {
    const Lived lived = live(*machine, history, life);
    result.injected = lived.injected > 0;
    result.violation = lived.violation;
  }
  const Expected expected = is_media_fault(kind) ? Expected::media_faults : Expected::nothing;
  for (const CutOutcome outcome : {CutOutcome::everything_lands, CutOutcome::random_sectors}) {
    if (result.violation) break;
    result.violation =
        judge_after(*machine, history, expected, outcome, mixed(c.seed, c.fault.index));
  }
  return result;
}

constexpr std::array kDisturbs = {Disturb::interrupt, Disturb::shorten};
const char* name_of(Disturb how) {
  return how == Disturb::interrupt ? "interrupted" : "short";
}

std::string words_of(std::uint64_t seed, Disturb how, std::uint64_t index, bool sticky) {
  return fmt::format("faults --replay 'seed={} kind={} index={} sticky={}'", seed, name_of(how),
                     index, sticky ? 1 : 0);
}

FaultKind kind_named(const std::string& name) {
  for (const FaultKind kind : kFaultKinds) {
    if (name == name_of(kind)) return kind;
  }
  throw std::runtime_error("no such kind of fault: " + name);
}

void replay_fault(GateRun& run) {
  const Words words(run.replay());
  for (const Disturb how : kDisturbs) {
    if (words.text("kind") != name_of(how)) continue;
    const bool sticky = words.number("sticky") != 0;
    const auto result =
        TransferFaults().try_fault(words.number("seed"), how, words.number("index"), sticky);
    run.ran(1, result.disturbed);
    if (result.violation) run.violated(*result.violation, std::string(run.replay()));
    return;
  }
  const Case c{
      words.number("seed"),
      {kind_named(words.text("kind")), words.number("index"), words.number("sticky") != 0}};
  const Result result = try_fault(c);
  run.ran(1, result.injected ? 1 : 0);
  if (result.violation) run.violated(*result.violation, words_of(c));
}

/// Cases that were run, by kind; and of failing allocations, of which there are too many to try all, how many of how many.
class Tally {
 public:
  void add(FaultKind kind) { ++counts_[static_cast<std::size_t>(kind)]; }
  void add_allocation(std::uint64_t index, std::uint64_t of) {
    const std::lock_guard lock(mutex_);
    if (of > allocations_.size()) allocations_.resize(of);
    allocations_[index] = true;
  }
  void add(Disturb how) { ++disturbed_[static_cast<std::size_t>(how)]; }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const FaultKind kind : kFaultKinds) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                          counts_[static_cast<std::size_t>(kind)].load(), name_of(kind));
    }
    for (const Disturb how : kDisturbs) {
      text +=
          fmt::format(", {} {}", disturbed_[static_cast<std::size_t>(how)].load(), name_of(how));
    }
    const std::lock_guard lock(mutex_);
    return text + fmt::format("; the Nth allocation failed for {} of {} N",
                              std::ranges::count(allocations_, true), allocations_.size());
  }

 private:
  std::array<std::atomic<std::uint64_t>, kFaultKinds.size()> counts_{};
  std::array<std::atomic<std::uint64_t>, kDisturbs.size()> disturbed_{};
  mutable std::mutex mutex_;
  std::vector<bool> allocations_;
};

/// All cases of one program after the other, from two threads' programs; a share of the gate is a share of each
/// kind's indexes, drawn by lot, so that each of them has its turn in some program.
class FaultLoop {
 public:
  explicit FaultLoop(GateRun& run)
      : run_(run), stride_(std::max<std::uint64_t>(1, kFull / run.cases() / kProgramsAtLeast)) {}

  void go_on() {
    TransferFaults transfers;
    while (more()) {
      const std::uint64_t seed = mixed(run_.seed(), programs_++);
      for (const FaultKind kind : kFaultKinds) {
        // Of allocations there are ten times as many as of all else.
        const std::uint64_t one_in = kind == FaultKind::allocation ? 8 * stride_ : stride_;
        const std::uint64_t count = count_of(seed, kind);
        each_index(mixed(seed, one_in), count, one_in, [&](std::uint64_t index, bool sticky) {
          const Case c{seed, {kind, index, sticky}};
          if (kind == FaultKind::allocation) tally_.add_allocation(index, count);
          const CurrentCase current([&c] { return words_of(c); });
          const Result result = try_fault(c);
          tally_.add(kind);
          run_.ran(1, result.injected ? 1 : 0);
          if (result.violation) run_.violated(*result.violation, words_of(c));
        });
      }
      for (const Disturb how : kDisturbs) {
        each_index(seed, transfers.count(seed, how), stride_,
                   [&](std::uint64_t index, bool sticky) {
                     const auto result = transfers.try_fault(seed, how, index, sticky);
                     tally_.add(how);
                     run_.ran(1, result.disturbed);
                     if (result.violation)
                       run_.violated(*result.violation, words_of(seed, how, index, sticky));
                   });
      }
    }
  }
  [[nodiscard]] std::string text() const {
    return fmt::format("{} programs: {}", programs_.load(), tally_.text());
  }

 private:
  static constexpr std::uint64_t kFull = 250'000;
  static constexpr std::uint64_t kProgramsAtLeast = 4;

  [[nodiscard]] bool more() const { return cases_ < run_.cases() && !run_.stop(); }

  /// Of each `one_in` indexes that follow each other one, by lot.
  template <class Try>
  void each_index(std::uint64_t lot, std::uint64_t count, std::uint64_t one_in, Try&& try_it) {
    for (std::uint64_t begin = 0; begin < count; begin += one_in) {
      const std::uint64_t index = begin + mixed(lot, begin) % one_in;
      if (index >= count) continue;
      for (const bool sticky : {false, true}) {
        if (!more()) return;
        ++cases_;
        try_it(index, sticky);
      }
    }
  }

  GateRun& run_;
  const std::uint64_t stride_;
  std::atomic<std::uint64_t> programs_{0};
  std::atomic<std::uint64_t> cases_{0};
  Tally tally_;
};

}  // namespace

void faults_by_index(GateRun& run) {
  if (!Scheduler::available()) return run.skip("a sanitizer has its own threads");
  if (!run.replay().empty()) return replay_fault(run);
  FaultLoop loop(run);
  in_two_threads(run, [&](unsigned) { loop.go_on(); });
  run.note(loop.text());
}

}  // namespace coffer::campaign::sim
