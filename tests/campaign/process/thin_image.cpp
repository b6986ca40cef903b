// A thin image runs out of space under the engine: the file system believes that it has room, its writes fail when
// they reach the device, and so a sync fails.  On ext4 a second or third sync then reports success though the pages
// are lost.
//
// How much is left when the worker begins is random.  What the store has once written it overwrites without new space;
// so a worker that has committed for long is ended, and the next one has half as much.
//
// The worker goes on trying after the failure.  A tracer sees each sync's result before the worker does.  When the first
// that fails, of a file that durability depends on, is the committing thread's own, nothing may be acknowledged after
// it.  When it is another thread's, that thread gets time to tell the others, while the committing thread is held at
// its next sync; only the commit that it is at may still be acknowledged.  Then the image gets its space, and all that
// was acknowledged must be there.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/campaign/process/survivors.hpp"
#include "tests/campaign/process/tracer.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/mounts.hpp"

namespace coffer::campaign::process {
namespace {

constexpr std::uint64_t kCommitsMax = 400;
constexpr std::uint64_t kAttempts = 20;
constexpr std::chrono::milliseconds kTimeToTell{200};

struct Totals {
  std::atomic<std::uint64_t> failed_syncs{0};
  std::atomic<std::uint64_t> later_successes{0};
  std::atomic<std::uint64_t> acknowledged{0};
};

/// What the tracer saw of a worker.
struct WorkerSeen {
  std::uint64_t failed = 0;
  std::uint64_t failed_elsewhere = 0;  ///< of files that no commit depends on
  std::uint64_t succeeded_later = 0;
  std::string file;           ///< whose sync failed first
  bool own = false;           ///< that was the committing thread's
  bool held = false;          ///< the committing thread, after another one's failure
  std::uint64_t allowed = 0;  ///< the last commit that may be acknowledged
  hard::Acknowledged acknowledged;
};

std::uint64_t acknowledged_so_far(hard::Worker& worker) {
  worker.listen();
  return hard::acknowledged_by(worker.said(), {}).number;
}

void see_result(hard::Worker& worker, WorkerSeen& seen, const SystemCall& call, long value) {
  const std::uint64_t acknowledged = acknowledged_so_far(worker);
  if (value >= 0) {
    if (seen.failed > 0) ++seen.succeeded_later;
    return;
  }
  const std::string file = file_behind(worker.pid(), call.arguments[0]);
  if (!carries_commits(file)) {
    ++seen.failed_elsewhere;
    return;
  }
  if (seen.failed++ > 0) return;
  seen.own = call.thread == worker.pid();
  seen.file = file;
  seen.allowed = acknowledged + (seen.own ? 0 : 1);
}

void hold_back(hard::Worker& worker, WorkerSeen& seen, const SystemCall& call) {
  if (seen.failed == 0 || seen.own || seen.held || call.thread != worker.pid()) return;
  seen.held = true;
  std::this_thread::sleep_for(kTimeToTell);
  seen.allowed = acknowledged_so_far(worker) + 1;
}

WorkerSeen persist_until_full(const std::filesystem::path& store) {
  WorkerSeen seen;
  hard::Worker worker({"traced", "syncs", "persist", store.string(), std::to_string(kCommitsMax),
                       std::to_string(kAttempts)});
  Tracer().run(
      worker,
      [&](const SystemCall& call) {
        hold_back(worker, seen, call);
        return Verdict{Verdict::Kind::make_watch, 0};
      },
      [&](const SystemCall& call, long value) { see_result(worker, seen, call, value); });
  const int code = worker.finish();
  seen.acknowledged = hard::acknowledged_by(worker.said(), {});
  if (code != 0) throw std::runtime_error(fmt::format("the worker ended with {}", code));
  if (worker.said().find(" untyped ") != std::string::npos) {
    throw std::runtime_error("a failure was none of the library's own errors: " + worker.said());
  }
  return seen;
}

/// Takes all of a file system's space but so much.
void leave_only(const test::MemoryFileSystem& thin, std::uint64_t bytes) {
  const std::uint64_t available = std::filesystem::space(thin.path()).available;
  const int file =
      ::open(thin.at("ballast").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const auto size = static_cast<off_t>(available > bytes ? available - bytes : 0);
  const bool done = file >= 0 && (size == 0 || ::posix_fallocate(file, 0, size) == 0);
  if (file >= 0) ::close(file);
  if (!done) throw std::runtime_error("cannot take a file system's space");
}

/// A worker's store on an image that runs out of space; what was seen.  Fewer bytes each time until it does.
WorkerSeen run_out(test::DiskImage& disk, const test::MemoryFileSystem& thin, std::uint64_t bytes) {
  for (; bytes >= 4096; bytes /= 2) {
    leave_only(thin, bytes);
    WorkerSeen seen = persist_until_full(disk.path() / "store");
    if (seen.failed + seen.failed_elsewhere > 0) return seen;
  }
  throw std::runtime_error("no sync failed: the image did not run out of space");
}

void one_image(const Series& series, const std::filesystem::path& room, Totals& totals) {
  std::mt19937_64 random(series.seed());
  test::MemoryFileSystem thin(room / "thin", "64m");
  test::DiskImage disk(thin.at("image"), room / "disk", "ext4");
  if (!thin.mounted() || !disk.make(96u << 20) || !disk.mount()) {
    return series.run().skip(thin.why() + disk.why());
  }
  const std::filesystem::path store = disk.path() / "store";
  static_cast<void>(Store::create(store, hard::test_key()));
  // The first segment of the journal takes 4 MiB: mostly it finds room.
  const std::uint64_t room_for_segment = random() % 4 == 0 ? 0 : 4'500'000;
  const WorkerSeen seen = run_out(disk, thin, 300'000 + room_for_segment + random() % 4'000'000);
  if (seen.failed > 0 && seen.acknowledged.number > seen.allowed) {
    series.violated(fmt::format(
        "commit {} was acknowledged after a sync of {} had failed; none after {} may be",
        seen.acknowledged.number, seen.file, seen.allowed));
  }
  // What did not reach the device is dropped with the mount; the file system's own journal may need room to replay.
  const bool unmounted = disk.unmount();
  std::filesystem::remove(thin.at("ballast"));
  if (!unmounted || !disk.mount()) {
    throw std::runtime_error("cannot mount again with room: " + disk.why());
  }
  static_cast<void>(expect_survivors(store, seen.acknowledged, Opening::read_only));
  static_cast<void>(expect_survivors(store, seen.acknowledged, Opening::writable));
  totals.failed_syncs += seen.failed;
  totals.later_successes += seen.succeeded_later;
  totals.acknowledged += seen.acknowledged.number;
  series.run().ran(1, seen.failed);
}

}  // namespace

void run_out_of_thin_image(GateRun& run) {
  if (const auto obstacle = Tracer::obstacle()) return run.skip(*obstacle);
  Totals totals;
  run_with_mounts(run, kThinImage, 1, "100m",
                  [&](const Series& series, const std::filesystem::path& room) {
                    one_image(series, room, totals);
                  });
  run.note(fmt::format(
      "{} commits acknowledged before; {} failed syncs, {} syncs that succeeded "
      "after one",
      totals.acknowledged.load(), totals.failed_syncs.load(), totals.later_successes.load()));
}

}  // namespace coffer::campaign::process
