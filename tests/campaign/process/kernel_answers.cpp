// What only the kernel's own interface can show: each of the calls of a small workload (an opening that recovers,
// commits, checkpoints, closing), by its index, is answered in the kernel's place, once or from there on.
//
//   interrupted   EINTR; "from there on" is five times in a row
//   short         a transfer moves half of what was asked for, really
//   unsupported   what a file system need not have: reservations, renames that replace nothing, hints
//   failed        EIO
//   full          ENOSPC
//   exhausted     ENOMEM for mappings and locks, EMFILE for descriptors
//   unreadable    not the call, but loads from the page file's mapping behind it: the file is cut short, until the next
//                 call or to the end, and then has its pages again
//
// The first three must not show at all.  After the others every failure is one of the library's own errors, nothing
// that was acknowledged is lost, and after a failed sync of a file that durability depends on nothing is
// acknowledged any more.  The workload runs in one thread, so that an index means the same call in each run.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "tests/campaign/process/missing_pages.hpp"
#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/campaign/process/survivors.hpp"
#include "tests/campaign/process/tracer.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::campaign::process {

#ifdef __x86_64__

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAnswersEach = 60;
constexpr const char* kCommits = "8";

bool one_of(long number, std::initializer_list<long> numbers) {
  return std::ranges::find(numbers, number) != numbers.end();
}
bool transfers(long number) {
  return one_of(number, {SYS_pread64, SYS_pwrite64, SYS_pwritev});
}
bool syncs(long number) {
  return one_of(number, {SYS_fsync, SYS_fdatasync});
}
bool changes_files(long number) {
  return one_of(number, {SYS_pwrite64, SYS_pwritev, SYS_ftruncate, SYS_fallocate, SYS_renameat2,
                         SYS_rename, SYS_mkdir, SYS_link}) ||
         syncs(number);
}
/// Not of the C library's own files, which it opens on its way.
bool maps_a_file(const SystemCall& call) {
  return call.number == SYS_mmap && static_cast<int>(call.arguments[4]) >= 0;
}

struct AnswerKind {
  std::string_view name;
  bool harmless;
  std::optional<Verdict> (*verdict)(const SystemCall&);
  bool takes_pages = false;
};

std::optional<Verdict> answer_if(bool applies, int code) {
  if (!applies) return std::nullopt;
  return Verdict{Verdict::Kind::answer, -code};
}

constexpr std::array<AnswerKind, 7> kAnswerKinds{{
    {"interrupted", true,
     [](const SystemCall& call) {
       const bool applies = transfers(call.number) || syncs(call.number) ||
                            one_of(call.number, {SYS_openat, SYS_ftruncate, SYS_fallocate,
                                                 SYS_fcntl, SYS_getrandom});
       return answer_if(applies, EINTR);
     }},
    {"short", true,
     [](const SystemCall& call) -> std::optional<Verdict> {
       if (!transfers(call.number)) return std::nullopt;
       return Verdict{Verdict::Kind::shorten, 0};
     }},
    {"unsupported", true,
     [](const SystemCall& call) {
       if (call.number == SYS_renameat2) return answer_if(true, EINVAL);
       return answer_if(one_of(call.number, {SYS_fallocate, SYS_sync_file_range}), EOPNOTSUPP);
     }},
    {"failed", false,
     [](const SystemCall& call) {
       const bool applies =
           changes_files(call.number) || maps_a_file(call) ||
           one_of(call.number, {SYS_pread64, SYS_openat, SYS_unlink, SYS_newfstatat, SYS_fstat,
                                SYS_getdents64, SYS_getrandom, SYS_fcntl, SYS_statfs});
       return answer_if(applies, EIO);
     }},
    {"full", false,
     [](const SystemCall& call) {
       const bool creates = call.number == SYS_openat && (call.arguments[2] & O_CREAT) != 0;
       return answer_if(changes_files(call.number) || creates, ENOSPC);
     }},
    {"exhausted", false,
     [](const SystemCall& call) {
       if (call.number == SYS_openat) return answer_if(true, EMFILE);
       return answer_if(call.number == SYS_mlock || maps_a_file(call), ENOMEM);
     }},
    {"unreadable", false,
     [](const SystemCall& call) -> std::optional<Verdict> {
       if (!transfers(call.number) && !syncs(call.number)) return std::nullopt;
       return Verdict{};
     },
     true},
}};

/// One run of the workload.
struct AnswerRun {
  std::uint64_t applicable = 0;  ///< calls that this kind could have answered
  std::uint64_t answered = 0;
  int code = 0;
  std::string said;
  std::optional<std::uint64_t> allowed;  ///< the last commit that may be acknowledged
};

/// From call number `from` on `times` calls are answered; none when `times` is 0.
AnswerRun run_answered(const fs::path& store, const AnswerKind& kind, std::uint64_t from,
                       std::uint64_t times) {
  AnswerRun run;
  hard::Worker worker({"traced", "files", "persist", store.string(), kCommits, "3", "one"});
  bool opened = false;
  MissingPages pages(store / "pages");
  Tracer().run(worker, [&](const SystemCall& call) -> Verdict {
    // Whatever comes before the store is the program's loading.
    opened = opened || call.number == SYS_fcntl;
    if (times == 1) pages.give_back();
    const auto verdict = kind.verdict(call);
    if (!opened || !verdict) return {};
    ++run.applicable;
    if (run.applicable < from || run.answered >= times) return {};
    ++run.answered;
    if (kind.takes_pages) {
      // All of them, or all but the oldest.
      pages.take(from % 2 == 0 ? 0 : 8);
      return *verdict;
    }
    if (!kind.harmless && !run.allowed && syncs(call.number) &&
        carries_commits(file_behind(worker.pid(), call.arguments[0]))) {
      worker.listen();
      // A checkpoint inside of a commit does not report its failure: that one was durable before.
      run.allowed = hard::acknowledged_by(worker.said(), {}).number + 1;
    }
    return *verdict;
  });
  run.code = worker.finish();
  run.said = worker.said();
  pages.give_back();
  return run;
}

/// A store that a killed worker has left, with a journal to recover.
hard::Acknowledged prepare(const fs::path& store, std::uint64_t commits) {
  static_cast<void>(Store::create(store, hard::test_key()));
  hard::Worker worker({"load", store.string(), "1000000000"});
  worker.hear("\nack " + std::to_string(commits) + " ", hard::patience());
  worker.kill();
  worker.finish();
  hard::Acknowledged acknowledged = hard::acknowledged_by(worker.said(), {});
  // The commit that was under way may be there, too; the next worker's comes on top of it.
  acknowledged.number = expect_survivors(store, acknowledged, Opening::read_only);
  return acknowledged;
}

void judge(const fs::path& store, const AnswerKind& kind, const AnswerRun& run,
           const hard::Acknowledged& before) {
  const auto require = [&](bool holds, const char* what) {
    if (!holds) throw std::runtime_error(fmt::format("{}; it said: {}", what, run.said));
  };
  require(run.code == 0, "the worker did not end by itself");
  require(run.said.find(" untyped ") == std::string::npos, "an error was not the library's own");
  const bool failed = run.said.find("failed ") != std::string::npos;
  require(!kind.harmless || !failed, "what must not show failed");
  require(!kind.harmless || run.said.ends_with("done\n"), "the workload did not come to its end");
  const hard::Acknowledged acknowledged = hard::acknowledged_by(run.said, before);
  require(
      !run.allowed || acknowledged.number <= *run.allowed || acknowledged.number == before.number,
      "a commit was acknowledged after a failed sync");
  static_cast<void>(expect_survivors(store, acknowledged, Opening::read_only));
  static_cast<void>(expect_survivors(store, acknowledged, Opening::writable));
}

/// Runs without their pages, and those of them in which something failed for it.
struct Unreadable {
  std::atomic<std::uint64_t> runs{0};
  std::atomic<std::uint64_t> felt{0};
};

void answer_series(const Series& series, Unreadable& unreadable) {
  const test::TempDirectory directory(fast_place());
  const fs::path base = directory.path() / "base";
  const fs::path store = directory.path() / "store";
  const hard::Acknowledged before = prepare(base, 10 + series.number() % 20);
  std::array<std::optional<std::uint64_t>, kAnswerKinds.size()> counts{};
  for (std::uint64_t i = 0; i < series.cases() && !series.run().stop(); ++i) {
    const std::uint64_t number = series.number() * kAnswersEach + i;
    const std::size_t which = number % kAnswerKinds.size();
    const AnswerKind& kind = kAnswerKinds.at(which);
    std::optional<std::uint64_t>& count = counts.at(which);
    if (!count) {
      hard::copy_store(base, store);
      const AnswerRun undisturbed = run_answered(store, kind, 0, 0);
      count = undisturbed.applicable;
      // Not every journal needs a call that a file system need not have; all need the others.
      if (count == 0 && kind.name != "unsupported") {
        series.violated(fmt::format("{}: the workload made no such call; it said: {}", kind.name,
                                    undisturbed.said));
        return;
      }
    }
    const bool sticky = number / kAnswerKinds.size() % 2 == 1;
    const std::uint64_t index =
        number / kAnswerKinds.size() / 2 % std::max<std::uint64_t>(1, *count) + 1;
    const std::uint64_t times = !sticky ? 1 : kind.name == "interrupted" ? 5 : UINT64_MAX;
    hard::copy_store(base, store);
    const AnswerRun run = run_answered(store, kind, index, times);
    try {
      judge(store, kind, run, before);
    } catch (const std::exception& error) {
      series.violated(fmt::format("{} {} at call {} of {}: {}", kind.name,
                                  sticky ? "from there on" : "once", index, *count, error.what()));
    }
    series.run().ran(1, run.answered);
    if (!kind.takes_pages) continue;
    ++unreadable.runs;
    if (run.said.find("failed ") != std::string::npos) ++unreadable.felt;
  }
}

}  // namespace

void answer_for_the_kernel(GateRun& run) {
  if (const auto obstacle = Tracer::obstacle()) return run.skip(*obstacle);
  Unreadable unreadable;
  run_in_series(run, kKernelAnswers, kAnswersEach,
                [&](const Series& series) { answer_series(series, unreadable); });
  run.note(fmt::format("{} of {} runs without their pages missed one", unreadable.felt.load(),
                       unreadable.runs.load()));
  if (unreadable.runs >= kAnswersEach && unreadable.felt == 0) {
    run.violated("nobody missed the pages that were taken away", std::string(kKernelAnswers));
  }
}

#else

void answer_for_the_kernel(GateRun& run) {
  run.skip(*Tracer::obstacle());
}

#endif

}  // namespace coffer::campaign::process
