// The power is cut at every step of random workloads, and whatever a cut may leave is recovered:
// the history is whole transactions, in order, and holds all that a sync had promised.
//
// A workload commits, abandons, syncs, takes checkpoints (the test remembers what the superblock
// would say) and lets segments be used again.  The writer's calls are the only steps of the
// machine.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <optional>

#include "tests/journal/bench.hpp"

namespace coffer::journal {
namespace {

using namespace testing;
using platform::CutOutcome;
using platform::kCutOutcomes;

/// From `step` on, this holds.
struct Promise {
  std::uint64_t step = 0;
  std::uint64_t durable_commit = 0;  ///< a sync that returned covered it
};
struct Superblock {
  std::uint64_t step = 0;
  JournalStart start;
};

struct Workload {
  explicit Workload(std::uint64_t seed) : bench(seed) {
    bench.random.seed(seed);
    superblocks.push_back({.step = bench.machine->steps(), .start = bench.start});
  }

  void run(int operations) {
    for (int i = 0; i < operations; ++i) operate();
  }

  void operate() {
    switch (pick(bench.random, 10)) {
      case 0:
        transaction(false, 200'000);
        break;
      case 1:
        transaction(true, 400'000);
        break;
      case 2:
      case 3:
        sync();
        break;
      case 4:
        if (pick(bench.random, 2) == 0) checkpoint();
        break;
      default:
        transaction(true, 6000);
    }
  }

  void transaction(bool finish, std::size_t bytes_max) {
    bench.begin();
    std::size_t bytes = pick(bench.random, bytes_max);
    while (bytes > 0) {
      const std::size_t size = std::min(bytes, pick(bench.random, 60'000) + 1);
      const auto used = random_bytes(bench.random, size);
      bench.add(
          PageImage{.page = PageId{pick(bench.random, 50) + 1}, .is_new = false, .used = used});
      bytes -= size;
    }
    if (!finish) {
      bench.abandon();
      return;
    }
    if (lie) {
      // Planted fault: durability is claimed before the sync.
      const CommitState state{.catalog_root = PageId{1}, .next_value_id = 1};
      bench.pending.records.push_back(describe(state));
      bench.pending.end = bench.writer->finish(state, bench.writer->end().position).position.value;
      bench.history.push_back(bench.pending);
    } else {
      bench.finish();
    }
  }

  void sync() {
    bench.sync();
    promises.push_back(
        {.step = bench.machine->steps(), .durable_commit = bench.writer->end().last_commit.value});
  }

  void checkpoint() {
    sync();
    const JournalEnd end = bench.writer->end();
    superblocks.push_back({.step = bench.machine->steps(),
                           .start = {.position = end.position,
                                     .generation = bench.start.generation,
                                     .previous_tag = end.last_tag,
                                     .last_commit = end.last_commit,
                                     .durable_upto = end.position,
                                     .epoch = bench.start.epoch}});
    bench.writer->recycle(end.position);
  }

  [[nodiscard]] const JournalStart& superblock_at(std::uint64_t step) const {
    auto it = superblocks.rbegin();
    while (it->step > step) ++it;
    return it->start;
  }
  [[nodiscard]] std::uint64_t durable_at(std::uint64_t step) const {
    std::uint64_t commit = 0;
    for (const Promise& promise : promises) {
      if (promise.step <= step) commit = std::max(commit, promise.durable_commit);
    }
    return commit;
  }

  Bench bench;
  std::vector<Promise> promises;
  std::vector<Superblock> superblocks;
  bool lie = false;
};

/// What is wrong with the journal on `machine` after a cut at `step`; nothing when it is as
/// promised.
std::optional<std::string> fault_after(platform::Platform& machine, const Workload& workload,
                                       std::uint64_t step, Scanned* out = nullptr) {
  const JournalStart& start = workload.superblock_at(step);
  Scanned scanned;
  try {
    scanned = scan(machine, workload.bench.identity, start);
  } catch (const Error& error) {
    return error.what();
  }
  const auto skipped = static_cast<std::ptrdiff_t>(start.last_commit.value);
  const History expected(workload.bench.history.begin() + skipped, workload.bench.history.end());
  if (!is_prefix(scanned.history, expected)) return "the history is another one";
  const std::uint64_t last = start.last_commit.value + scanned.history.size();
  if (last != scanned.result.end.last_commit.value) return "the end is another one";
  if (last < workload.durable_at(step)) return "a synced commit is gone";
  if (out != nullptr) *out = std::move(scanned);
  return std::nullopt;
}

/// Number of cuts that recovery did not survive as promised.
std::size_t faults_of(const Workload& workload, std::size_t give_up_after, std::size_t* cuts) {
  std::size_t faults = 0;
  const platform::SimulatedPlatform& machine = *workload.bench.machine;
  for (std::uint64_t step = 2; step <= machine.steps(); ++step) {
    for (const CutOutcome outcome : kCutOutcomes) {
      const auto cut = machine.cut_at(step, outcome, step * 31 + 7);
      ++*cuts;
      const auto fault = fault_after(*cut, workload, step);
      if (!fault) continue;
      if (give_up_after == 1) {
        FAIL_CHECK("step " << step << ", outcome " << static_cast<int>(outcome) << ": " << *fault);
      }
      if (++faults >= give_up_after) return faults;
    }
  }
  return faults;
}

TEST_CASE("Whatever a power cut leaves, the history is a whole prefix with all that was synced") {
  std::size_t cuts = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Workload workload(seed);
    workload.run(40);
    CHECK(faults_of(workload, 1, &cuts) == 0);
  }
  CHECK(cuts > 5000);
}

TEST_CASE("Planted fault: a writer that claims durability too early is caught by the cuts") {
  std::size_t cuts = 0;
  std::size_t faults = 0;
  for (std::uint64_t seed = 1; seed <= 3 && faults == 0; ++seed) {
    Workload workload(seed);
    workload.lie = true;
    workload.run(40);
    faults += faults_of(workload, 5, &cuts);
  }
  CHECK(faults > 0);
}

TEST_CASE("Planted fault: a sync that does nothing is caught by the cuts") {
  std::size_t cuts = 0;
  Workload workload(2);
  for (int i = 0; i < 20; ++i) workload.transaction(true, 6000);
  workload.promises.push_back({.step = workload.bench.machine->steps(),
                               .durable_commit = workload.bench.writer->end().last_commit.value});
  workload.bench.writer->reserve(10 * kSegmentBytes);
  CHECK(faults_of(workload, 2, &cuts) > 0);
}

/// Recovers on `machine` as the transaction layer does (a new generation, named durably by the
/// superblock), goes on for a while, and cuts the power again; `depth` times.
void recover_and_go_on(std::unique_ptr<platform::SimulatedPlatform> machine, Workload before,
                       std::uint64_t step, std::uint64_t seed, int depth) {
  Scanned scanned;
  const auto fault = fault_after(*machine, before, step, &scanned);
  if (fault) {
    FAIL_CHECK("depth left " << depth << ": " << *fault);
    return;
  }
  if (depth == 0) return;
  Workload next(seed);
  const std::uint64_t kept = scanned.result.end.last_commit.value;
  next.bench.machine = std::move(machine);
  next.bench.machine->record(true);
  next.bench.identity = before.bench.identity;
  next.bench.history = before.bench.history;
  next.bench.history.resize(kept);
  next.bench.start = JournalStart{.position = scanned.result.end.position,
                                  .generation = generation_from(seed + 77),
                                  .previous_tag = scanned.result.end.last_tag,
                                  .last_commit = scanned.result.end.last_commit,
                                  .durable_upto = scanned.result.end.position,
                                  .epoch = Epoch{1}};
  next.superblocks = {{.step = 0, .start = next.bench.start}};
  next.promises = {{.step = 0, .durable_commit = kept}};
  next.bench.open();
  next.run(8);
  const std::uint64_t at = pick(next.bench.random, next.bench.machine->steps() + 1);
  auto cut = next.bench.machine->cut_at(
      at, kCutOutcomes[pick(next.bench.random, kCutOutcomes.size())], seed);
  recover_and_go_on(std::move(cut), std::move(next), at, seed + 1, depth - 1);
}

TEST_CASE("A journal survives power cut upon power cut, each followed by a new generation") {
  for (std::uint64_t seed = 100; seed < 160; ++seed) {
    CAPTURE(seed);
    Workload workload(seed);
    workload.run(10);
    const std::uint64_t steps = workload.bench.machine->steps();
    const std::uint64_t at = 2 + pick(workload.bench.random, steps - 1);
    auto cut = workload.bench.machine->cut_at(
        at, kCutOutcomes[pick(workload.bench.random, kCutOutcomes.size())], seed);
    recover_and_go_on(std::move(cut), std::move(workload), at, seed * 1000, 8);
  }
}

}  // namespace
}  // namespace coffer::journal
