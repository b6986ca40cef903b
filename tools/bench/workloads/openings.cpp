// How long it takes until an existing store answers: after a clean close, and after a crash.
#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

constexpr std::uint32_t kTimes = 5;
constexpr std::uint32_t kCommitsLost = 2'000;  // to be recovered

// Opens, and reads one record: some do at the first use what others do at once.
void open_and_read(Bench& bench, const std::filesystem::path& directory, Measurement& measurement) {
  const Plan& plan = bench.plan();
  Digest digest;
  const Stopwatch watch;
  std::unique_ptr<Engine> engine = bench.open_in(directory, false);
  std::unique_ptr<Session> session = engine->session();
  session->begin_read();
  get(plan, *session, bench.plan().count, digest);
  session->end_read();
  watch.stop(measurement);
  require(digest, digest_of(plan.records, plan.count, plan.count + 1), "open");
}

// The first number behind those loaded, so that there is something that was written last.
void commit_some(Bench& bench, Session& session, std::uint32_t count) {
  const Plan& plan = bench.plan();
  for (std::uint32_t i = 0; i < count; ++i) {
    session.begin_write(i + 1 == count ? Sync::yes : Sync::no);
    put(plan, session, i == 0 ? plan.count : bench.take_numbers(1));
    session.commit();
  }
}

Measurement open_clean(Bench& bench) {
  commit_some(bench, *bench.engine().session(), 1);
  bench.close();
  Measurement measurement{.operations = kTimes};
  for (std::uint32_t i = 0; i < kTimes; ++i) {
    open_and_read(bench, bench.directory() / "loaded", measurement);
  }
  bench.open();
  return measurement;
}

// A crash leaves the files as they lie; so does a copy of them while nothing is under way.
Measurement open_crashed(Bench& bench) {
  Measurement measurement{.operations = kTimes};
  bench.engine().settle();
  commit_some(bench, *bench.engine().session(), bench.plan().share(1, 1, kCommitsLost));
  for (std::uint32_t i = 0; i < kTimes; ++i) {
    // Where nothing is yet: mingw-w64's library takes two folders for the same one, and refuses.
    const std::filesystem::path folder = bench.own_directory("crashed");
    const std::filesystem::path copy = folder / "copy";
    std::filesystem::copy(bench.directory() / "loaded", copy,
                          std::filesystem::copy_options::recursive);
    // As before a crash: most of a store has been there for long.  Else whoever syncs would wait for all of it.
    bring_to_disk(copy);
    open_and_read(bench, copy, measurement);
    std::filesystem::remove_all(folder);
  }
  return measurement;
}

}  // namespace

void add_openings(std::vector<Workload>& all) {
  all.push_back({.name = "open_clean",
                 .title = "open and read one record, after a clean close",
                 .unit = "openings",
                 .needs = "load",
                 .run = open_clean});
  all.push_back({.name = "open_crashed",
                 .title = "open and read one record, 2,000 commits to recover",
                 .unit = "openings",
                 .needs = "load",
                 .run = open_crashed});
}

}  // namespace coffer::tools::bench
