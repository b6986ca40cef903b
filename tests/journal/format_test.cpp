// The bytes of fragments and records: against a fragment that another program made, and round.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>

#include "journal/record_format.hpp"
#include "journal/segment_names.hpp"
#include "tests/journal/bench.hpp"
#include "tests/journal/golden_fragment.hpp"

namespace coffer::journal {
namespace {

using namespace testing;

template <std::size_t N>
std::array<std::byte, N> counting_from(unsigned first) {
  std::array<std::byte, N> bytes;
  for (std::size_t i = 0; i < N; ++i) bytes[i] = static_cast<std::byte>(first + i);
  return bytes;
}

/// The entropy that golden_fragment.py assumes.
class GoldenEntropy : public platform::Entropy {
 public:
  void fill(std::span<std::byte> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(0xC0 + i);
    ++draws;
  }
  int draws = 0;
};

/// What golden_fragment.py puts into its body.
void add_golden_records(JournalWriter& writer) {
  const auto used = counting_from<20>(1);
  const auto blocks = counting_from<16>(0x80);
  const auto tag = counting_from<16>(0xE0);
  writer.add(PageImage{.page = PageId{7}, .is_new = true, .used = used});
  writer.add(PageImage{.page = PageId{8}, .is_new = false, .used = used});
  writer.add(PageDelta{.page = PageId{9},
                       .base = CommitNumber{41},
                       .mask = 0x8000000000000001ull,
                       .blocks = blocks});
  writer.add(PageReference{.page = PageId{10},
                           .is_new = true,
                           .slot = SlotId{0x010203040506ull},
                           .sealed_bytes = 4000,
                           .epoch = Epoch{3},
                           .tag = tag});
  writer.add(PageReference{.page = PageId{11},
                           .is_new = false,
                           .slot = SlotId{0x111213141516ull},
                           .sealed_bytes = 16,
                           .epoch = Epoch{2},
                           .tag = tag});
  writer.add(PageFreed{.page = PageId{12}});
  writer.add(RunAllocated{.first = SlotId{1000}, .slots = 17});
  writer.add(RunFreed{.first = SlotId{2000}, .slots = 18, .born = CommitNumber{40}});
}

void check_golden(crypto::Suite suite, std::span<const unsigned char> expected) {
  Bench bench(1, suite);
  bench.identity.key = counting_from<32>(0);
  bench.identity.store = counting_from<16>(0xA0);
  bench.start = JournalStart{.position = Lsn{0x13000},
                             .generation = counting_from<16>(0x10),
                             .previous_tag = counting_from<16>(0x50),
                             .last_commit = CommitNumber{41},
                             .durable_upto = Lsn{0x12000},
                             .epoch = Epoch{3}};
  GoldenEntropy entropy;
  JournalWriter writer(files_on(*bench.machine), bench.identity.sealer(), entropy,
                       bench.start.generation, bench.start.epoch, end_of(bench.start),
                       bench.staging);
  writer.begin(CommitNumber{42});
  add_golden_records(writer);
  const JournalEnd end =
      writer.finish({.catalog_root = PageId{77}, .next_value_id = 88}, Lsn{0x12000});

  CHECK(end.position == Lsn{0x14000});
  CHECK(end.last_commit == CommitNumber{42});
  CHECK(entropy.draws == 1);
  const auto golden = std::as_bytes(expected);
  CHECK(text(bench.peek(0x13000, golden.size())) == text(golden));
  // The header's tag is what the next fragment will name.
  CHECK(text(end.last_tag) == text(golden.subspan(136, 16)));
  // Nothing but the fragment was written.
  const auto behind = bench.peek(0x13000 + golden.size(), 0x1000 - golden.size());
  CHECK(std::all_of(behind.begin(), behind.end(), [](std::byte b) { return b == std::byte{0}; }));

  const Scanned scanned = bench.scan();
  REQUIRE(scanned.history.size() == 1);
  CHECK(scanned.history[0].records.size() == 9);
  CHECK(scanned.history[0].records[5] == "freed 12");
  CHECK(scanned.history[0].records[7] == "run freed 2000+18 born 40");
}

TEST_CASE("A sealed fragment is byte for byte what the format says") {
  check_golden(crypto::Suite::xchacha20poly1305, golden::kEncrypted);
}

TEST_CASE("An unencrypted fragment is byte for byte what the format says") {
  check_golden(crypto::Suite::none, golden::kUnencrypted);
}

TEST_CASE("Segments are named by 16 lower-case hex digits and nothing else is a segment") {
  CHECK(segment_name(0x2a) == "journal-000000000000002a");
  CHECK(segment_index("journal-000000000000002a") == 0x2au);
  CHECK(segment_index("journal-ffffffffffffffff") == UINT64_MAX);
  for (const char* other :
       {"journal-000000000000002A", "journal-2a", "journal-000000000000002a ", "journal-new",
        "journal-0x0000000000002a", "journal-+00000000000002a", "Journal-000000000000002a", ""}) {
    CHECK_FALSE(segment_index(other).has_value());
  }
}

TEST_CASE("A body is decoded as what was encoded and every cut of it is refused") {
  Random random(3);
  const auto used = random_bytes(random, 30);
  const PageImage image{.page = PageId{5}, .is_new = true, .used = used};
  const PageDelta delta{
      .page = PageId{6}, .base = CommitNumber{2}, .mask = 5, .blocks = std::span(used).first(20)};
  const CommitState state{.catalog_root = PageId{1}, .next_value_id = 2};
  std::vector<std::byte> body(encoded_bytes(image) + encoded_bytes(delta) + encoded_bytes(state));
  auto rest = std::span(body);
  encode(rest.first(encoded_bytes(image)), image);
  rest = rest.subspan(encoded_bytes(image));
  encode(rest.first(encoded_bytes(delta)), delta);
  rest = rest.subspan(encoded_bytes(delta));
  encode(rest, state);

  Collector whole;
  whole.begin(CommitNumber{1});
  REQUIRE(decode_records(body, true, whole));
  whole.commit(CommitNumber{1}, Lsn{0});
  CHECK(whole.history[0].records ==
        std::vector<std::string>{describe(image), describe(delta), describe(state)});

  for (std::size_t length = 0; length < body.size(); ++length) {
    Collector cut;
    CAPTURE(length);
    CHECK_FALSE(decode_records(std::span(body).first(length), true, cut));
  }
  // A commit state where no transaction ends, two of them, and something behind it.
  Collector other;
  CHECK_FALSE(decode_records(body, false, other));
  auto twice = body;
  twice.insert(twice.end(), body.end() - format::kCommitStateBytes, body.end());
  CHECK_FALSE(decode_records(twice, true, other));
  auto followed = body;
  followed.push_back(std::byte{6});
  CHECK_FALSE(decode_records(followed, true, other));
  // Zeros may follow, and nothing behind them.
  auto padded = body;
  padded.resize(body.size() + 300);
  Collector same;
  same.begin(CommitNumber{1});
  REQUIRE(decode_records(padded, true, same));
  same.commit(CommitNumber{1}, Lsn{0});
  CHECK(same.history[0].records == whole.history[0].records);
  for (std::size_t at = body.size(); at < padded.size(); at += 23) {
    auto spoilt = padded;
    spoilt[at] = std::byte{9};
    CHECK_FALSE(decode_records(spoilt, true, other));
  }
  // Without its commit state, the body is one of a transaction's earlier fragments.
  CHECK(
      decode_records(std::span(body).first(body.size() - format::kCommitStateBytes), false, other));
}

TEST_CASE("A body is padded to whole steps of the cipher, but not into another block of the grid") {
  CHECK(format::padded_body_bytes(1) == 256);
  CHECK(format::padded_body_bytes(256) == 256);
  CHECK(format::padded_body_bytes(257) == 512);
  // 4,096 - 176 = 3,920 bytes of a body fit the first block.
  CHECK(format::padded_body_bytes(3840) == 3840);
  CHECK(format::padded_body_bytes(3841) == 3920);
  CHECK(format::padded_body_bytes(3920) == 3920);
  CHECK(format::padded_body_bytes(3921) == 4096);
}

TEST_CASE("Unknown kinds of records and lengths beyond the body are refused") {
  Collector collector;
  for (unsigned kind = 0; kind < 256; ++kind) {
    if (kind >= 1 && kind <= 9) continue;
    std::vector<std::byte> body(64);
    body[0] = static_cast<std::byte>(kind);
    CHECK_FALSE(decode_records(body, false, collector));
  }
  std::vector<std::byte> body(13 + 10);
  body[0] = std::byte{2};
  for (const std::uint32_t length : {11u, 65536u, 0xFFFFFFFFu}) {
    for (unsigned i = 0; i < 4; ++i) body[9 + i] = static_cast<std::byte>(length >> (8 * i));
    CHECK_FALSE(decode_records(body, false, collector));
  }
}

TEST_CASE("Random bodies never lead the decoder outside of them") {
  const std::uint64_t seed = 11;
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 20'000; ++round) {
    auto body = random_bytes(random, pick(random, 80) + 1);
    body[0] = static_cast<std::byte>(pick(random, 10));
    // An allocation of exactly this size, so that a sanitizer sees a step outside.
    Collector collector;
    static_cast<void>(decode_records(body, pick(random, 2) == 0, collector));
  }
}

}  // namespace
}  // namespace coffer::journal
