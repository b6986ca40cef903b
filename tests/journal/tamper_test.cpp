// What somebody who writes to the disk can do to a journal, and what a crash does to it: told apart
// by whether the fragment is proven to have been durable.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>

#include "journal/fragment.hpp"
#include "tests/journal/bench.hpp"

namespace coffer::journal {
namespace {

using namespace testing;

enum class Outcome { history, tampered, corrupted };

struct Seen {
  Outcome outcome = Outcome::history;
  Scanned scanned;
};

template <class Rules = TheRules>
Seen look(Bench& bench) {
  Seen seen;
  try {
    seen.scanned = scan<Rules>(*bench.machine, bench.identity, bench.start);
  } catch (const Tampered&) {
    seen.outcome = Outcome::tampered;
  } catch (const Corrupted&) {
    seen.outcome = Outcome::corrupted;
  }
  return seen;
}

/// The journal is read as its first `commits` transactions.
void check_ends_after(Bench& bench, std::size_t commits, bool dropped) {
  const Seen seen = look(bench);
  REQUIRE(seen.outcome == Outcome::history);
  CHECK(seen.scanned.history.size() == commits);
  CHECK(is_prefix(seen.scanned.history, bench.history));
  CHECK(seen.scanned.result.dropped == dropped);
}

void flip(Bench& bench, std::uint64_t position, unsigned mask = 1) {
  auto byte = bench.peek(position, 1);
  byte[0] ^= static_cast<std::byte>(mask);
  bench.poke(position, byte);
}

void zero(Bench& bench, std::uint64_t position, std::size_t bytes = 4096) {
  bench.poke(position, std::vector<std::byte>(bytes));
}

/// A fragment of any content, sealed with the store's key: what a faulty writer could write.
crypto::Tag forge(Bench& bench, FragmentHeader header, std::span<const std::byte> body) {
  crypto::NonceRun nonces(bench.machine->entropy());
  std::array<std::byte, format::kHeaderBytes> scratch{};
  std::vector<std::byte> out(format::kFragmentOverheadBytes + body.size());
  const auto tag =
      seal_fragment(bench.identity.sealer(), nonces, bench.start.epoch, header, body, scratch, out);
  bench.poke(header.position.value, out);
  return tag;
}

/// Three commits of one fragment each, at 0, 4096 and 8192; none proven durable by another.
struct ThreeCommits : Bench {
  explicit ThreeCommits(crypto::Suite suite = crypto::Suite::xchacha20poly1305) : Bench(5, suite) {
    for (int i = 0; i < 3; ++i) commit(60);
    REQUIRE(writer->end().position == Lsn{3 * 4096});
  }
};

TEST_CASE("Every flipped byte of a durable journal is found") {
  for (const auto suite : {crypto::Suite::xchacha20poly1305, crypto::Suite::none}) {
    ThreeCommits bench(suite);
    bench.start.durable_upto = bench.writer->end().position;
    const std::size_t length = format::kFragmentOverheadBytes + 13 + 60 + 17;
    for (std::uint64_t fragment = 0; fragment < 3; ++fragment) {
      for (std::size_t at = 0; at < length; ++at) {
        for (const unsigned mask : {1u, 0x80u}) {
          flip(bench, fragment * 4096 + at, mask);
          const Outcome outcome = look(bench).outcome;
          flip(bench, fragment * 4096 + at, mask);
          if (outcome != (suite == crypto::Suite::none ? Outcome::corrupted : Outcome::tampered)) {
            FAIL("byte " << at << " of fragment " << fragment << " with mask " << mask);
          }
        }
      }
    }
    check_ends_after(bench, 3, false);
  }
}

TEST_CASE("Every flipped byte of a journal that nothing proves durable ends it there") {
  ThreeCommits bench;
  const std::size_t length = format::kFragmentOverheadBytes + 13 + 60 + 17;
  for (std::uint64_t fragment = 0; fragment < 3; ++fragment) {
    for (std::size_t at = 0; at < length; ++at) {
      flip(bench, fragment * 4096 + at);
      const Seen seen = look(bench);
      flip(bench, fragment * 4096 + at);
      const bool cut = seen.outcome == Outcome::history &&
                       seen.scanned.history.size() == fragment &&
                       is_prefix(seen.scanned.history, bench.history);
      if (!cut) FAIL("byte " << at << " of fragment " << fragment);
      // The last fragment leaves no trace when its header is gone; a genuine header does.
      const bool header_gone = at < format::kBodyNonceAt;
      if (seen.scanned.result.dropped != (fragment < 2 || !header_gone)) {
        FAIL("dropped, byte " << at << " of fragment " << fragment);
      }
    }
  }
}

TEST_CASE("The bytes between fragments mean nothing") {
  ThreeCommits bench;
  bench.start.durable_upto = bench.writer->end().position;
  for (std::uint64_t fragment = 0; fragment < 3; ++fragment) {
    // Behind the header's 176 bytes, and a body of 130 padded to 256.
    bench.poke(fragment * 4096 + 432, random_bytes(bench.random, 4096 - 432));
  }
  check_ends_after(bench, 3, false);
}

TEST_CASE("A torn commit takes the one that overlapped it along, when nothing proves it durable") {
  ThreeCommits bench;
  zero(bench, 4096);
  check_ends_after(bench, 1, true);
}

TEST_CASE("A commit that a later header proves durable is not dropped quietly") {
  Bench bench;
  bench.commit();
  bench.commit();
  SECTION("because the writer synced") {
    bench.sync();
  }
  SECTION("because finish was told") {
    bench.begin();
    bench.writer->finish({.catalog_root = {}, .next_value_id = 0}, Lsn{8192});
  }
  bench.commit();
  CHECK(bench.scan().result.durable_upto == Lsn{8192});
  for (const std::uint64_t position : {0ull, 4096ull}) {
    const auto was = bench.peek(position, 4096);
    zero(bench, position);
    CHECK(look(bench).outcome == Outcome::tampered);
    bench.poke(position, was);
  }
  // The last one is not proven: it may be torn.
  const std::uint64_t last = bench.writer->end().position.value - 4096;
  zero(bench, last);
  CHECK(look(bench).outcome == Outcome::history);
}

TEST_CASE("A commit that the superblock proves durable is not dropped quietly") {
  ThreeCommits bench;
  bench.start.durable_upto = Lsn{2 * 4096};
  SECTION("zeroed") {
    zero(bench, 4096);
  }
  SECTION("cut off") {
    zero(bench, 4096);
    zero(bench, 8192);
  }
  SECTION("its file cut") {
    auto all = bench.machine->contents(Bench::path_of(0));
    all.resize(4096 + 200);
    bench.machine->set_contents(Bench::path_of(0), all);
  }
  SECTION("its file emptied") {
    bench.machine->set_contents(Bench::path_of(0), {});
  }
  SECTION("its file removed") {
    bench.machine->files().remove(Bench::path_of(0));
  }
  CHECK(look(bench).outcome == Outcome::tampered);
}

TEST_CASE("A tail that nothing proves durable may be torn in any way") {
  ThreeCommits bench;
  bench.start.durable_upto = Lsn{4096};
  SECTION("zeroed") {
    zero(bench, 4096);
    check_ends_after(bench, 1, true);
  }
  SECTION("cut within a body") {
    auto all = bench.machine->contents(Bench::path_of(0));
    all.resize(4096 + 200);
    bench.machine->set_contents(Bench::path_of(0), all);
    check_ends_after(bench, 1, true);
  }
  SECTION("cut within a header") {
    auto all = bench.machine->contents(Bench::path_of(0));
    all.resize(4096 + 100);
    bench.machine->set_contents(Bench::path_of(0), all);
    check_ends_after(bench, 1, false);
  }
}

TEST_CASE("An extent in the middle that is missing is told from the end by what lies beyond it") {
  Bench bench;
  for (int i = 0; i < 40; ++i) bench.commit(3000);  // two segments and a half
  const std::size_t before = 16;
  const bool proven = GENERATE(false, true);
  if (proven) {
    bench.sync();
    bench.commit();
  }
  bench.machine->files().remove(Bench::path_of(kSegmentBytes));
  if (proven) {
    CHECK(look(bench).outcome == Outcome::tampered);
  } else {
    check_ends_after(bench, before, true);
  }
}

TEST_CASE("Fragments that were swapped, repeated or moved are not accepted") {
  ThreeCommits bench;
  const bool proven = GENERATE(false, true);
  if (proven) bench.start.durable_upto = bench.writer->end().position;
  const auto first = bench.peek(0, 4096);
  const auto second = bench.peek(4096, 4096);
  const auto third = bench.peek(8192, 4096);
  std::size_t kept = 1;
  bool dropped = true;
  SECTION("swapped") {
    bench.poke(4096, third);
    bench.poke(8192, second);
    dropped = false;  // neither opens where it does not belong
  }
  SECTION("repeated") {
    bench.poke(4096, first);
  }
  SECTION("moved up") {
    bench.poke(0, second);
    bench.poke(4096, third);
    kept = 0;
  }
  SECTION("a body under another header") {
    bench.poke(4096 + format::kBodyNonceAt, std::span(third).subspan(format::kBodyNonceAt));
  }
  if (proven) {
    CHECK(look(bench).outcome == Outcome::tampered);
  } else {
    check_ends_after(bench, kept, dropped);
  }
}

TEST_CASE("A fragment of another store, another epoch or another history is not accepted") {
  ThreeCommits bench;
  const bool proven = GENERATE(false, true);
  if (proven) bench.start.durable_upto = bench.writer->end().position;
  ThreeCommits other;
  SECTION("another store with the same generation") {
    other.identity = Identity(77);
  }
  SECTION("another key of the same store") {
    other.identity.key = Identity(77).key;
  }
  SECTION("another key epoch") {
    other.start.epoch = Epoch{2};
  }
  SECTION("another generation of the same store") {
    other.start.generation = generation_from(4711);
  }
  SECTION("a diverged copy of the same store and generation") {
    other.random.seed(99);
  }
  other.open();
  for (int i = 0; i < 3; ++i) other.commit(60);
  bench.poke(4096, other.peek(4096, 4096));
  if (proven) {
    CHECK(look(bench).outcome == Outcome::tampered);
  } else {
    check_ends_after(bench, 1, true);  // commit 3 lies behind it
  }
}

TEST_CASE("A store is not opened with another one's key or suite") {
  ThreeCommits bench;
  bench.start.durable_upto = bench.writer->end().position;
  bench.identity.suite = crypto::Suite::none;
  CHECK(look(bench).outcome == Outcome::corrupted);
}

TEST_CASE("A dropped commit that is put back after a new generation began is refused") {
  ThreeCommits bench;
  // The crash: commit 2 did not land, commit 3 did.
  const auto second = bench.peek(4096, 4096);
  const auto third = bench.peek(8192, 4096);
  zero(bench, 4096);
  const Scanned scanned = bench.scan();
  REQUIRE(scanned.history.size() == 1);
  REQUIRE(scanned.result.dropped);

  // What recovery does then: a checkpoint that names a new generation.
  bench.start.position = scanned.result.end.position;
  bench.start.previous_tag = scanned.result.end.last_tag;
  bench.start.last_commit = scanned.result.end.last_commit;
  bench.start.generation = generation_from(31337);
  bench.open();
  bench.history.clear();

  SECTION("onto an empty journal") {
    bench.poke(4096, second);
    check_ends_after(bench, 0, false);
  }
  SECTION("over a commit that was durable") {
    bench.commit(60);
    bench.start.durable_upto = bench.writer->end().position;
    bench.poke(4096, second);
    CHECK(look(bench).outcome == Outcome::tampered);
  }
  SECTION("over a commit that nothing proves durable") {
    bench.commit(60);
    bench.poke(4096, second);
    check_ends_after(bench, 0, false);
  }
  SECTION("behind a new commit") {
    bench.commit(60);
    bench.poke(8192, third);
    check_ends_after(bench, 1, false);
  }
}

TEST_CASE("What an abandoned transaction left proves nothing and is not accepted") {
  Bench bench;
  bench.commit();
  bench.sync();
  bench.begin();
  const auto used = random_bytes(bench.random, 60'000);
  for (int i = 0; i < 12; ++i) {
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
  }
  bench.abandon();
  check_ends_after(bench, 1, true);

  // The next one is written over its beginning only.
  bench.commit();
  check_ends_after(bench, 2, true);
  bench.sync();
  bench.commit();
  check_ends_after(bench, 3, true);
}

TEST_CASE("An abandoned fragment in the place of a durable one is refused") {
  Bench bench;
  bench.commit();
  bench.begin();
  const auto used = random_bytes(bench.random, 64'000);
  for (int i = 0; i < 8; ++i) {
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
  }
  bench.abandon();
  // It carries the position, generation, predecessor and number of the commit written over it.
  const auto stale = bench.peek(4096, 60 * 1024);
  bench.commit(60'000);
  bench.commit();
  bench.start.durable_upto = bench.writer->end().position;
  check_ends_after(bench, 3, true);
  bench.poke(4096, stale);
  CHECK(look(bench).outcome == Outcome::tampered);
}

TEST_CASE("A claim of durability must be where a commit ends") {
  // Commits at 0 and 4096, and a superblock that calls something inside a third durable.
  Bench bench;
  bench.commit();
  bench.commit();
  bench.begin();
  const auto used = random_bytes(bench.random, 60'000);
  for (int i = 0; i < 8; ++i) {
    bench.add(PageImage{.page = PageId{1}, .is_new = false, .used = used});
  }
  bench.start.durable_upto = Lsn{8192};
  check_ends_after(bench, 2, true);
  bench.start.durable_upto = Lsn{8192 + 4096};
  CHECK(look(bench).outcome == Outcome::tampered);
}

TEST_CASE("A genuine header that no writer writes is refused, durable or not") {
  ThreeCommits bench;
  const crypto::Sealer sealer = bench.identity.sealer();
  std::array<std::byte, format::kHeaderBytes> scratch{};
  const auto opened =
      open_header(sealer, bench.start.epoch, Lsn{4096}, bench.peek(4096, format::kBodyAt), scratch);
  REQUIRE(opened.has_value());
  FragmentHeader header = opened->header;
  std::vector<std::byte> body(encoded_bytes(CommitState{}));
  encode(body, CommitState{});

  SECTION("another position") {
    header.position = Lsn{8192};
  }
  SECTION("an unknown flag") {
    header.flags |= 2;
  }
  SECTION("a count without a commit mark") {
    header.flags = 0;
  }
  SECTION("a wrong count") {
    header.count = 2;
  }
  SECTION("a gap in the transaction") {
    header.index = 1;
    header.count = 2;
  }
  SECTION("another commit's number") {
    header.commit = CommitNumber{3};
  }
  SECTION("a claim about itself") {
    header.durable_upto = Lsn{8192};
  }
  auto body_bytes = static_cast<std::uint32_t>(body.size());
  SECTION("no body") {
    body_bytes = 0;
  }
  SECTION("a body that no fragment has room for") {
    body_bytes = static_cast<std::uint32_t>(format::kBodyBytesMax + 1);
  }
  // Sealed for its place on the grid, whatever it says of itself.
  crypto::NonceRun nonces(bench.machine->entropy());
  std::vector<std::byte> out(format::kFragmentOverheadBytes + body.size());
  header.body_bytes = body_bytes;
  const auto nonce = nonces.next();
  encode_header(scratch, header);
  const auto tag = sealer.seal(
      std::span(out).subspan(format::kHeaderAt, format::kHeaderBytes), scratch,
      {.role = crypto::Role::journal_header, .level = 0, .epoch = 1, .a = 4096, .b = 0}, nonce);
  std::copy(nonce.begin(), nonce.end(), out.begin());
  std::copy(tag.begin(), tag.end(), out.begin() + format::kHeaderTagAt);
  bench.poke(4096, out);
  CHECK(look(bench).outcome == Outcome::corrupted);
}

TEST_CASE("No fragment claims that part of its own transaction is durable") {
  ThreeCommits bench;
  const JournalEnd end = bench.writer->end();
  std::vector<std::byte> first(encoded_bytes(PageFreed{}));
  encode(first, PageFreed{.page = PageId{3}});
  std::vector<std::byte> second(encoded_bytes(CommitState{}));
  encode(second, CommitState{});
  FragmentHeader header{.position = end.position,
                        .commit = end.last_commit.next(),
                        .generation = bench.start.generation,
                        .previous_tag = end.last_tag,
                        .durable_upto = end.position,
                        .body_bytes = 0,
                        .index = 0,
                        .count = 0,
                        .flags = 0,
                        .body_tag = {}};
  header.previous_tag = forge(bench, header, first);
  header.position = Lsn{end.position.value + 4096};
  header.index = 1;
  header.count = 2;
  header.flags = format::kCommitMark;
  forge(bench, header, second);
  CHECK(look(bench).scanned.history.size() == 4);
  header.durable_upto = header.position;
  forge(bench, header, second);
  CHECK(look(bench).outcome == Outcome::corrupted);
}

TEST_CASE("A genuine body with a record that no writer writes is refused") {
  ThreeCommits bench;
  std::vector<std::byte> body(encoded_bytes(PageFreed{}) + encoded_bytes(CommitState{}));
  encode(std::span(body).first(encoded_bytes(PageFreed{})), PageFreed{.page = PageId{3}});
  encode(std::span(body).subspan(encoded_bytes(PageFreed{})), CommitState{});
  const JournalEnd end = bench.writer->end();
  FragmentHeader header{.position = end.position,
                        .commit = end.last_commit.next(),
                        .generation = bench.start.generation,
                        .previous_tag = end.last_tag,
                        .durable_upto = {},
                        .body_bytes = 0,
                        .index = 0,
                        .count = 1,
                        .flags = format::kCommitMark,
                        .body_tag = {}};
  forge(bench, header, body);
  CHECK(look(bench).scanned.history.size() == 4);
  body[0] = std::byte{200};
  forge(bench, header, body);
  CHECK(look(bench).outcome == Outcome::corrupted);
}

TEST_CASE("A disk that cannot be read is not the end of a journal") {
  Bench bench;
  for (int i = 0; i < 40; ++i) bench.commit(3000);
  int countdown = 0;
  int failures = 0;
  for (int nth = 0; nth < 100; ++nth) {
    countdown = nth;
    bench.machine->set_fault(
        [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          if (countdown-- == 0) throw IoError("broken", operation, path, 5);
        });
    try {
      static_cast<void>(bench.scan());
      bench.machine->set_fault({});
      break;
    } catch (const IoError&) {
      ++failures;
    }
    bench.machine->set_fault({});
  }
  CHECK(failures >= 4);  // the list, three files opened, and reads
  CHECK(failures < 100);
  check_ends_after(bench, 40, false);
}

// --- Planted faults: the checks that the tests above rest on -----------------------------------

struct WithoutProof : TheRules {
  static Verdict judge(const Evidence& e) { return decide({e.fragment, Proof::none, e.place}); }
};
struct WithoutChain : TheRules {
  static bool follows(const crypto::Tag&, const crypto::Tag&) { return true; }
};
struct WithoutGeneration : TheRules {
  static bool same_generation(const Generation&, const Generation&) { return true; }
};

TEST_CASE("Planted fault: without the proof, a durable commit is dropped quietly") {
  ThreeCommits bench;
  bench.start.durable_upto = bench.writer->end().position;
  zero(bench, 4096);
  CHECK(look(bench).outcome == Outcome::tampered);
  CHECK(look<WithoutProof>(bench).outcome == Outcome::history);
}

TEST_CASE("Planted fault: without the chain, a diverged copy's commit is accepted") {
  ThreeCommits bench;
  ThreeCommits other;
  other.random.seed(99);
  other.open();
  for (int i = 0; i < 3; ++i) other.commit(60);
  bench.poke(4096, other.peek(4096, 4096));
  CHECK(look(bench).scanned.history.size() == 1);
  CHECK_FALSE(is_prefix(look<WithoutChain>(bench).scanned.history, bench.history));
}

TEST_CASE("Planted fault: without the generation, a dropped commit comes back") {
  ThreeCommits bench;
  const auto second = bench.peek(4096, 4096);
  zero(bench, 4096);
  const Scanned scanned = bench.scan();
  bench.start.position = scanned.result.end.position;
  bench.start.previous_tag = scanned.result.end.last_tag;
  bench.start.last_commit = scanned.result.end.last_commit;
  bench.start.generation = generation_from(31337);
  bench.poke(4096, second);
  CHECK(look(bench).scanned.history.empty());
  CHECK(look<WithoutGeneration>(bench).scanned.history.size() == 2);
}

}  // namespace
}  // namespace coffer::journal
