// Derived key epochs: renewing a header, and what its rings open afterwards.
//
// Expected bytes: golden_values.py, which computes them with Python's hashlib.blake2b.  There an
// epoch's data key is blake2b(b"epoch" + epoch (4 bytes) + salt, key=R, digest_size=32), and R is
// kdf(data key, "cofferDK", 7), with kdf(key, context, number) = blake2b(b"", key=key,
// digest_size=32, salt=number (8 bytes) + 8 zeroes, person=context + 8 zeroes).
#include <catch2/catch.hpp>
#include <limits>
#include <memory>
#include <set>

#include "crypto/key_header.hpp"
#include "crypto/key_ring.hpp"
#include "golden_values.hpp"
#include "header_support.hpp"

using namespace coffer;
using namespace coffer::crypto;
using namespace coffer::test;

namespace {

const PassphraseCost kCheapEpochs = {.passes = 1, .memory_bytes = 8ull << 20};
constexpr std::size_t kDerivedAt = 2112;  // by docs/format.md
constexpr std::size_t kSaltsAt = 2120;

void put_integer(ByteVector& file, std::size_t at, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    file[at + i] = static_cast<std::byte>(value >> (8 * i));
  }
}

Nonce counting_nonce() {
  Nonce nonce{};
  const ByteVector prefix = counting(20, 0x30);
  std::copy(prefix.begin(), prefix.end(), nonce.begin());
  return nonce;
}

AssociatedData page_of(std::uint32_t epoch) {
  return {.role = Role::page, .level = 0, .epoch = epoch, .a = 7, .b = 0};
}

struct SealedUnit {
  ByteVector bytes;
  Tag tag{};
};

SealedUnit seal_in(const Sealer& sealer, std::uint32_t epoch) {
  SealedUnit unit{ByteVector(100), {}};
  unit.tag = sealer.seal(unit.bytes, counting(100), page_of(epoch), counting_nonce());
  return unit;
}

ByteVector tag_in(const Sealer& sealer, std::uint32_t epoch) {
  return to_vector(seal_in(sealer, epoch).tag);
}

bool opens(const Sealer& sealer, const SealedUnit& unit, std::uint32_t epoch) {
  ByteVector plain(unit.bytes.size());
  return sealer.open(plain, unit.bytes, unit.tag, page_of(epoch), counting_nonce()) &&
         plain == counting(100);
}

ByteVector anchor_in(const KeyRing& ring) {
  const auto text = [](std::string_view t) { return std::as_bytes(std::span(t)); };
  return to_vector(ring.anchor_hash({text("one"), text("two")}));
}

ByteVector backup_key_in(const KeyRing& ring) {
  ByteVector key(32);
  ring.derive_backup_key(to_array<std::array<std::byte, 32>>(counting(32)),
                         std::span(key).first<32>());
  return key;
}

/// All that a ring answers, so that two rings can be compared.
std::vector<ByteVector> answers_of(const KeyRing& ring) {
  std::vector<ByteVector> all;
  for (std::uint32_t epoch = 0; epoch <= ring.current_epoch() + 1; ++epoch) {
    const Sealer* const pages = ring.pages(epoch);
    all.push_back(pages == nullptr ? ByteVector() : tag_in(*pages, epoch));
  }
  all.push_back(tag_in(ring.journal(), ring.current_epoch()));
  all.push_back(tag_in(ring.superblock(), ring.current_epoch()));
  all.push_back(anchor_in(ring));
  all.push_back(backup_key_in(ring));
  all.push_back(to_vector(ring.header_hash()));
  all.push_back(to_vector(ring.store_id()));
  return all;
}

OpenedKeyHeader renew(platform::Platform& platform, const OpenedKeyHeader& from) {
  return renew_key_header(platform, *from.keys, std::span(from.bytes).first(kSecond), kPolicy);
}

/// Created and renewed `times` times, all with one counting entropy, as in golden_values.py.
OpenedKeyHeader renewed_golden(const Key* key, unsigned times, std::uint32_t page_bytes = 4096) {
  CountingPlatform platform;
  auto header = create_key_header(platform, key, {.page_bytes = page_bytes}, kPolicy);
  for (unsigned i = 0; i < times; ++i) {
    header = renew(platform, header);
  }
  return header;
}

void fix_checksums(ByteVector& file) {
  fix_checksum(file, 0);
  fix_checksum(file, kSecond);
}

}  // namespace

TEST_CASE("a renewed header has the bytes that another program computes") {
  const Key key = golden_key();
  struct Expected {
    unsigned times;
    std::string_view head, salts, checks, header_hash;
  };
  const Expected expected[] = {
      {1, golden::kOnceHead, golden::kOnceSalts, golden::kOnceChecks, golden::kOnceHeaderHash},
      {2, golden::kTwiceHead, golden::kTwiceSalts, golden::kTwiceChecks, golden::kTwiceHeaderHash}};
  for (const Expected& want : expected) {
    const OpenedKeyHeader made = renewed_golden(&key, want.times);
    const ByteVector& file = made.bytes;
    REQUIRE(file.size() == 8192);
    CHECK(part(file, 0, 64) == from_hex(want.head));
    CHECK(part(file, 64, 256) == from_hex(golden::kSlot));  // wraps what it did
    CHECK(part(file, 320, kDerivedAt - 320) == ByteVector(kDerivedAt - 320));
    const ByteVector salts = from_hex(want.salts);
    CHECK(part(file, kDerivedAt, salts.size()) == salts);
    const std::size_t end = kDerivedAt + salts.size();
    CHECK(part(file, end, 4032 - end) == ByteVector(4032 - end));
    CHECK(part(file, 4032, 64) == from_hex(want.checks));
    CHECK(part(file, 0, 4096) == part(file, 4096, 4096));
    CHECK(to_vector(made.keys->header_hash()) == from_hex(want.header_hash));
    CHECK_FALSE(made.repaired);
    CHECK(made.parameters.page_bytes == 4096);
  }
}

TEST_CASE("a renewed unencrypted header has the bytes that another program computes") {
  const OpenedKeyHeader made = renewed_golden(nullptr, 2, 65536);
  const ByteVector& file = made.bytes;
  const ByteVector expected = from_hex(golden::kKeylessTwice);
  REQUIRE(file.size() == 8192);
  CHECK(part(file, 0, 64) == part(expected, 0, 64));
  CHECK(part(file, 64, 2048) == ByteVector(2048));
  CHECK(part(file, kDerivedAt, 72) == part(expected, 64, 72));
  CHECK(part(file, 2184, 4032 - 2184) == ByteVector(4032 - 2184));
  CHECK(part(file, 4032, 64) == from_hex(golden::kKeylessTwiceChecks));
  CHECK(part(file, 0, 4096) == part(file, 4096, 4096));

  const OpenedKeyHeader again = open_header(file, nullptr);
  CHECK_FALSE(again.repaired);
  for (const KeyRing* ring : {made.keys.get(), again.keys.get()}) {
    CHECK(ring->suite() == Suite::none);
    CHECK(ring->current_epoch() == 3);
    CHECK(ring->pages(0) == nullptr);
    CHECK(ring->pages(4) == nullptr);
    CHECK(key_material_of(*ring) == nullptr);
    for (const std::uint32_t epoch : {1U, 2U, 3U}) {
      REQUIRE(ring->pages(epoch) != nullptr);
      CHECK(ring->pages(epoch)->suite() == Suite::none);
      CHECK(opens(*ring->pages(epoch), seal_in(ring->journal(), epoch), epoch));
    }
  }
  CHECK(answers_of(*made.keys) == answers_of(*again.keys));
}

TEST_CASE("derived epochs' keys are those that another program derives") {
  const Key key = golden_key();
  const OpenedKeyHeader twice = renewed_golden(&key, 2);
  const OpenedKeyHeader again = open_header(twice.bytes, &key);
  for (const KeyRing* ring : {twice.keys.get(), again.keys.get()}) {
    CHECK(ring->suite() == Suite::xchacha20poly1305);
    CHECK(to_vector(ring->store_id()) == counting(16));
    CHECK(ring->current_epoch() == 3);
    CHECK(ring->pages(0) == nullptr);
    CHECK(ring->pages(4) == nullptr);
    CHECK(ring->pages(std::numeric_limits<std::uint32_t>::max()) == nullptr);
    for (const std::uint32_t epoch : {1U, 2U, 3U}) {
      REQUIRE(ring->pages(epoch) != nullptr);
    }
    CHECK(tag_in(*ring->pages(1), 1) == from_hex(golden::kPagesTag));
    CHECK(tag_in(*ring->pages(2), 2) == from_hex(golden::kEpoch2PagesTag));
    CHECK(tag_in(*ring->pages(3), 3) == from_hex(golden::kEpoch3PagesTag));
    CHECK(tag_in(ring->journal(), 3) == from_hex(golden::kEpoch3JournalTag));
    CHECK(tag_in(ring->superblock(), 3) == from_hex(golden::kEpoch3SuperblockTag));
    CHECK(anchor_in(*ring) == from_hex(golden::kEpoch3Anchor));
    CHECK(backup_key_in(*ring) == from_hex(golden::kEpoch3Backup));
    CHECK(to_vector(ring->header_hash()) == from_hex(golden::kTwiceHeaderHash));
  }
  const OpenedKeyHeader once = renewed_golden(&key, 1);
  CHECK(tag_in(once.keys->journal(), 2) == from_hex(golden::kEpoch2JournalTag));
  CHECK(tag_in(once.keys->superblock(), 2) == from_hex(golden::kEpoch2SuperblockTag));
  CHECK(anchor_in(*once.keys) == from_hex(golden::kEpoch2Anchor));
  CHECK(backup_key_in(*once.keys) == from_hex(golden::kEpoch2Backup));
}

TEST_CASE("what was sealed in an epoch opens after renewals, under that epoch's key only") {
  const Key key = golden_key();
  auto& platform = platform::native_platform();
  auto header = create_key_header(platform, &key, {}, kPolicy);
  std::vector<SealedUnit> units(1);  // units[e] was sealed in epoch e
  for (std::uint32_t epoch = 1; epoch <= 3; ++epoch) {
    REQUIRE(header.keys->current_epoch() == epoch);
    units.push_back(seal_in(*header.keys->pages(epoch), epoch));
    if (epoch < 3) {
      header = renew(platform, header);
    }
  }
  const OpenedKeyHeader again = open_header(header.bytes, &key);
  for (const KeyRing* ring : {header.keys.get(), again.keys.get()}) {
    for (std::uint32_t sealed = 1; sealed <= 3; ++sealed) {
      for (std::uint32_t tried = 1; tried <= 3; ++tried) {
        CAPTURE(sealed, tried);
        // The place names the unit's own epoch: what refuses is the key.
        CHECK(opens(*ring->pages(tried), units[sealed], sealed) == (tried == sealed));
      }
      CHECK_FALSE(opens(*ring->pages(sealed), units[sealed], sealed + 1));
    }
  }
}

TEST_CASE(
    "a renewed ring and one that the caller's key opens agree, for raw keys and passphrases") {
  const Key raw = golden_key();
  const Key passphrase = Key::from_passphrase("correct horse", kCheapEpochs);
  auto& platform = platform::native_platform();
  for (const Key* key : {&raw, &passphrase}) {
    auto header = create_key_header(platform, key, {}, kPolicy);
    for (unsigned i = 0; i < 3; ++i) {
      // Every other renewal starts from a ring that was opened, not renewed.
      if (i == 1) {
        header = open_header(header.bytes, key);
      }
      auto next = renew(platform, header);
      CHECK(next.keys->current_epoch() == i + 2);
      CHECK(next.bytes != header.bytes);
      header = std::move(next);
      const OpenedKeyHeader again = open_header(header.bytes, key);
      CHECK_FALSE(again.repaired);
      CHECK(again.bytes == header.bytes);
      CHECK(answers_of(*again.keys) == answers_of(*header.keys));
    }
    const Key wrong = filled_key(9);
    CHECK(attempt(header.bytes, &wrong).outcome == Outcome::wrong_key);
  }
}

TEST_CASE("two copies of a store that are renewed go on under different keys") {
  const Key key = golden_key();
  auto& platform = platform::native_platform();
  const auto header = create_key_header(platform, &key, {}, kPolicy);
  const auto one = renew(platform, header);
  const auto two = renew(platform, header);
  CHECK(part(one.bytes, kSaltsAt, 32) != part(two.bytes, kSaltsAt, 32));
  const auto mine = answers_of(*one.keys);
  const auto theirs = answers_of(*two.keys);
  REQUIRE(mine.size() == theirs.size());
  CHECK(mine[1] == theirs[1]);  // epoch 1 they share
  for (std::size_t i = 4; i < mine.size() - 1; ++i) {
    CHECK(mine[i] != theirs[i]);  // journal, superblock, anchor, backup, header hash
  }
  CHECK_FALSE(opens(*two.keys->pages(2), seal_in(*one.keys->pages(2), 2), 2));
}

TEST_CASE("a renewed ring has a locked page of its own, and no data key in it") {
  auto& memory = platform::native_platform().memory();
  const Key key = golden_key();
  const auto before = memory.account().locked_bytes;
  {
    CountingPlatform platform;
    auto first = create_key_header(platform, &key, {}, kPolicy);
    const auto second = renew(platform, first);
    CHECK(memory.account().locked_bytes == before + 2 * memory.page_bytes());
    const auto said = answers_of(*second.keys);
    first.keys.reset();
    CHECK(memory.account().locked_bytes == before + memory.page_bytes());
    CHECK(answers_of(*second.keys) == said);
    const auto again = open_header(second.bytes, &key);
    for (const KeyRing* ring : {second.keys.get(), again.keys.get()}) {
      const KeyMaterial* const keys = key_material_of(*ring);
      REQUIRE(keys != nullptr);
      CHECK(keys->data == KeyBytes{});
      CHECK(keys->derived == KeyBytes{});
      CHECK(keys->key_encryption == KeyBytes{});
      CHECK(keys->commitment == KeyBytes{});
      CHECK(keys->wrapping == KeyBytes{});
    }
  }
  CHECK(memory.account().locked_bytes == before);
}

TEST_CASE("59 renewals work, and the next is refused with what to do") {
  const Key key = golden_key();
  const Key* const given = GENERATE(true, false) ? &key : nullptr;
  CountingPlatform platform;
  auto header = create_key_header(platform, given, {}, kPolicy);
  std::set<ByteVector> pages;
  for (std::uint32_t epoch = 2; epoch <= 60; ++epoch) {
    header = renew(platform, header);
    REQUIRE(header.keys->current_epoch() == epoch);
  }
  OpenedKeyHeader again = open_header(header.bytes, given);
  CHECK(again.keys->current_epoch() == 60);
  CHECK(answers_of(*again.keys) == answers_of(*header.keys));
  for (std::uint32_t epoch = 1; epoch <= 60; ++epoch) {
    pages.insert(tag_in(*again.keys->pages(epoch), 1));
  }
  if (given != nullptr) {
    CHECK(pages.size() == 60);
    CHECK(to_vector(again.keys->header_hash()) == from_hex(golden::kFullHeaderHash));
    CHECK(tag_in(*again.keys->pages(1), 1) == from_hex(golden::kPagesTag));
    CHECK(tag_in(*again.keys->pages(2), 2) == from_hex(golden::kEpoch2PagesTag));
    CHECK(tag_in(*again.keys->pages(60), 60) == from_hex(golden::kEpoch60PagesTag));
    CHECK(tag_in(again.keys->journal(), 60) == from_hex(golden::kEpoch60JournalTag));
    CHECK(tag_in(again.keys->superblock(), 60) == from_hex(golden::kEpoch60SuperblockTag));
    CHECK(anchor_in(*again.keys) == from_hex(golden::kEpoch60Anchor));
    CHECK(backup_key_in(*again.keys) == from_hex(golden::kEpoch60Backup));
  }
  const std::size_t drawn = platform.counting.calls;
  for (OpenedKeyHeader* full : {&header, &again}) {
    std::string text;
    try {
      static_cast<void>(renew(platform, *full));
    } catch (const InvalidArgument& error) {
      text = error.what();
    }
    CHECK(text.find("59") != std::string::npos);
    CHECK(text.find("new store by a logical backup") != std::string::npos);
  }
  CHECK(platform.counting.calls == drawn);
}

TEST_CASE("a flipped bit in the number or a salt of derived epochs is found") {
  const Key key = golden_key();
  const Key* const given = GENERATE(true, false) ? &key : nullptr;
  const ByteVector file = renewed_golden(given, 2).bytes;
  const auto flipped = [&](std::size_t at, bool both) {
    ByteVector changed = file;
    changed[at] ^= std::byte{0x10};
    if (both) {
      changed[kSecond + at] ^= std::byte{0x10};
    }
    return changed;
  };
  // The number, the zero bytes, both salts, and the first that is not in use.
  for (std::size_t at = kDerivedAt; at < kSaltsAt + 3 * 32; ++at) {
    CAPTURE(at);
    const Attempt one = attempt(flipped(at, false), given);
    CHECK(one.outcome == Outcome::repaired);
    CHECK(one.bytes == file);
    ByteVector both = flipped(at, true);
    CHECK(attempt(both, given).outcome == Outcome::corrupted);
    fix_checksums(both);
    CHECK(attempt(both, given).outcome ==
          (given != nullptr ? Outcome::tampered : Outcome::corrupted));
  }
}

TEST_CASE("forged numbers of derived epochs are tampering, whatever they are") {
  const Key key = golden_key();
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  const unsigned times = GENERATE(0U, 2U);
  const ByteVector file = renewed_golden(&key, times).bytes;
  for (const std::uint32_t epoch : {0U, 1U, 2U, 3U, 59U, 60U, 61U, 0x80000000U, kMost}) {
    for (const std::uint32_t derived :
         {0U, 1U, 2U, 3U, 58U, 59U, 60U, 61U, 0x7FFFFFFFU, 0x80000000U, kMost - 1, kMost}) {
      if (epoch == times + 1 && derived == times) {
        continue;  // what stands there
      }
      CAPTURE(epoch, derived);
      ByteVector forged = file;
      for (const std::size_t at : {std::size_t{0}, kSecond}) {
        put_integer(forged, at + 20, epoch, 4);
        put_integer(forged, at + kDerivedAt, derived, 4);
      }
      fix_checksums(forged);
      CHECK(attempt(forged, &key).outcome == Outcome::tampered);
      put(forged, kSecond, part(file, 0, kSecond));
      CHECK(attempt(forged, &key).outcome == Outcome::repaired);
      // Without a slot nothing compares epochs before the other copy's key looks at the MAC.
      put(forged, 64, ByteVector(256));
      put_integer(forged, 24, 99, 8);
      fix_checksum(forged, 0);
      const bool other_base = std::int64_t{epoch} - std::int64_t{derived} != 1;
      CHECK(attempt(forged, &key).outcome == (other_base ? Outcome::wrong_key : Outcome::repaired));
    }
  }
}

TEST_CASE("authentic numbers of epochs that cannot be are a newer version's") {
  const auto outcome = [](const Key* key, std::uint32_t epoch, std::uint32_t derived) {
    ByteVector file = create_golden(key).bytes;
    for (const std::size_t at : {std::size_t{0}, kSecond}) {
      put_integer(file, at + 20, epoch, 4);
      put_integer(file, at + kDerivedAt, derived, 4);
      key == nullptr ? fix_keyless(file, at) : fix_all(file, at);
    }
    return attempt(file, key).outcome;
  };
  CHECK(outcome(nullptr, 60, 59) == Outcome::opened);
  CHECK(outcome(nullptr, 61, 59) == Outcome::opened);
  CHECK(outcome(nullptr, 61, 60) == Outcome::unsupported);
  CHECK(outcome(nullptr, 0, 0) == Outcome::unsupported);
  CHECK(outcome(nullptr, 1, 1) == Outcome::unsupported);
  CHECK(outcome(nullptr, 59, 59) == Outcome::unsupported);
  CHECK(outcome(nullptr, 1, 0xFFFFFFFF) == Outcome::unsupported);
  CHECK(outcome(nullptr, 0xFFFFFFFF, 0xFFFFFFFE) == Outcome::unsupported);
  const Key key = golden_key();
  CHECK(outcome(&key, 60, 59) == Outcome::opened);
  CHECK(outcome(&key, 61, 60) == Outcome::unsupported);
  // The slot, which names epoch 1, contradicts these before the MAC is looked at.
  CHECK(outcome(&key, 1, 1) == Outcome::tampered);
  CHECK(outcome(&key, 61, 59) == Outcome::tampered);
}

TEST_CASE("a header at the last number there is is not renewed") {
  const auto [at, size] = GENERATE(std::pair<std::size_t, std::size_t>(20, 4),
                                   std::pair<std::size_t, std::size_t>(24, 8));
  ByteVector file = create_golden(nullptr).bytes;
  for (const std::size_t copy : {std::size_t{0}, kSecond}) {
    put_integer(file, copy + at, ~0ull, size);
    fix_keyless(file, copy);
  }
  const OpenedKeyHeader opened = open_header(file, nullptr);
  CHECK_THROWS_AS(renew(platform::native_platform(), opened), InvalidArgument);
}

TEST_CASE("a renewal that was half written is the newer header, or the older one") {
  const Key raw = golden_key();
  const Key passphrase = Key::from_passphrase("correct horse", kCheapEpochs);
  auto& platform = platform::native_platform();
  for (const Key* key : {&raw, &passphrase}) {
    const auto old = create_key_header(platform, key, {}, kPolicy);
    const auto renewed = renew(platform, old);
    for (const std::size_t newer_at : {std::size_t{0}, kSecond}) {
      ByteVector file = old.bytes;
      put(file, newer_at, part(renewed.bytes, 0, kSecond));
      const Attempt whole = attempt(file, key);
      CHECK(whole.outcome == Outcome::repaired);
      CHECK(whole.bytes == renewed.bytes);
      // Torn, it is no copy.
      put(file, newer_at + 2048, part(old.bytes, 2048, 2048));
      const Attempt torn = attempt(file, key);
      CHECK(torn.outcome == Outcome::repaired);
      CHECK(torn.bytes == old.bytes);
    }
  }
}

TEST_CASE("a key taken out of a newer copy stays out across derived epochs") {
  const Key key = golden_key();
  const std::size_t newer_at = GENERATE(std::size_t{0}, kSecond);
  // The golden entropy, so that fix_all knows the data key; older: epoch 3 of base 1.
  const ByteVector older = renewed_golden(&key, 2).bytes;
  ByteVector file = older;
  put(file, newer_at, part(renewed_golden(&key, 3).bytes, 0, kSecond));
  REQUIRE(attempt(file, &key).outcome == Outcome::repaired);

  // With a further epoch under the same data key, its slot gone: the MAC tells that it is authentic.
  put(file, newer_at + 64, ByteVector(256));
  fix_all(file, newer_at);
  CHECK(attempt(file, &key).outcome == Outcome::wrong_key);
  // Without the right MAC it is nobody's decision, though its current epoch is another.
  ByteVector forged = file;
  forged[newer_at + 4064] ^= std::byte{1};
  const Attempt passed_over = attempt(forged, &key);
  CHECK(passed_over.outcome == Outcome::repaired);
  CHECK(passed_over.bytes == older);
  // A new data key, whose MAC cannot be checked: its base epoch is another, even where the current
  // epoch is the older copy's.
  for (const std::uint32_t derived : {0U, 1U}) {
    ByteVector rewrapped = forged;
    put_integer(rewrapped, newer_at + 20, 3, 4);
    put_integer(rewrapped, newer_at + kDerivedAt, derived, 4);
    fix_checksum(rewrapped, newer_at);
    CHECK(attempt(rewrapped, &key).outcome == Outcome::wrong_key);
  }
}
