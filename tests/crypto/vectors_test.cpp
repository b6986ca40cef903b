// Published vectors through the very calls that seal a store and stretch a passphrase.
//
// The IETF vector is part of this file and always runs.  The others are read from the folder that
// COFFER_VECTORS names, or from ../shared/vectors beside the source tree; where there is none the
// tests say so instead of passing silently.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "crypto/aead.hpp"
#include "crypto/key_slot.hpp"
#include "support.hpp"

using namespace coffer::crypto;
using namespace coffer::test;

namespace {

std::optional<nlohmann::json> vectors(const std::string& name) {
  const char* named = std::getenv("COFFER_VECTORS");  // NOLINT(concurrency-mt-unsafe)
  const std::filesystem::path folder =
      named != nullptr ? std::filesystem::path(named)
                       : std::filesystem::path(COFFER_SOURCE_ROOT).parent_path() / "shared/vectors";
  std::ifstream file(folder / name);
  if (!file) {
    std::cout << "skipped: no vectors (" << (folder / name).string() << ")\n";
    WARN("skipped: no vectors: " << (folder / name).string());
    return std::nullopt;
  }
  return nlohmann::json::parse(file);
}

ByteVector bytes_of(const nlohmann::json& test, const char* field) {
  return from_hex(test.at(field).get<std::string>());
}

struct AeadCase {
  ByteVector key;
  Nonce nonce;
  ByteVector associated;
  ByteVector plaintext;
  ByteVector ciphertext;
  Tag tag;
};

bool encrypts(const AeadCase& test) {
  ByteVector out(test.plaintext.size());
  const Tag tag =
      aead::encrypt(out.data(), test.plaintext, test.associated, test.nonce, test.key.data());
  return out == test.ciphertext && tag == test.tag;
}

bool decrypts(const AeadCase& test) {
  ByteVector out(test.ciphertext.size(), std::byte{0xAA});
  return aead::decrypt(out.data(), test.ciphertext, test.tag, test.associated, test.nonce,
                       test.key.data()) &&
         out == test.plaintext;
}

}  // namespace

TEST_CASE("the AEAD gives the vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1") {
  ensure_ready();
  AeadCase test{
      .key = counting(32, 0x80),
      .nonce = to_array<Nonce>(counting(24, 0x40)),
      .associated = from_hex("50515253c0c1c2c3c4c5c6c7"),
      .plaintext = from_hex(
          "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f6620273939"
          "3a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220"
          "746865206675747572652c2073756e73637265656e20776f756c642062652069742e"),
      .ciphertext = from_hex(
          "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa644"
          "0bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e"
          "3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"),
      .tag = to_array<Tag>(from_hex("c0875924c1c7987947deafd8780acf49"))};
  CHECK(encrypts(test));
  CHECK(decrypts(test));
  test.tag[3] ^= std::byte{1};  // A check that could not fail would be none.
  CHECK_FALSE(decrypts(test));
  CHECK_FALSE(encrypts(test));
}

TEST_CASE("Wycheproof's XChaCha20-Poly1305 cases end as they should") {
  const auto file = vectors("wycheproof_xchacha20_poly1305_test.json");
  if (!file) return;
  ensure_ready();
  std::size_t valid = 0;
  std::size_t invalid = 0;
  for (const auto& group : file->at("testGroups")) {
    for (const auto& test : group.at("tests")) {
      if (bytes_of(test, "iv").size() != kNonceBytes) {
        continue;  // Nonces of other sizes are a type error here.
      }
      CAPTURE(test.at("tcId").get<int>());
      const AeadCase vector{.key = bytes_of(test, "key"),
                            .nonce = to_array<Nonce>(bytes_of(test, "iv")),
                            .associated = bytes_of(test, "aad"),
                            .plaintext = bytes_of(test, "msg"),
                            .ciphertext = bytes_of(test, "ct"),
                            .tag = to_array<Tag>(bytes_of(test, "tag"))};
      if (test.at("result") == "valid") {
        ++valid;
        CHECK(encrypts(vector));
        CHECK(decrypts(vector));
      } else {
        ++invalid;
        CHECK_FALSE(decrypts(vector));
      }
    }
  }
  CHECK(valid == 246);
  CHECK(valid + invalid == 306);
}

TEST_CASE("the IETF draft's own file agrees with the constant here") {
  const auto file = vectors("ietf_xchacha20_vectors.json");
  if (!file) return;
  ensure_ready();
  std::size_t run = 0;
  for (const auto& test : file->at("aead_xchacha20_poly1305")) {
    CHECK(encrypts({.key = bytes_of(test, "Key"),
                    .nonce = to_array<Nonce>(bytes_of(test, "IV")),
                    .associated = bytes_of(test, "AAD"),
                    .plaintext = bytes_of(test, "Plaintext"),
                    .ciphertext = bytes_of(test, "Ciphertext"),
                    .tag = to_array<Tag>(bytes_of(test, "Tag"))}));
    ++run;
  }
  CHECK(run == 1);
}

TEST_CASE("Argon2id gives libsodium's published values") {
  const auto file = vectors("libsodium_argon2id_vectors.json");
  if (!file) return;
  std::size_t values = 0;
  std::size_t failures = 0;
  for (const auto& test : file->at("vectors")) {
    CAPTURE(test.at("i").get<int>());
    const ByteVector password = bytes_of(test, "password");
    const ByteVector salt = bytes_of(test, "salt");
    ByteVector out(test.at("outlen").get<std::size_t>());
    const bool done = argon2id(out, password, salt, test.at("opslimit").get<std::uint64_t>(),
                               test.at("memlimit").get<std::uint64_t>());
    if (test.at("expected").is_string()) {
      ++values;
      REQUIRE(done);
      CHECK(out == bytes_of(test, "expected"));
    } else {
      ++failures;
      CHECK_FALSE(done);
    }
  }
  CHECK(values == 7);
  CHECK(failures == 1);
}
