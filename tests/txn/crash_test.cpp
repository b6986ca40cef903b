// The power is cut after every single step (write, sync, rename, ...) of a workload, and inside the recovery
// that follows, with unsynced writes landing, vanishing or torn.
//
// What must hold after each cut: the store opens; it shows exactly the state of one commit; that commit is
// not older than the last one acknowledged before the cut, and not newer than the last one begun; the page
// table, the free map and the references agree.
#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::CutOutcome;
using platform::kCutOutcomes;
using platform::SimulatedPlatform;
using test::ChunkModel;
using test::PageModel;

struct State {
  PageModel pages;
  ChunkModel chunks;
};

struct Workload {
  std::vector<State> states;                   // by commit number
  std::vector<std::uint64_t> acknowledged_at;  // step by which commit i was acknowledged; 0: never
  std::vector<std::uint64_t> begun_at;
  std::uint64_t created_at = 0;  // steps of the creation
};

Options crash_options() {
  Options options = test::small_options();
  options.locked_bytes_max = 512 * 1024;
  options.checkpoint_journal_bytes = 96 * 1024;
  return options;
}

Workload run(SimulatedPlatform& machine, const Key& key, std::uint64_t seed, int commits) {
  std::mt19937_64 rng(seed);
  Workload work;
  machine.record(true);
  Engine::create(machine, "/store", &key, {}, crash_options(), 128 * 1024);
  work.created_at = machine.steps();
  work.states.push_back({});
  work.acknowledged_at.push_back(machine.steps());
  work.begun_at.push_back(0);
  auto engine = Engine::open(machine, "/store", &key, crash_options());
  std::uint64_t unacknowledged_from = 0;
  while (static_cast<int>(work.states.size()) <= commits) {
    State next = work.states.back();
    auto view = engine->begin_write(true);
    // Now and then a transaction that must spill, and so is logged by reference.
    test::change_some(*view, next.pages, rng,
                      rng() % 40 == 0 ? 120 : 1 + static_cast<int>(rng() % 4));
    if (rng() % 10 == 0) test::add_batch(*view, next.pages, rng, 1 + static_cast<int>(rng() % 12));
    if (next.pages.size() > 60) {
      while (next.pages.size() > 30) {
        view->free(next.pages.begin()->first);
        next.pages.erase(next.pages.begin());
      }
    }
    if (rng() % 6 == 0) test::change_chunks(*view, next.chunks, rng);
    if (rng() % 12 == 0) {
      view->rollback();
      continue;
    }
    work.begun_at.push_back(machine.steps());
    const CommitNumber commit = view->commit();
    REQUIRE(commit.value == work.states.size());
    view.reset();
    work.states.push_back(std::move(next));
    work.acknowledged_at.push_back(0);
    if (unacknowledged_from == 0) unacknowledged_from = commit.value;
    if (rng() % 3 != 0) {  // the others are relaxed: a later sync acknowledges them
      engine->wait_durable(commit);
      for (std::uint64_t c = unacknowledged_from; c <= commit.value; ++c) {
        work.acknowledged_at[c] = machine.steps();
      }
      unacknowledged_from = 0;
    }
    engine->after_commit();
    if (rng() % 200 == 0) {
      if (rng() % 2 == 0) engine->close();
      engine.reset();
      engine = Engine::open(machine, "/store", &key, crash_options());
    }
  }
  engine.reset();
  return work;
}

/// Opens what is left after a cut at `step`, and judges it; gives the machine on which that happened.
void judge(SimulatedPlatform& machine, const Key& key, const Workload& work, std::uint64_t step) {
  std::uint64_t must = 0;
  std::uint64_t may = 0;
  for (std::uint64_t c = 0; c < work.states.size(); ++c) {
    if (work.acknowledged_at[c] != 0 && work.acknowledged_at[c] <= step) must = c;
    if (work.begun_at[c] <= step) may = c;
  }
  const auto engine = Engine::open(machine, "/store", &key, crash_options());
  const auto view = engine->begin_read(true);
  const std::uint64_t got = view->snapshot().value;
  CAPTURE(must, got, may);
  REQUIRE(got >= must);
  REQUIRE(got <= may);
  const State& state = work.states[got];
  test::compare(*view, state.pages);
  test::compare(*view, state.chunks);
  test::check_structure(*engine, state.pages, state.chunks);
}

TEST_CASE("Power cut after every step: recovery is right, also when cut itself") {
  const std::uint64_t seed = 20'260'001;
  const bool full = test::full_campaign();
  const int commits = full ? 2000 : 150;
  const std::uint64_t stride = full ? 1 : 3;
  const std::uint64_t nested_stride = full ? 211 : 97;
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(seed);
  const Workload work = run(*machine, key, seed, commits);
  const std::uint64_t steps = machine->steps();
  std::uint64_t cuts = 0;
  std::uint64_t nested = 0;
  for (std::uint64_t step = work.created_at; step <= steps; step += stride) {
    for (std::size_t o = 0; o < kCutOutcomes.size(); ++o) {
      // Outcomes that draw lots are tried with another seed at each step; in a sample each step takes two.
      if (!full && o != step % kCutOutcomes.size() && o != (step * 7 + 2) % kCutOutcomes.size())
        continue;
      CAPTURE(seed, step, o);
      const auto after = machine->cut_at(step, kCutOutcomes[o], seed + step);
      after->record(true);
      judge(*after, key, work, step);
      ++cuts;
      if ((step + o) % nested_stride != 0) continue;
      const std::uint64_t recovery_steps = after->steps();
      for (std::uint64_t inner = 0; inner <= recovery_steps; ++inner) {
        CAPTURE(inner);
        const auto again =
            after->cut_at(inner, kCutOutcomes[(o + inner) % kCutOutcomes.size()], seed + inner);
        judge(*again, key, work, step);
        ++nested;
      }
    }
  }
  WARN(commits << " commits, " << steps << " steps, " << cuts << " cuts, " << nested
               << " cuts inside recovery");
  CHECK(cuts > 100);
  CHECK(nested > 10);
}

TEST_CASE("Power cut inside creation: a whole store or none") {
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(3);
  machine->record(true);
  Engine::create(*machine, "/store", &key, {}, crash_options());
  const std::uint64_t steps = machine->steps();
  for (std::uint64_t step = 0; step <= steps; ++step) {
    for (const CutOutcome outcome : kCutOutcomes) {
      CAPTURE(step);
      const auto after = machine->cut_at(step, outcome, step);
      if (step == steps) REQUIRE(after->files().exists("/store"));
      if (!after->files().exists("/store")) continue;
      const auto engine = Engine::open(*after, "/store", &key, crash_options());
      CHECK(engine->begin_read(true)->snapshot().value == 0);
    }
  }
}

}  // namespace
}  // namespace coffer::txn
