// Sealed streams, against libsodium called directly.
#include <catch2/catch.hpp>

#include <sodium.h>

#include <algorithm>
#include <vector>

#include "crypto/chunk_stream.hpp"
#include "platform/platform.hpp"

namespace coffer::test {
namespace {

using crypto::ChunkOpener;
using crypto::ChunkSealer;
using crypto::Suite;
using Outcome = ChunkOpener::Outcome;

struct Streams {
  platform::LockedHeap heap{platform::native_platform().memory(), 4096, platform::LockPolicy::abort,
                            "a test"};
  std::vector<std::byte> key = std::vector<std::byte>(32, std::byte{7});
  crypto::Hash context{};

  std::span<const std::byte> key_for(Suite suite) const {
    return suite == Suite::none ? std::span<const std::byte>() : std::span<const std::byte>(key);
  }
  static std::vector<std::byte> text(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    return {bytes.begin(), bytes.end()};
  }
  static std::vector<std::byte> seal(ChunkSealer& sealer, std::string_view plain, bool last) {
    std::vector<std::byte> sealed(plain.size() + crypto::kChunkOverheadBytes);
    sealer.seal(sealed, text(plain), last);
    return sealed;
  }
  static Outcome open(ChunkOpener& opener, const std::vector<std::byte>& sealed,
                      std::string_view expected) {
    std::vector<std::byte> plain(sealed.size() - crypto::kChunkOverheadBytes);
    const Outcome outcome = opener.open(plain, sealed);
    if (outcome != Outcome::forged) CHECK(plain == text(expected));
    return outcome;
  }
};

}  // namespace

TEST_CASE(
    "a stream opens in order, with its end, in its context, under its key, and not otherwise") {
  for (const Suite suite : {Suite::xchacha20poly1305, Suite::none}) {
    CAPTURE(static_cast<int>(suite));
    Streams streams;
    ChunkSealer sealer(suite, streams.key_for(suite), streams.heap);
    sealer.bind(streams.context);
    const auto first = Streams::seal(sealer, "first", false);
    const auto second = Streams::seal(sealer, "second", false);
    const auto end = Streams::seal(sealer, "", true);
    const auto opener = [&] {
      return ChunkOpener(suite, streams.key_for(suite), sealer.header(), streams.context,
                         streams.heap);
    };
    {
      ChunkOpener all = opener();
      CHECK(Streams::open(all, first, "first") == Outcome::chunk);
      CHECK(Streams::open(all, second, "second") == Outcome::chunk);
      CHECK(Streams::open(all, end, "") == Outcome::last);
    }
    {
      ChunkOpener out_of_order = opener();
      CHECK(Streams::open(out_of_order, second, "") == Outcome::forged);
    }
    {
      ChunkOpener twice = opener();
      CHECK(Streams::open(twice, first, "first") == Outcome::chunk);
      CHECK(Streams::open(twice, first, "") == Outcome::forged);
    }
    for (std::size_t at = 0; at < first.size(); ++at) {
      auto changed = first;
      changed[at] ^= std::byte{1};
      ChunkOpener one = opener();
      CHECK(Streams::open(one, changed, "") == Outcome::forged);
    }
    crypto::Hash other_context = streams.context;
    other_context[31] = std::byte{1};
    ChunkOpener elsewhere(suite, streams.key_for(suite), sealer.header(), other_context,
                          streams.heap);
    CHECK(Streams::open(elsewhere, first, "") == Outcome::forged);
    if (suite == Suite::none) continue;
    streams.key[0] ^= std::byte{1};
    ChunkOpener other_key = opener();
    CHECK(Streams::open(other_key, first, "") == Outcome::forged);
  }
}

TEST_CASE("libsodium's own secretstream opens what was sealed, and the other way round") {
  Streams streams;
  std::fill(streams.context.begin(), streams.context.end(), std::byte{0x42});
  const auto raw = [](auto& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); };
  const auto raw_const = [](const auto& bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
  };
  ChunkSealer sealer(Suite::xchacha20poly1305, streams.key, streams.heap);
  sealer.bind(streams.context);
  const auto sealed = Streams::seal(sealer, "the end", true);
  crypto_secretstream_xchacha20poly1305_state state;
  REQUIRE(crypto_secretstream_xchacha20poly1305_init_pull(&state, raw_const(sealer.header()),
                                                          raw(streams.key)) == 0);
  std::string plain(7, '\0');
  unsigned char tag = 0;
  REQUIRE(crypto_secretstream_xchacha20poly1305_pull(&state, raw(plain), nullptr, &tag,
                                                     raw_const(sealed), sealed.size(),
                                                     raw(streams.context), 32) == 0);
  CHECK(plain == "the end");
  CHECK(tag == 3);  // crypto_secretstream_xchacha20poly1305_TAG_FINAL

  crypto::StreamHeader header;
  REQUIRE(crypto_secretstream_xchacha20poly1305_init_push(&state, raw(header), raw(streams.key)) ==
          0);
  std::vector<std::byte> theirs(5 + crypto::kChunkOverheadBytes);
  const std::string hello = "hello";
  ChunkOpener opener(Suite::xchacha20poly1305, streams.key, header, streams.context, streams.heap);
  // TAG_PUSH is none of ours.
  for (const unsigned char their_tag : {std::uint8_t{0}, std::uint8_t{1}}) {
    REQUIRE(crypto_secretstream_xchacha20poly1305_push(&state, raw(theirs), nullptr,
                                                       raw_const(hello), hello.size(),
                                                       raw(streams.context), 32, their_tag) == 0);
    CHECK(Streams::open(opener, theirs, "hello") ==
          (their_tag == 0 ? Outcome::chunk : Outcome::forged));
  }
}

TEST_CASE("an unencrypted chunk is more or the last one, and nothing else, though its sum fits") {
  Streams streams;
  for (const unsigned char mark : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
    CAPTURE(int{mark});
    std::vector<std::byte> chunk = Streams::text("?hello");
    chunk[0] = std::byte{mark};
    // BLAKE2b of context, number, mark and plaintext, by libsodium directly: anybody can make it.
    std::vector<std::byte> covered(32 + 8);
    covered.insert(covered.end(), chunk.begin(), chunk.end());
    std::vector<std::byte> sum(32);
    crypto_generichash(reinterpret_cast<unsigned char*>(sum.data()), 32,
                       reinterpret_cast<const unsigned char*>(covered.data()), covered.size(),
                       nullptr, 0);
    chunk.insert(chunk.end(), sum.begin(), sum.begin() + 16);
    ChunkOpener opener(Suite::none, {}, {}, streams.context, streams.heap);
    CHECK(Streams::open(opener, chunk, "hello") == (mark == 0   ? Outcome::chunk
                                                    : mark == 1 ? Outcome::last
                                                                : Outcome::forged));
  }
}

}  // namespace coffer::test
