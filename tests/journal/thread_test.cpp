// The writer's thread commits while others sync, ask for the end and let segments be used again; on
// the system that the test runs on.
#include <atomic>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/journal/allocations.hpp"
#include "tests/journal/bench.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::journal {
namespace {

using namespace testing;

TEST_CASE("Syncs and recycling from other threads do not disturb the writer", "[threads]") {
  const test::TempDirectory directory;
  platform::Platform& system = platform::native_platform();
  const Identity identity(3);
  const crypto::Sealer sealer = identity.sealer();
  JournalStart start{.position = {},
                     .generation = generation_from(1),
                     .previous_tag = {},
                     .last_commit = {},
                     .durable_upto = {},
                     .epoch = Epoch{1}};
  Memory staging(kFragmentBytesMax);
  const JournalFiles files = files_on(system, directory.path());
  JournalWriter writer(files, sealer, system.entropy(), start.generation, start.epoch,
                       end_of(start), staging);

  std::atomic<bool> done{false};
  std::mutex mutex;
  JournalEnd synced;      // under mutex
  JournalEnd checkpoint;  // under mutex
  const auto sync_loop = [&](bool recycles) {
    while (!done) {
      const JournalEnd end = writer.end();
      writer.sync();
      {
        const std::lock_guard lock(mutex);
        if (end.position > synced.position) synced = end;
      }
      if (!recycles) continue;
      writer.recycle(end.position);
      const std::lock_guard lock(mutex);
      if (end.position > checkpoint.position) checkpoint = end;
    }
  };
  std::thread first(sync_loop, true);
  std::thread second(sync_loop, false);

  History history;
  Random random(5);
  for (std::uint64_t commit = 1; commit <= 600; ++commit) {
    writer.begin(CommitNumber{commit});
    Transaction t{.commit = commit, .records = {}, .end = 0};
    for (std::size_t n = pick(random, 4); n > 0; --n) {
      const auto used = random_bytes(random, pick(random, commit % 50 == 0 ? 60'000 : 2000));
      const PageImage image{.page = PageId{n}, .is_new = false, .used = used};
      writer.add(image);
      t.records.push_back(describe(image));
    }
    if (commit % 7 == 0) {
      writer.abandon();
      writer.begin(CommitNumber{commit});
      t.records.clear();
    }
    const CommitState state{.catalog_root = PageId{1}, .next_value_id = commit};
    t.records.push_back(describe(state));
    JournalEnd durable;
    {
      const std::lock_guard lock(mutex);
      durable = synced;
    }
    t.end = writer.finish(state, durable.position).position.value;
    history.push_back(std::move(t));
  }
  done = true;
  first.join();
  second.join();

  start.position = checkpoint.position;
  start.previous_tag = checkpoint.last_tag;
  start.last_commit = checkpoint.last_commit;
  start.durable_upto = checkpoint.position;
  Memory buffer(kFragmentBytesMax);
  Collector collector;
  const ScanResult result = scan_journal(files, sealer, start, buffer, collector);
  CHECK(result.end.last_commit == CommitNumber{600});
  CHECK(collector.history ==
        History(history.begin() + static_cast<std::ptrdiff_t>(start.last_commit.value),
                history.end()));
}

TEST_CASE("A small commit allocates nothing in its steady state") {
  const test::TempDirectory directory;
  platform::Platform& system = platform::native_platform();
  const Identity identity(4);
  JournalStart start;
  start.generation = generation_from(2);
  Memory staging(kFragmentBytesMax);
  JournalWriter writer(files_on(system, directory.path(), 1024 * 1024), identity.sealer(),
                       system.entropy(), start.generation, start.epoch, end_of(start), staging);
  const std::array<std::byte, 128> blocks{};
  std::uint64_t before = 0;
  for (std::uint64_t commit = 1; commit <= 100; ++commit) {
    if (commit == 2) before = allocations();
    writer.begin(CommitNumber{commit});
    writer.add(PageDelta{
        .page = PageId{1}, .base = CommitNumber{commit - 1}, .mask = 3, .blocks = blocks});
    writer.finish({.catalog_root = PageId{1}, .next_value_id = 1}, Lsn{0});
  }
  CHECK(allocations() == before);
}

}  // namespace
}  // namespace coffer::journal
