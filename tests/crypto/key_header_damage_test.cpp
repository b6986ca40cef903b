// Damage and forgery: every byte of the header, in one copy and in both, and files that are none.
#include <catch2/catch.hpp>

#include "header_support.hpp"

using namespace coffer;
using namespace coffer::test;

namespace {

const std::size_t kCopy = layout::kCopyBytes;

/// A bit of its own for every byte, so that the table below is about known changes.
std::byte mask_at(std::size_t at) {
  return static_cast<std::byte>(1U << (at % 8));
}

struct Range {
  std::size_t begin;
  std::size_t end;
  Outcome outcome;
};

/// What must come of a changed byte in both copies with checksums made to fit again, from the table
/// in key_header_format.hpp: what the commitment covers is a wrong key's, the rest the MAC's.
const Range kForged[] = {
    {0, 8, Outcome::corrupted},           // magic
    {8, 14, Outcome::unsupported},        // version, suite
    {14, 16, Outcome::wrong_key},         // zero, under the commitment
    {16, 32, Outcome::tampered},          // page size, epoch, generation
    {32, 48, Outcome::wrong_key},         // store id
    {48, 64, Outcome::tampered},          // zero
    {64, 65, Outcome::wrong_key},         // slot 0: its state becomes empty
    {65, 66, Outcome::tampered},          // its kind
    {66, 68, Outcome::wrong_key},         // zero, under the commitment
    {68, 72, Outcome::tampered},          // its epoch
    {72, 64 + 144, Outcome::wrong_key},   // parameters, wrapped key, commitment
    {64 + 144, 4032, Outcome::tampered},  // the rest of the slot, seven slots, zeroes
    {4032, 4064, Outcome::opened},        // the checksum itself: made to fit again
    {4064, 4096, Outcome::tampered},      // the MAC
};

Outcome forged_outcome(std::size_t at) {
  for (const Range& range : kForged) {
    if (at >= range.begin && at < range.end) {
      return range.outcome;
    }
  }
  throw std::logic_error("the table has a hole");
}

}  // namespace

TEST_CASE("one copy with any byte changed is repaired from the other") {
  const Key key = golden_key();
  const Key* const given = GENERATE(true, false) ? &key : nullptr;
  const ByteVector file = create_golden(given).bytes;
  const std::size_t copy = GENERATE(std::size_t{0}, kCopy);
  std::size_t repaired = 0;
  for (std::size_t at = 0; at < kCopy; ++at) {
    ByteVector changed = file;
    changed[copy + at] ^= mask_at(at);
    const Attempt opened = attempt(changed, given);
    repaired += opened.outcome == Outcome::repaired && opened.bytes == file ? 1 : 0;
  }
  CHECK(repaired == kCopy);
}

TEST_CASE("both copies with the same byte changed are damage, or tampering with the MAC") {
  const Key key = golden_key();
  const Key* const given = GENERATE(true, false) ? &key : nullptr;
  const ByteVector file = create_golden(given).bytes;
  for (std::size_t at = 0; at < kCopy; ++at) {
    ByteVector changed = file;
    changed[at] ^= mask_at(at);
    changed[kCopy + at] ^= mask_at(at);
    const Outcome expected =
        at >= layout::kMacAt && given != nullptr ? Outcome::tampered : Outcome::corrupted;
    const Attempt refused = attempt(changed, given);
    if (refused.outcome != expected) {
      CAPTURE(at);
      CHECK(refused.outcome == expected);
    }
    if (expected == Outcome::corrupted && at >= 8) {
      REQUIRE(refused.text.find("restore the store from a backup") != std::string::npos);
    }
  }
}

TEST_CASE("a forger who makes checksums fit gets nowhere, in one copy or in both") {
  const Key key = golden_key();
  const ByteVector file = create_golden(&key).bytes;
  for (std::size_t at = 0; at < kCopy; ++at) {
    ByteVector changed = file;
    const std::byte mask = at == 64 ? std::byte{1} : mask_at(at);
    changed[at] ^= mask;
    fix_checksum(changed, 0);
    const Outcome one = attempt(changed, &key).outcome;
    changed[kCopy + at] ^= mask;
    fix_checksum(changed, kCopy);
    const Outcome both = attempt(changed, &key).outcome;

    // In suite none's direction the key that was given decides.
    const bool says_unencrypted = layout::kSuiteAt == at && mask == std::byte{1};
    const Outcome expected = says_unencrypted ? Outcome::invalid : forged_outcome(at);
    const Outcome expected_one = expected == Outcome::opened        ? Outcome::opened
                                 : expected == Outcome::unsupported ? Outcome::unsupported
                                                                    : Outcome::repaired;
    if (both != expected || one != expected_one) {
      CAPTURE(at, one, expected_one);
      CHECK(both == expected);
      CHECK(one == expected_one);
    }
  }
}

TEST_CASE("a slot in a state that there is not is tampering, whatever else it holds") {
  const Key key = golden_key();
  const std::size_t slot = GENERATE(std::size_t{0}, std::size_t{1}, layout::kSlots - 1);
  ByteVector file = create_golden(&key).bytes;
  for (const std::size_t at : {std::size_t{0}, kCopy}) {
    file[at + 64 + slot * 256 + layout::slot::kStateAt] = std::byte{2};
    fix_all(file, at);
  }
  CHECK(attempt(file, &key).outcome == Outcome::tampered);
}

TEST_CASE("a forger cannot turn an encrypted header into an unencrypted one") {
  const Key key = golden_key();
  ByteVector file = create_golden(&key).bytes;
  for (const std::size_t at : {std::size_t{0}, kCopy}) {
    file[at + layout::kSuiteAt] = std::byte{0};
    fix_keyless(file, at);
  }
  CHECK(attempt(file, &key).outcome == Outcome::invalid);
}

TEST_CASE("a file of any other size is damage that a backup mends") {
  const Key key = golden_key();
  const ByteVector file = create_golden(&key).bytes;
  for (const std::size_t size : {0U, 1U, 8U, 63U, 4095U, 4096U, 4097U, 8191U, 8193U, 12288U}) {
    ByteVector resized = file;
    resized.resize(size);
    for (const Key* given : {static_cast<const Key*>(nullptr), &key}) {
      const Attempt refused = attempt(resized, given);
      CAPTURE(size, refused.text);
      CHECK(refused.outcome == Outcome::corrupted);
      CHECK(refused.text.find("restore the store from a backup") != std::string::npos);
      CHECK(refused.text.find(std::to_string(size) + " bytes") != std::string::npos);
    }
  }
}

TEST_CASE("zeroed and foreign files are told apart, and are never fresh") {
  const Key key = golden_key();
  const ByteVector file = create_golden(&key).bytes;
  const Attempt zero = attempt(ByteVector(8192), &key);
  CHECK(zero.outcome == Outcome::corrupted);
  CHECK(zero.text.find("all zero") != std::string::npos);
  CHECK(attempt(ByteVector(8192), nullptr).outcome == Outcome::corrupted);

  const Attempt foreign = attempt(ByteVector(8192, std::byte{0x5A}), &key);
  CHECK(foreign.outcome == Outcome::corrupted);
  CHECK(foreign.text.find("not a Coffer store") != std::string::npos);

  ByteVector damaged = ByteVector(8192);
  put(damaged, 0, part(file, 0, 100));
  const Attempt torn = attempt(damaged, &key);
  CHECK(torn.outcome == Outcome::corrupted);
  CHECK(torn.text.find("checksums") != std::string::npos);

  ByteVector half_zero = file;
  put(half_zero, 0, ByteVector(kCopy));
  CHECK(attempt(half_zero, &key).outcome == Outcome::repaired);
  ByteVector half_foreign = file;
  put(half_foreign, kCopy, ByteVector(kCopy, std::byte{0x5A}));
  CHECK(attempt(half_foreign, &key).outcome == Outcome::repaired);
}

TEST_CASE("a newer format and an unknown suite are unsupported, whoever asks") {
  const Key key = golden_key();
  const ByteVector file = create_golden(&key).bytes;
  const std::size_t place = GENERATE(layout::kVersionAt, layout::kSuiteAt);
  ByteVector newer = file;
  newer[place] = std::byte{2};
  fix_checksum(newer, 0);
  CHECK(attempt(newer, &key).outcome == Outcome::unsupported);
  newer[kCopy + place] = std::byte{2};
  fix_checksum(newer, kCopy);
  CHECK(attempt(newer, &key).outcome == Outcome::unsupported);
  CHECK(attempt(newer, nullptr).outcome == Outcome::unsupported);
  CHECK(attempt(newer, &key).text.find("newer Coffer") != std::string::npos);
}

TEST_CASE("an unencrypted header with a hash that does not fit is corrupted") {
  ByteVector file = create_golden(nullptr).bytes;
  for (const std::size_t at : {std::size_t{0}, kCopy}) {
    file[at + layout::kPageBytesAt + 1] ^= std::byte{0x30};
    fix_checksum(file, at);
  }
  CHECK(attempt(file, nullptr).outcome == Outcome::corrupted);
}

TEST_CASE("no message shows key bytes") {
  const Key key = Key::from_bytes(Bytes("0123456789abcdefSECRETSECRET0123"));
  const Key wrong = Key::from_bytes(Bytes("WRONGWRONGWRONGWRONGWRONGWRONG!!"));
  const ByteVector file = create_golden(&key).bytes;
  const Attempt refused = attempt(file, &wrong);
  CHECK(refused.outcome == Outcome::wrong_key);
  CHECK(refused.text.find("SECRET") == std::string::npos);
  CHECK(refused.text.find("WRONG") == std::string::npos);
  CHECK(refused.text.find('\n') == std::string::npos);
}
