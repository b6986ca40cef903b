// The power fails under a worker that commits: its file system, ext4 or XFS on a loop device, is shut down at a random
// moment by the kernel's own call, with what its log holds or without.  What was not synced is gone.
//
// What the worker acknowledged is known outside of that file system.  After each cut it is mounted again, and the store
// is looked at as the cut left it; the next worker recovers from that, and may meet a cut in its recovery.  The
// device itself loses nothing that was handed to it: a disk's volatile cache is the simulated machine's business.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <random>
#include <string>

#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/campaign/process/survivors.hpp"
#include "tests/hard/worker_process.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/mounts.hpp"

namespace coffer::campaign::process {
namespace {

using hard::Milliseconds;

constexpr std::uint64_t kCutsEach = 10;
/// Of a worker whose file system is gone.
constexpr Milliseconds kTimeToEnd{20'000};

/// Where in its work the cuts met the workers, and on which file systems.
struct Met {
  std::atomic<std::uint64_t> on_xfs{0};
  std::mutex mutex;
  std::string no_xfs;  ///< why there is none
  std::atomic<std::uint64_t> in_opening{0};
  std::atomic<std::uint64_t> in_work{0};
  std::atomic<std::uint64_t> commit_under_way_there{0};
};

/// A worker whose power is cut; what it has acknowledged then.
hard::Acknowledged load_until_cut(const std::filesystem::path& store, test::DiskImage& disk,
                                  std::mt19937_64& random, const hard::Acknowledged& before,
                                  Met& met) {
  hard::Worker worker({"load", store.string(), "1000000000"});
  if (random() % 3 == 0) {
    worker.run_for(Milliseconds(random() % 40));
  } else {
    worker.hear("\nack ", hard::patience());
    worker.run_for(Milliseconds(random() % 80));
  }
  const bool opened = worker.said().find("begin") != std::string::npos;
  ++(opened ? met.in_work : met.in_opening);
  if (!disk.cut(random() % 2 == 0)) throw std::runtime_error(disk.why());
  // Half of the workers find out what has happened, and would go on acknowledging if they were wrong about it.
  if (random() % 2 == 0) {
    if (worker.hear("no such word", kTimeToEnd)) throw std::logic_error("nonsense");
  }
  worker.kill();
  const int code = worker.finish();
  if (code != -SIGKILL && code != 1) {
    throw std::runtime_error(fmt::format("the worker ended with {} after the cut", code));
  }
  return hard::acknowledged_by(worker.said(), before);
}

void cut_series(const Series& series, const std::filesystem::path& room, bool xfs, Met& met) {
  test::DiskImage disk(room / "image", room / "disk", xfs ? "xfs" : "ext4");
  const std::uint64_t bytes = xfs ? 320u << 20 : 64u << 20;
  if (!disk.make(bytes) || !disk.mount()) {
    if (!xfs) return series.run().skip(disk.why());
    {
      const std::lock_guard lock(met.mutex);
      met.no_xfs = disk.why();
    }
    return cut_series(series, room, false, met);
  }
  const std::filesystem::path store = disk.path() / "store";
  static_cast<void>(Store::create(store, hard::test_key()));
  std::mt19937_64 random(series.seed());
  hard::Acknowledged acknowledged;
  for (std::uint64_t i = 0; i < series.cases() && !series.run().stop(); ++i) {
    acknowledged = load_until_cut(store, disk, random, acknowledged, met);
    if (!disk.unmount() || !disk.mount()) {
      throw std::runtime_error("cannot mount again after the cut: " + disk.why());
    }
    const std::uint64_t shown = expect_survivors(store, acknowledged, Opening::read_only);
    if (shown > acknowledged.number) ++met.commit_under_way_there;
    acknowledged.number = shown;
    if (random() % 4 == 0) {
      acknowledged.number = expect_survivors(store, acknowledged, Opening::writable);
    }
    if (xfs) ++met.on_xfs;
    series.run().ran(1, 1);
  }
}

}  // namespace

void cut_the_power(GateRun& run) {
  Met met;
  run_with_mounts(run, kPowerCuts, kCutsEach, "900m",
                  [&](const Series& series, const std::filesystem::path& room) {
                    cut_series(series, room, series.number() % 2 == 1, met);
                  });
  run.note(
      fmt::format("{} on XFS; {} in openings, {} later; the commit under way was there {} times",
                  met.on_xfs.load(), met.in_opening.load(), met.in_work.load(),
                  met.commit_under_way_there.load()));
  if (!met.no_xfs.empty()) run.note("all on ext4: " + met.no_xfs);
}

}  // namespace coffer::campaign::process
