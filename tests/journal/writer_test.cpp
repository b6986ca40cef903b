// What the writer does to the disk, what it costs, and what it leaves when something fails.
#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>

#include "tests/journal/allocations.hpp"
#include "tests/journal/bench.hpp"

namespace coffer::journal {
namespace {

using namespace testing;
using Kind = platform::SimulatedStep::Kind;

std::vector<platform::SimulatedStep> steps_since(const Bench& bench, std::uint64_t step) {
  auto log = bench.machine->log();
  log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(step));
  return log;
}

std::size_t count(const std::vector<platform::SimulatedStep>& steps, Kind kind) {
  return static_cast<std::size_t>(
      std::count_if(steps.begin(), steps.end(), [&](const auto& s) { return s.kind == kind; }));
}

bool changes_the_disk(const std::string& operation) {
  static const std::vector<std::string> reading = {"read", "open", "list", "map", "copy_out"};
  return std::find(reading.begin(), reading.end(), operation) == reading.end();
}

/// Makes the `nth` call that changes the disk fail, once.
template <class Failure>
void fail_nth(Bench& bench, int nth) {
  auto countdown = std::make_shared<int>(nth);
  bench.machine->set_fault(
      [countdown](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (!changes_the_disk(operation) || (*countdown)-- != 0) return;
        if constexpr (std::is_same_v<Failure, NoSpace>) {
          throw NoSpace("planted: no space");
        } else {
          throw IoError("planted failure", operation, path, 5);
        }
      });
}

/// Makes every write that reaches `position` or beyond fail.
void fail_writes_from(Bench& bench, std::uint64_t position) {
  bench.machine->set_fault([position](const char* operation, const platform::Path& path,
                                      std::uint64_t offset, std::uint64_t length) {
    const std::string name = path.filename().string();
    if (std::string(operation) != "write" || name == "journal-new") return;
    const std::uint64_t at = std::stoull(name.substr(8), nullptr, 16) * kSegmentBytes + offset;
    if (at + length > position) throw IoError("planted failure", operation, path, 5);
  });
}

void add_big(Bench& bench, int fragments) {
  const auto used = random_bytes(bench.random, 64'000);
  for (int i = 0; i < fragments; ++i) {
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
  }
}

/// The journal holds exactly what was committed, and takes another commit.
void check_usable(Bench& bench) {
  bench.commit();
  bench.sync();
  const Scanned scanned = bench.scan();
  CHECK(scanned.history == bench.history);
  CHECK(scanned.result.end.position == bench.writer->end().position);
}

TEST_CASE("A small commit is one write of one block, and its sync one sync") {
  Bench bench;
  bench.commit();
  bench.sync();
  const auto before = bench.machine->steps();
  bench.commit(100);
  auto steps = steps_since(bench, before);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].kind == Kind::write);
  // 176 + 13 + 100 + 17 bytes, padding, and zeros up to the grid.
  CHECK(steps[0].length == 4096);
  bench.sync();
  steps = steps_since(bench, before);
  REQUIRE(steps.size() == 2);
  CHECK(steps[1].kind == Kind::sync);
  // Nothing to do: no sync.
  bench.sync();
  CHECK(bench.machine->steps() == before + 2);
}

TEST_CASE("A large commit is written in batches of 256 KiB, in pieces where segments end") {
  // Each image fills a fragment of 64 KiB; the commit state fits behind the last.
  Bench bench;
  bench.writer->reserve(2 * 1024 * 1024);
  auto before = bench.machine->steps();
  bench.begin();
  add_big(bench, 16);
  bench.finish();
  CHECK(bench.machine->steps() - before == 16);
  CHECK(bench.scan().history == bench.history);

  const platform::Path directory = "/large";
  bench.machine->files().make_directory(directory);
  JournalWriter writer(files_on(*bench.machine, directory, 4 * 1024 * 1024),
                       bench.identity.sealer(), bench.machine->entropy(), bench.start.generation,
                       bench.start.epoch, end_of(bench.start), bench.staging);
  writer.reserve(2 * 1024 * 1024);
  before = bench.machine->steps();
  const auto used = random_bytes(bench.random, 64'000);
  writer.begin(CommitNumber{1});
  for (int i = 0; i < 16; ++i) {
    writer.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
  }
  writer.finish({.catalog_root = {}, .next_value_id = 0}, Lsn{0});
  CHECK(bench.machine->steps() - before == 4);
}

TEST_CASE("Segments are written whole and synced under another name, and named durably") {
  Bench bench;
  const auto before = bench.machine->steps();
  bench.writer->reserve(0);  // nothing is wanted
  CHECK(bench.machine->steps() == before);
  bench.writer->reserve(1);
  const auto steps = steps_since(bench, before);
  REQUIRE(steps.size() == 5);
  CHECK(steps[0].kind == Kind::create);
  CHECK(steps[1].kind == Kind::write);
  CHECK(steps[1].length == kSegmentBytes);
  CHECK(steps[2].kind == Kind::sync);
  CHECK(steps[3].kind == Kind::rename);
  CHECK(steps[4].kind == Kind::sync_directory);
  CHECK(bench.writer->file_bytes() == kSegmentBytes);
  bench.writer->reserve(kSegmentBytes);
  CHECK(bench.machine->steps() == before + 5);
  bench.writer->reserve(3 * kSegmentBytes + 1);
  CHECK(bench.writer->file_bytes() == 4 * kSegmentBytes);
}

TEST_CASE("In a steady state segments are used again and none is made or removed") {
  Bench bench;
  const auto interval = [&] {
    for (int i = 0; i < 40; ++i) bench.commit(3000);
    bench.sync();
    bench.writer->recycle(bench.writer->end().position);
  };
  for (int i = 0; i < 3; ++i) interval();
  const auto before = bench.machine->steps();
  const auto bytes = bench.writer->file_bytes();
  for (int i = 0; i < 5; ++i) interval();
  const auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::create) == 0);
  CHECK(count(steps, Kind::remove) == 0);
  CHECK(count(steps, Kind::rename) >= 10);
  CHECK(bench.writer->file_bytes() <= bytes + kSegmentBytes);
  CHECK(bytes <= 8 * kSegmentBytes);
}

TEST_CASE("A short interval between long ones does not cost them their segments") {
  Bench bench;
  const auto interval = [&](int commits) {
    for (int i = 0; i < commits; ++i) bench.commit(3000);
    bench.sync();
    bench.writer->recycle(bench.writer->end().position);
  };
  for (int i = 0; i < 3; ++i) interval(48);  // three segments each
  interval(1);
  const auto before = bench.machine->steps();
  interval(47);
  const auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::create) == 0);
  CHECK(count(steps, Kind::rename) >= 2);
}

TEST_CASE("Segments to be used again are made ready beforehand, with one sync of the directory") {
  Bench bench;
  for (int interval = 0; interval < 2; ++interval) {
    for (int i = 0; i < 80; ++i) bench.commit(3000);
    bench.sync();
    bench.writer->recycle(bench.writer->end().position);
  }
  auto before = bench.machine->steps();
  bench.writer->prepare_room(bench.writer->end().position);
  auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::create) == 0);
  CHECK(count(steps, Kind::rename) >= 4);
  CHECK(count(steps, Kind::sync_directory) == 1);

  before = bench.machine->steps();
  bench.writer->prepare_room(bench.writer->end().position);
  CHECK(bench.machine->steps() == before);
  for (int i = 0; i < 60; ++i) bench.commit(3000);
  steps = steps_since(bench, before);
  CHECK(count(steps, Kind::write) == steps.size());
}

TEST_CASE("Room for as many bytes as are asked for is made beforehand") {
  Bench bench;
  bench.commit(3000);
  constexpr std::uint64_t kAhead = 5 * kSegmentBytes;
  int calls = 1;
  while (bench.writer->prepare_room(bench.writer->end().position, kAhead)) ++calls;
  CHECK(calls >= 4);
  const std::uint64_t file_bytes = bench.writer->file_bytes();
  CHECK(file_bytes >= kAhead);
  CHECK(file_bytes <= kAhead + 2 * kSegmentBytes);

  const auto before = bench.machine->steps();
  CHECK_FALSE(bench.writer->prepare_room(bench.writer->end().position, kAhead));
  CHECK(bench.machine->steps() == before);
  const Lsn until = bench.writer->end().position.next(kAhead - kSegmentBytes);
  while (bench.writer->end().position < until) bench.commit(3000);
  const auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::write) == steps.size());
}

TEST_CASE("Room for what comes during a checkpoint is not made anew for each") {
  // Commits of an interval that come while the checkpoint is under way.
  const int meanwhile = GENERATE(0, 10, 40, 80);
  const std::uint64_t asked = GENERATE(as<std::uint64_t>(), 0, 1, 10) * kSegmentBytes;
  CAPTURE(meanwhile, asked);
  Bench bench;
  std::size_t before = 0;
  for (int interval = 0; interval < 6; ++interval) {
    if (interval == 3) before = bench.machine->steps();
    while (bench.writer->prepare_room(bench.writer->end().position, asked)) {
    }
    const Lsn frozen = bench.writer->end().position;
    for (int i = 0; i < meanwhile; ++i) bench.commit(3000);
    bench.sync();
    bench.writer->recycle(frozen);
    for (int i = meanwhile; i < 80; ++i) bench.commit(3000);
  }
  const auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::create) == 0);
  CHECK(count(steps, Kind::remove) == 0);
}

TEST_CASE("Before closing, segments that wait to be written are removed, but one") {
  const bool ready = GENERATE(false, true);
  const bool removal_fails = GENERATE(false, true);
  CAPTURE(ready, removal_fails);
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.commit(60'000);
  bench.sync();
  const JournalEnd end = bench.writer->end();
  bench.writer->recycle(end.position);
  if (ready) bench.writer->prepare_room(end.position);
  if (removal_fails) {
    bench.machine->set_fault(
        [](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          if (std::string(operation) == "remove") throw IoError("planted", operation, path, 5);
        });
  }
  CHECK_NOTHROW(bench.writer->shrink());
  bench.machine->set_fault({});
  CHECK(bench.writer->file_bytes() == 2 * kSegmentBytes);
  const auto left = bench.machine->files().list(kDirectory).size();
  if (removal_fails) {
    CHECK(left > 15);
  } else {
    CHECK(left == 2);
  }
  // A writer that goes on makes its room itself, and one that comes later finds what is there.
  bench.start = {.position = end.position,
                 .generation = bench.start.generation,
                 .previous_tag = end.last_tag,
                 .last_commit = end.last_commit,
                 .durable_upto = end.position,
                 .epoch = bench.start.epoch};
  bench.history.clear();
  for (int i = 0; i < 40; ++i) bench.commit(3000);
  check_usable(bench);
  bench.open_at(bench.writer->end());
  for (int i = 0; i < 400; ++i) bench.commit(3000);
  check_usable(bench);
}

TEST_CASE("After a burst, segments that two intervals have not wanted are removed, but one") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.commit(60'000);
  bench.sync();
  bench.writer->recycle(bench.writer->end().position);
  CHECK(bench.writer->file_bytes() > 15 * kSegmentBytes);
  bench.commit();
  bench.writer->recycle(bench.writer->end().position);
  CHECK(bench.writer->file_bytes() > 15 * kSegmentBytes);
  bench.commit();
  bench.writer->recycle(bench.writer->end().position);
  CHECK(bench.writer->file_bytes() <= 3 * kSegmentBytes);
  CHECK(bench.writer->file_bytes() >= 2 * kSegmentBytes);
  // What is accounted for is what is there.
  CHECK(bench.machine->files().list(kDirectory).size() * kSegmentBytes ==
        bench.writer->file_bytes());
}

TEST_CASE("A spare segment that cannot be removed is tried again") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.commit(60'000);
  bench.sync();
  bench.writer->recycle(bench.writer->end().position);
  bench.commit();
  bench.writer->recycle(bench.writer->end().position);
  bench.commit();
  bench.machine->set_fault(
      [](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (std::string(operation) == "remove") throw IoError("planted", operation, path, 5);
      });
  CHECK_NOTHROW(bench.writer->recycle(bench.writer->end().position));
  CHECK(bench.writer->file_bytes() > 15 * kSegmentBytes);
  bench.machine->set_fault({});
  bench.writer->recycle(bench.writer->end().position);
  CHECK(bench.writer->file_bytes() <= 3 * kSegmentBytes);
}

TEST_CASE("Segments that an earlier writer left are used again") {
  Bench bench;
  for (int i = 0; i < 40; ++i) bench.commit(3000);
  bench.sync();
  bench.start = JournalStart{.position = bench.writer->end().position,
                             .generation = generation_from(5),
                             .previous_tag = bench.writer->end().last_tag,
                             .last_commit = bench.writer->end().last_commit,
                             .durable_upto = bench.writer->end().position,
                             .epoch = Epoch{1}};
  bench.history.clear();
  bench.open();
  CHECK(bench.writer->file_bytes() == 3 * kSegmentBytes);
  bench.writer->recycle(bench.writer->end().position);
  const auto before = bench.machine->steps();
  for (int i = 0; i < 16; ++i) bench.commit(3000);
  const auto steps = steps_since(bench, before);
  CHECK(count(steps, Kind::create) == 0);
  CHECK(count(steps, Kind::rename) == 1);
  CHECK(bench.scan().history == bench.history);
}

TEST_CASE("A segment that is too short is made whole before it is used") {
  Bench bench;
  bench.commit();
  bench.sync();
  auto all = bench.machine->contents(Bench::path_of(0));
  all.resize(5000);
  bench.machine->set_contents(Bench::path_of(0), all);
  bench.open_at(bench.writer->end());
  bench.writer->reserve(1);
  CHECK(bench.machine->contents(Bench::path_of(0)).size() == kSegmentBytes);
  check_usable(bench);
}

TEST_CASE("A spare segment that was cut is made whole before it is used") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.commit(3000);
  bench.sync();
  bench.writer->recycle(bench.writer->end().position);
  auto all = bench.machine->contents(Bench::path_of(0));
  all.resize(5000);
  bench.machine->set_contents(Bench::path_of(0), all);
  const auto before = bench.machine->steps();
  const std::uint64_t end = bench.writer->end().position.value;
  bench.writer->reserve(kSegmentBytes);
  CHECK(count(steps_since(bench, before), Kind::create) == 0);
  CHECK(bench.machine->contents(Bench::path_of(end + kSegmentBytes)).size() == kSegmentBytes);
  bench.start.position = bench.writer->end().position;
  bench.start.previous_tag = bench.writer->end().last_tag;
  bench.start.last_commit = bench.writer->end().last_commit;
  bench.history.clear();
  check_usable(bench);
}

TEST_CASE("What an unfinished segment left is cleared away") {
  Bench bench;
  static_cast<void>(bench.machine->files().create(platform::Path(kDirectory) / "journal-new"));
  check_usable(bench);
  CHECK(bench.machine->files().list(kDirectory).size() == 1);
}

TEST_CASE("The first sync covers what a killed process had written and not synced") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.commit(3000);
  bench.open_at(bench.writer->end());
  bench.sync();
  const auto cut =
      bench.machine->cut_at(bench.machine->steps(), platform::CutOutcome::nothing_lands, 1);
  CHECK(scan(*cut, bench.identity, bench.start).history == bench.history);
}

TEST_CASE("An abandoned transaction leaves no trace in the history, however large") {
  for (const int fragments : {0, 1, 4, 5, 11}) {
    CAPTURE(fragments);
    Bench bench;
    bench.commit();
    bench.begin();
    add_big(bench, fragments);
    bench.abandon();
    CHECK(bench.writer->end().position == Lsn{4096});
    check_usable(bench);
    bench.begin();
    add_big(bench, 7);
    bench.finish();
    check_usable(bench);
  }
}

TEST_CASE("A full disk during reserve changes nothing that matters, wherever it strikes") {
  for (const bool with_spare : {false, true}) {
    int failed = 0;
    for (int nth = 0;; ++nth) {
      CAPTURE(nth, with_spare);
      Bench bench;
      bench.commit();
      if (with_spare) {
        for (int i = 0; i < 20; ++i) bench.commit(3000);
        bench.sync();
        bench.writer->recycle(bench.writer->end().position);
      }
      const auto bytes = bench.writer->file_bytes();
      const auto names = bench.machine->files().list(kDirectory).size();
      fail_nth<NoSpace>(bench, nth);
      bool thrown = false;
      try {
        bench.writer->reserve(3 * kSegmentBytes);
      } catch (const NoSpace&) {
        thrown = true;
      }
      bench.machine->set_fault({});
      if (!thrown) break;
      ++failed;
      CHECK(bench.writer->file_bytes() == bytes);
      CHECK(bench.machine->files().list(kDirectory).size() == names);
      bench.history.erase(bench.history.begin(), bench.history.end() - (with_spare ? 0 : 1));
      if (with_spare) {
        bench.start.position = bench.writer->end().position;
        bench.start.previous_tag = bench.writer->end().last_tag;
        bench.start.last_commit = bench.writer->end().last_commit;
      }
      check_usable(bench);
      bench.writer->reserve(3 * kSegmentBytes);
      check_usable(bench);
    }
    CHECK(failed >= 10);
  }
}

TEST_CASE("A disk that is really full refuses the commit and takes the next one that fits") {
  Bench bench;
  bench.commit();
  bench.machine->set_capacity_bytes(4 * kSegmentBytes);
  bench.begin();
  CHECK_THROWS_AS(add_big(bench, 12), NoSpace);
  bench.abandon();
  check_usable(bench);
  bench.machine->set_capacity_bytes(100 * kSegmentBytes);
  bench.begin();
  add_big(bench, 12);
  bench.finish();
  check_usable(bench);
}

TEST_CASE("Any single failure in a large commit either leaves the writer usable or poisons it") {
  int ordinary = 0;
  int poisoned = 0;
  for (int nth = 0;; ++nth) {
    CAPTURE(nth);
    Bench bench;
    bench.commit();
    bench.sync();
    fail_nth<IoError>(bench, nth);
    bool thrown = false;
    try {
      bench.begin();
      add_big(bench, 9);
      bench.finish();
    } catch (const IoError&) {
      thrown = true;
      ++ordinary;
      bench.machine->set_fault({});
      bench.abandon();
      check_usable(bench);
    } catch (const JournalWriter::Poisoning& poisoning) {
      thrown = true;
      ++poisoned;
      bench.machine->set_fault({});
      CHECK_THROWS_AS(std::rethrow_exception(poisoning.cause()), IoError);
      bench.abandon();
      CHECK_THROWS_AS(bench.writer->begin(CommitNumber{2}), Poisoned);
      CHECK(bench.writer->end().last_commit == CommitNumber{1});
      CHECK(bench.scan().history.size() == 1);
    }
    if (!thrown) break;
  }
  CHECK(ordinary >= 40);
  // The last batch crosses into one more segment: only what holds the commit mark poisons.
  CHECK(poisoned >= 1);
  CHECK(poisoned <= 2);
}

TEST_CASE("A failed write of the commit mark poisons, one of earlier fragments does not") {
  Bench bench;
  bench.writer->reserve(1024 * 1024);
  SECTION("one fragment") {
    fail_writes_from(bench, 0);
    bench.begin();
    CHECK_THROWS_AS(bench.finish(), JournalWriter::Poisoning);
  }
  SECTION("the second of two, in the segment behind the first's") {
    bench.begin();
    add_big(bench, 1);  // [0, 64 KiB): the mark's fragment is the next segment's first
    const auto used = random_bytes(bench.random, 2000);
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
    fail_writes_from(bench, 64 * 1024);
    CHECK_THROWS_AS(bench.finish(), JournalWriter::Poisoning);
  }
  SECTION("the first of two, in the segment before the second's") {
    bench.begin();
    add_big(bench, 1);
    const auto used = random_bytes(bench.random, 2000);
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
    fail_nth<IoError>(bench, 0);
    CHECK_THROWS_AS(bench.finish(), IoError);
    bench.machine->set_fault({});
    bench.abandon();
    check_usable(bench);
    return;
  }
  bench.machine->set_fault({});
  bench.abandon();
  CHECK_THROWS_AS(bench.writer->begin(CommitNumber{1}), Poisoned);
  CHECK_THROWS_AS(bench.writer->sync(), Poisoned);
}

TEST_CASE("After a failed sync the writer refuses everything") {
  Bench bench;
  bench.commit();
  bench.machine->set_failed_sync_drops_writes(true);
  bench.machine->set_fault(
      [](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (std::string(operation) == "data_sync") throw IoError("planted", operation, path, 5);
      });
  CHECK_THROWS_AS(bench.writer->sync(), IoError);
  bench.machine->set_fault({});
  CHECK_THROWS_AS(bench.writer->sync(), Poisoned);
  CHECK_THROWS_AS(bench.writer->begin(CommitNumber{2}), Poisoned);
  CHECK_THROWS_AS(bench.writer->reserve(1), Poisoned);
  CHECK_THROWS_AS(bench.writer->recycle(Lsn{0}), Poisoned);
  CHECK(bench.writer->end().last_commit == CommitNumber{1});
}

TEST_CASE("A transaction under way when a sync fails cannot be finished") {
  Bench bench;
  bench.commit();
  bench.begin();
  add_big(bench, 1);
  fail_nth<IoError>(bench, 0);
  CHECK_THROWS_AS(bench.writer->sync(), IoError);
  bench.machine->set_fault({});
  CHECK_THROWS_AS(bench.finish(), Poisoned);
  bench.abandon();
  CHECK(bench.scan().history.size() == 1);
}

TEST_CASE("A failed draw of entropy aborts its transaction only") {
  class Empty : public platform::Entropy {
   public:
    explicit Empty(platform::Entropy& below) : below_(below) {}
    void fill(std::span<std::byte> out) override {
      if (fails) throw IoError("planted", "getrandom", {}, 5);
      below_.fill(out);
    }
    bool fails = false;

   private:
    platform::Entropy& below_;
  };
  Bench bench;
  Empty entropy(bench.machine->entropy());
  bench.writer = std::make_unique<JournalWriter>(files_on(*bench.machine), bench.identity.sealer(),
                                                 entropy, bench.start.generation, bench.start.epoch,
                                                 end_of(bench.start), bench.staging);
  bench.commit();
  entropy.fails = true;
  bench.begin();
  CHECK_THROWS_AS(bench.finish(), IoError);
  bench.abandon();
  entropy.fails = false;
  check_usable(bench);
}

TEST_CASE("A failed allocation anywhere leaves the writer usable or poisoned, and nothing lost") {
  int failures = 0;
  for (std::uint64_t nth = 0;; ++nth) {
    CAPTURE(nth);
    Bench bench;
    bench.commit();
    const auto used = random_bytes(bench.random, 64'000);
    bool poisoned = false;
    bool thrown = false;
    fail_allocation(nth);
    try {
      bench.writer->reserve(2 * kSegmentBytes);
      bench.writer->begin(CommitNumber{2});
      for (int i = 0; i < 6; ++i) {
        bench.writer->add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
      }
      bench.writer->finish({.catalog_root = {}, .next_value_id = 1}, Lsn{0});
    } catch (const std::bad_alloc&) {
      thrown = true;
    } catch (const JournalWriter::Poisoning&) {
      thrown = true;
      poisoned = true;
    }
    const bool all_succeeded = stop_failing_allocations();
    CHECK(all_succeeded == !thrown);  // a failure that somebody swallows would end the row too soon
    if (!thrown) break;
    ++failures;
    bench.abandon();
    if (!poisoned) check_usable(bench);
    CHECK(is_prefix(bench.history, bench.scan().history));
  }
  CHECK(failures > 20);
}

TEST_CASE("The staging memory holds no plaintext after a commit, an abandoned one or a failure") {
  const auto wiped = [](const Memory& memory) {
    return std::all_of(memory.begin(), memory.begin() + format::kBodyBytesMax,
                       [](std::byte b) { return b == std::byte{0}; });
  };
  Bench bench;
  bench.commit(60'000);
  CHECK(wiped(bench.staging));
  bench.begin();
  add_big(bench, 2);
  CHECK_FALSE(wiped(bench.staging));
  bench.abandon();
  CHECK(wiped(bench.staging));
  bench.begin();
  add_big(bench, 1);
  bench.writer.reset();
  CHECK(wiped(bench.staging));
}

TEST_CASE("What goes to the disk holds nothing of what was committed") {
  Bench bench;
  const std::string secret = "the quick brown fox jumps over the lazy dog, twice";
  bench.begin();
  bench.add(PageImage{.page = PageId{1},
                      .is_new = true,
                      .used = std::as_bytes(std::span(secret.data(), secret.size()))});
  bench.finish();
  const auto disk = bench.machine->contents(Bench::path_of(0));
  for (std::size_t at = 0; at + 8 <= secret.size(); ++at) {
    CHECK(text(disk).find(secret.substr(at, 8)) == std::string::npos);
  }
}

}  // namespace
}  // namespace coffer::journal
