// Sealer, AssociatedData, hash and Filler.  Expected bytes: golden_values.py.
#include "crypto/seal.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "crypto/plaintext_probe.hpp"
#include "crypto/seal_format.hpp"
#include "seal_support.hpp"

using namespace coffer::crypto;
using namespace coffer::test;

namespace {

const std::vector<std::size_t> kSizes = {0,  1,  15,  16,  17,   31,   32,   63,    64,
                                         65, 96, 127, 128, 1000, 4072, 4096, 65536, 70001};

}  // namespace

TEST_CASE("associated data has the documented bytes") {
  const auto encoded = seal_format::encode(store_id(), kPlace);
  CHECK(to_vector(encoded) == from_hex(golden::kAssociated));
}

TEST_CASE("sealed bytes and tag are those of another program") {
  const ByteVector plain = counting(100);
  ByteVector sealed(plain.size());
  const Tag tag = sealer(Suite::xchacha20poly1305).seal(sealed, plain, kPlace, nonce());
  CHECK(sealed == from_hex(golden::kSealed));
  CHECK(to_vector(tag) == from_hex(golden::kSealedTag));
}

TEST_CASE("suite none copies, and its checksum is that of another program") {
  const ByteVector plain = counting(100);
  ByteVector sealed(plain.size());
  const Tag tag = sealer(Suite::none).seal(sealed, plain, kPlace, nonce());
  CHECK(sealed == plain);
  CHECK(to_vector(tag) == from_hex(golden::kChecksumTag));
}

TEST_CASE("what was sealed opens, at every size, apart and in place") {
  const Suite suite = GENERATE(Suite::none, Suite::xchacha20poly1305);
  const Sealer under_test = sealer(suite);
  CHECK(under_test.suite() == suite);
  for (const std::size_t size : kSizes) {
    CAPTURE(size);
    const ByteVector plain = counting(size, 7);
    ByteVector apart(size);
    ByteVector in_place = plain;
    const Tag tag = under_test.seal(apart, plain, kPlace, nonce());
    CHECK(under_test.seal(in_place, in_place, kPlace, nonce()) == tag);
    CHECK(in_place == apart);
    CHECK((suite == Suite::none || size < 16 || apart != plain));

    ByteVector opened(size);
    REQUIRE(under_test.open(opened, apart, tag, kPlace, nonce()));
    CHECK(opened == plain);
    REQUIRE(under_test.open(in_place, in_place, tag, kPlace, nonce()));
    CHECK(in_place == plain);
  }
}

TEST_CASE("every bit of ciphertext, tag and nonce counts, and what fails is wiped") {
  const Sealer under_test = sealer(GENERATE(Suite::none, Suite::xchacha20poly1305));
  const ByteVector plain = counting(70, 1);
  ByteVector sealed(plain.size());
  const Tag tag = under_test.seal(sealed, plain, kPlace, nonce());
  const ByteVector wiped(plain.size());

  std::size_t tried = 0;
  const auto refused = [&](const ByteVector& c, const Tag& t, const Nonce& n) {
    ++tried;
    ByteVector opened(plain.size(), std::byte{0xAA});
    ByteVector in_place = c;
    return !under_test.open(opened, c, t, kPlace, n) && opened == wiped &&
           !under_test.open(in_place, in_place, t, kPlace, n) && in_place == wiped;
  };
  for (std::size_t bit = 0; bit < 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << bit);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      ByteVector changed = sealed;
      changed[i] ^= mask;
      REQUIRE(refused(changed, tag, nonce()));
    }
    for (std::size_t i = 0; i < tag.size(); ++i) {
      Tag changed = tag;
      changed[i] ^= mask;
      REQUIRE(refused(sealed, changed, nonce()));
    }
    for (std::size_t i = 0; i < kNonceBytes; ++i) {
      Nonce changed = nonce();
      changed[i] ^= mask;
      REQUIRE(refused(sealed, tag, changed));
    }
  }
  CHECK(tried == 8 * (70 + 16 + 24));
}

TEST_CASE("a unit opens only in its own place, store and key") {
  const Suite suite = GENERATE(Suite::none, Suite::xchacha20poly1305);
  const Sealer under_test = sealer(suite);
  const ByteVector plain = counting(70, 1);
  ByteVector sealed(plain.size());
  ByteVector opened(plain.size());
  const Tag tag = under_test.seal(sealed, plain, kPlace, nonce());
  REQUIRE(under_test.open(opened, sealed, tag, kPlace, nonce()));

  const auto opens_at = [&](auto change) {
    AssociatedData place = kPlace;
    change(place);
    return under_test.open(opened, sealed, tag, place, nonce());
  };
  CHECK_FALSE(opens_at([](auto& place) { place.role = Role::journal_header; }));
  CHECK_FALSE(opens_at([](auto& place) { place.level = 3; }));
  CHECK_FALSE(opens_at([](auto& place) { place.epoch = 4; }));
  CHECK_FALSE(opens_at([](auto& place) { place.a += 1; }));
  CHECK_FALSE(opens_at([](auto& place) { place.b += 1; }));
  CHECK_FALSE(opens_at([](auto& place) { std::swap(place.a, place.b); }));

  StoreId other_store = store_id();
  other_store[15] ^= std::byte{1};
  const ByteVector key = from_hex(golden::kSealKey);
  const auto key_of = [&](const ByteVector& bytes) {
    return suite == Suite::none ? std::span<const std::byte>() : std::span<const std::byte>(bytes);
  };
  CHECK_FALSE(Sealer(suite, other_store, key_of(key)).open(opened, sealed, tag, kPlace, nonce()));
  if (suite != Suite::none) {
    ByteVector other_key = key;
    other_key[31] ^= std::byte{1};
    CHECK_FALSE(Sealer(suite, store_id(), other_key).open(opened, sealed, tag, kPlace, nonce()));
  }
}

TEST_CASE("a unit of one suite does not open in the other") {
  const ByteVector plain = counting(70, 1);
  ByteVector sealed(plain.size());
  ByteVector opened(plain.size());
  const Tag plain_tag = sealer(Suite::none).seal(sealed, plain, kPlace, nonce());
  CHECK_FALSE(sealer(Suite::xchacha20poly1305).open(opened, sealed, plain_tag, kPlace, nonce()));
  const Tag tag = sealer(Suite::xchacha20poly1305).seal(sealed, plain, kPlace, nonce());
  CHECK_FALSE(sealer(Suite::none).open(opened, sealed, tag, kPlace, nonce()));
}

TEST_CASE("ciphertext that still is plaintext at either end is noticed") {
  // The cipher cannot be made to do nothing, so the gate is shown what it would then see.
  const ByteVector plain = counting(64);
  const PlaintextProbe probe(plain);
  CHECK_FALSE(probe.changed_in(plain));
  ByteVector sealed = from_hex(golden::kSealed);
  sealed.resize(plain.size());
  CHECK(probe.changed_in(sealed));
  ByteVector head_left = sealed;
  std::copy_n(plain.begin(), 16, head_left.begin());
  CHECK_FALSE(probe.changed_in(head_left));
  ByteVector tail_left = sealed;
  std::copy_n(plain.end() - 16, 16, tail_left.end() - 16);
  CHECK_FALSE(probe.changed_in(tail_left));
}

TEST_CASE("hashes are BLAKE2b-256, keyed or not, of the parts in a row") {
  // python3 -c "import hashlib; print(hashlib.blake2b(b'abc', digest_size=32).hexdigest())", and
  // with key=bytes(range(32)).
  const auto text = [](std::string_view t) { return std::as_bytes(std::span(t)); };
  const auto expected =
      from_hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  CHECK(to_vector(hash({}, {text("abc")})) == expected);
  CHECK(to_vector(hash({}, {text("a"), {}, text("bc")})) == expected);
  CHECK(to_vector(hash(counting(32), {text("ab"), text("c")})) ==
        from_hex("d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f"));
}

TEST_CASE("wiping clears and comparing tells secrets apart") {
  ByteVector bytes = counting(33, 1);
  wipe(bytes);
  CHECK(bytes == ByteVector(33));
  wipe({});
  CHECK(equal_secrets(counting(16), counting(16)));
  CHECK(equal_secrets({}, {}));
  ByteVector other = counting(16);
  other[15] ^= std::byte{0x80};
  CHECK_FALSE(equal_secrets(counting(16), other));
}

TEST_CASE("filler differs from call to call and from seed to seed, and looks random") {
  CountingEntropy entropy;
  Filler one(entropy);
  Filler two(entropy);
  CHECK(entropy.next == 64);
  ByteVector first(4096);
  ByteVector second(4096);
  ByteVector third(4096);
  one.fill(first);
  one.fill(second);
  two.fill(third);
  one.fill({});
  CHECK(first != second);
  CHECK(first != third);
  // ChaCha20 with key 00..1f, 8-byte nonce 0 and counter 0, by golden_values.py's own rounds.
  CHECK(to_vector(std::span(first).first(64)) == from_hex(golden::kFiller));

  std::array<std::size_t, 256> seen{};
  for (const std::byte b : first) {
    ++seen[std::to_integer<std::size_t>(b)];
  }
  // 4096 bytes over 256 values: 16 each, with a standard deviation of 4.
  CHECK(*std::max_element(seen.begin(), seen.end()) < 16 + 7 * 4);
  CHECK(*std::min_element(seen.begin(), seen.end()) > 0);
}
