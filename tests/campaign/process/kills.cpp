// SIGKILL at a random system call, of any of the worker's threads: in its opening, which is a recovery, in a commit, in
// a checkpoint.  Half of the kills come before the call is made, half while it is made or just after.
//
// After each the store opens read-only, as the kill left it; now and then also for writing.  The next worker recovers
// from what the kill left.
#include <fmt/format.h>
#include <signal.h>

#include <random>

#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/campaign/process/survivors.hpp"
#include "tests/campaign/process/tracer.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::campaign::process {
namespace {

constexpr std::uint64_t kKillsEach = 50;

struct Ended {
  std::uint64_t calls = 0;
  int code = 0;
  hard::Acknowledged acknowledged;
};

/// A worker that commits a dozen times, and is killed at call number `kill_at` (0: not).
Ended load_until(const std::filesystem::path& store, const hard::Acknowledged& before,
                 std::uint64_t kill_at, bool during) {
  Ended ended;
  hard::Worker worker({"traced", "all", "load", store.string(), "12"});
  Tracer().run(worker, [&](const SystemCall&) -> Verdict {
    if (++ended.calls != kill_at) return {};
    return {during ? Verdict::Kind::kill_during : Verdict::Kind::kill_before, 0};
  });
  ended.code = worker.finish();
  ended.acknowledged = hard::acknowledged_by(worker.said(), before);
  return ended;
}

void kill_series(const Series& series) {
  const test::TempDirectory directory(fast_place());
  const std::filesystem::path store = directory.path() / "store";
  static_cast<void>(Store::create(store, hard::test_key()));
  std::mt19937_64 random(series.seed());
  const Ended whole = load_until(store, {}, 0, false);
  if (whole.code != 0) return series.violated("a worker that nobody kills does not end well");
  hard::Acknowledged acknowledged = whole.acknowledged;
  for (std::uint64_t done = 0; done < series.cases() && !series.run().stop();) {
    const std::uint64_t kill_at = 1 + random() % whole.calls;
    const Ended ended = load_until(store, acknowledged, kill_at, random() % 2 == 0);
    if (ended.code != -SIGKILL && ended.code != 0) {
      return series.violated(
          fmt::format("kill {} at call {}: the worker ended with {}", done, kill_at, ended.code));
    }
    acknowledged = ended.acknowledged;
    acknowledged.number = expect_survivors(store, acknowledged, Opening::read_only);
    if (random() % 8 == 0) {
      acknowledged.number = expect_survivors(store, acknowledged, Opening::writable);
    }
    // This one made fewer calls than the one that was counted.
    if (ended.code == 0) continue;
    ++done;
    series.run().ran(1, 1);
  }
}

}  // namespace

void kill_at_system_calls(GateRun& run) {
  if (const auto obstacle = Tracer::obstacle()) return run.skip(*obstacle);
  run_in_series(run, kKills, kKillsEach, kill_series);
}

}  // namespace coffer::campaign::process
