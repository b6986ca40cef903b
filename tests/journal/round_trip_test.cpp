// What is written is what is read: every kind of record, every size, both suites, over segments.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>

#include "tests/journal/bench.hpp"

namespace coffer::journal {
namespace {

using namespace testing;

void add_random_record(Bench& bench, std::size_t payload_bytes_max) {
  Random& random = bench.random;
  const auto payload = random_bytes(random, pick(random, payload_bytes_max + 1));
  crypto::Tag tag;
  for (auto& b : tag) b = static_cast<std::byte>(random());
  switch (pick(random, 6)) {
    case 0:
      bench.add(
          PageImage{.page = PageId{random()}, .is_new = pick(random, 2) == 0, .used = payload});
      break;
    case 1:
      bench.add(PageDelta{.page = PageId{random()},
                          .base = CommitNumber{random()},
                          .mask = random(),
                          .blocks = payload});
      break;
    case 2:
      bench.add(PageReference{.page = PageId{random()},
                              .is_new = pick(random, 2) == 0,
                              .slot = SlotId{random()},
                              .sealed_bytes = static_cast<std::uint32_t>(random()),
                              .epoch = Epoch{static_cast<std::uint32_t>(random())},
                              .tag = tag});
      break;
    case 3:
      bench.add(PageFreed{.page = PageId{random()}});
      break;
    case 4:
      bench.add(
          RunAllocated{.first = SlotId{random()}, .slots = static_cast<std::uint32_t>(random())});
      break;
    default:
      bench.add(RunFreed{.first = SlotId{random()},
                         .slots = static_cast<std::uint32_t>(random()),
                         .born = CommitNumber{random()}});
  }
}

void check_read_back(Bench& bench) {
  const Scanned scanned = bench.scan();
  CHECK(scanned.history == bench.history);
  CHECK(scanned.result.end.position == bench.writer->end().position);
  CHECK(scanned.result.end.last_tag == bench.writer->end().last_tag);
  CHECK(scanned.result.end.last_commit == bench.writer->end().last_commit);
  CHECK_FALSE(scanned.result.dropped);
}

TEST_CASE("Random transactions of all kinds of records are read back, in both suites") {
  for (const auto suite : {crypto::Suite::xchacha20poly1305, crypto::Suite::none}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(static_cast<int>(suite), seed);
      Bench bench(seed, suite);
      bench.random.seed(seed);
      for (int t = 0; t < 20; ++t) {
        bench.begin();
        for (std::size_t n = pick(bench.random, 30); n > 0; --n) {
          add_random_record(bench, t % 4 == 0 ? record_payload_bytes_max() : 300);
        }
        bench.finish();
      }
      check_read_back(bench);
    }
  }
}

TEST_CASE("An empty journal, with and without segment files, has no history") {
  Bench bench;
  CHECK(bench.scan().history.empty());
  CHECK_FALSE(bench.scan().result.dropped);
  bench.writer->reserve(1);
  CHECK(bench.machine->files().exists(Bench::path_of(0)));
  CHECK(bench.scan().history.empty());
  CHECK_FALSE(bench.scan().result.dropped);
  CHECK(bench.scan().result.end.position == Lsn{0});
}

TEST_CASE("A transaction without records but its state is a transaction") {
  Bench bench;
  bench.begin();
  bench.finish();
  check_read_back(bench);
}

TEST_CASE("Records of every size up to the largest are read back") {
  Bench bench;
  const std::size_t most = record_payload_bytes_max();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, most - 17, most - 16, most - 1, most}) {
    CAPTURE(size);
    const auto payload = random_bytes(bench.random, size);
    bench.begin();
    bench.add(PageDelta{.page = PageId{1}, .base = CommitNumber{0}, .mask = 1, .blocks = payload});
    bench.finish();
    bench.begin();
    bench.add(PageImage{.page = PageId{1}, .is_new = true, .used = payload});
    bench.add(PageImage{.page = PageId{2}, .is_new = true, .used = payload});
    bench.finish();
  }
  check_read_back(bench);
}

TEST_CASE("A fragment takes no more than 64 KiB and the next begins on the grid") {
  Bench bench;
  bench.commit(record_payload_bytes_max());
  // The largest payload fills one fragment up to the fixed parts; the commit state has its own.
  CHECK(bench.writer->end().position == Lsn{64 * 1024 + 4096});
  bench.commit(100);
  CHECK(bench.writer->end().position == Lsn{64 * 1024 + 2 * 4096});
  check_read_back(bench);
}

TEST_CASE("A journal may begin at any position on the grid and after any commit") {
  for (const std::uint64_t position : {4096ull, 15 * 4096ull, 65536ull, 7 * 65536ull + 8192}) {
    CAPTURE(position);
    Bench bench;
    bench.start.position = Lsn{position};
    bench.start.last_commit = CommitNumber{99};
    bench.start.previous_tag = crypto::Tag{std::byte{1}, std::byte{2}};
    bench.start.epoch = Epoch{4};
    bench.open();
    bench.commit(70'000 % record_payload_bytes_max());
    bench.commit(10);
    CHECK(bench.history[0].commit == 100);
    check_read_back(bench);
  }
}

TEST_CASE("A writer goes on where another had stopped") {
  Bench bench;
  for (int i = 0; i < 30; ++i) {
    bench.commit(pick(bench.random, 9000));
    if (i % 3 == 0) bench.open_at(bench.scan().result.end);
  }
  check_read_back(bench);
}

TEST_CASE("The second pass visits whole transactions up to the first one's end, and no more") {
  Bench bench;
  bench.commit();
  bench.commit(50'000);
  const JournalEnd until = bench.writer->end();
  bench.commit();
  // An unfinished transaction of several fragments: pass 1 may see it, pass 2 must not.
  bench.begin();
  const auto used = random_bytes(bench.random, 60'000);
  for (int i = 0; i < 6; ++i) {
    bench.writer->add(PageImage{.page = PageId{9}, .is_new = false, .used = used});
  }
  const Scanned first = bench.scan();
  CHECK(first.history == bench.history);
  CHECK(first.result.dropped);

  const crypto::Sealer sealer = bench.identity.sealer();
  Memory buffer(kFragmentBytesMax);
  for (const JournalEnd& end : {first.result.end, until}) {
    Collector collector;
    const ScanResult result =
        scan_journal(files_on(*bench.machine), sealer, bench.start, buffer, collector, &end);
    CHECK(result.end.position == end.position);
    CHECK_FALSE(result.dropped);
    CHECK(collector.begun == collector.history.size());
    CHECK(is_prefix(collector.history, bench.history));
    CHECK(collector.history.back().end == end.position.value);
  }
  // Plaintext does not stay behind.
  CHECK(std::all_of(buffer.begin(), buffer.end(), [](std::byte b) { return b == std::byte{0}; }));

  SECTION("a journal that changed in between is refused") {
    auto byte = bench.peek(until.position.value - 4096 + 200, 1);
    byte[0] ^= std::byte{1};
    bench.poke(until.position.value - 4096 + 200, byte);
    Collector collector;
    CHECK_THROWS_AS(scan_journal(files_on(*bench.machine), sealer, bench.start, buffer, collector,
                                 &first.result.end),
                    Tampered);
  }
  SECTION("an end that is not where the first pass found it is refused") {
    JournalEnd other = until;
    SECTION("another position") {
      other.position = Lsn{until.position.value + 1};
    }
    SECTION("another tag") {
      other.last_tag[0] ^= std::byte{1};
    }
    SECTION("another commit") {
      other.last_commit = until.last_commit.next();
    }
    Collector collector;
    CHECK_THROWS_AS(
        scan_journal(files_on(*bench.machine), sealer, bench.start, buffer, collector, &other),
        Tampered);
  }
}

TEST_CASE("A reader reads at any position, in any order") {
  Bench bench;
  for (int i = 0; i < 40; ++i) bench.commit(3000);  // two segments and a half
  JournalReader reader(files_on(*bench.machine));
  const std::uint64_t end = bench.writer->end().position.value;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t position = pick(bench.random, end / 4096) * 4096;
    const auto read = reader.at(Lsn{position}, 4096);
    CHECK(std::vector<std::byte>(read.begin(), read.end()) == bench.peek(position, 4096));
  }
}

TEST_CASE("A file with a number that no position reaches is no segment") {
  Bench bench;
  bench.commit();
  const auto beyond = platform::Path(kDirectory) / "journal-ffffffffffffffff";
  bench.machine->files().create(beyond)->write_at(0, random_bytes(bench.random, 5000));
  check_read_back(bench);
  CHECK(journal_file_bytes(files_on(*bench.machine)) == kSegmentBytes);
  bench.open_at(bench.writer->end());
  bench.commit();
  check_read_back(bench);
  CHECK(bench.machine->contents(beyond).size() == 5000);
}

TEST_CASE("A transaction of 100,000 references passes through bounded memory") {
  Bench bench;
  bench.begin();
  crypto::Tag tag{};
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    bench.add(PageReference{.page = PageId{i + 1},
                            .is_new = true,
                            .slot = SlotId{i * 3},
                            .sealed_bytes = 4000,
                            .epoch = Epoch{1},
                            .tag = tag});
  }
  const JournalEnd end = bench.finish();
  CHECK(end.position.value > 100'000 * 41);
  CHECK(end.position.value < 100'000 * 41 + 100 * 4096);
  check_read_back(bench);
  // The writes show what was held at most: a batch and a fragment.
  std::uint64_t largest = 0;
  for (const auto& step : bench.machine->log()) {
    if (step.kind == platform::SimulatedStep::Kind::write) {
      largest = std::max(largest, step.length);
    }
  }
  CHECK(largest <= (256 + 64) * 1024);
}

TEST_CASE("Records say no more than record_bytes promises") {
  Bench bench;
  std::uint64_t promised = 0;
  bench.begin();
  for (int i = 0; i < 3000; ++i) {
    add_random_record(bench, 0);
    promised += record_bytes(0);
  }
  const JournalEnd end = bench.finish();
  CHECK(end.position.value <= promised + 3 * 4096);
}

}  // namespace
}  // namespace coffer::journal
