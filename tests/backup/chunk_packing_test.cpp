// Chunks as they are compressed, against the library called in its ordinary way.
#include <catch2/catch.hpp>

#include <zstd.h>

#include <cstring>
#include <random>

#include "backup/chunk_packing.hpp"
#include "platform/platform.hpp"

namespace coffer::test {
namespace {

using backup::ChunkPacker;
using backup::ChunkUnpacker;
using backup::format::kChunkBytes;
using backup::format::kPackedBytesMax;
using Text = std::vector<std::byte>;

struct Packing {
  platform::LockedHeap heap{platform::native_platform().memory(),
                            ChunkPacker::heap_bytes() + ChunkUnpacker::heap_bytes(),
                            platform::LockPolicy::abort, "a test"};
  ChunkPacker packer{heap};
  ChunkUnpacker unpacker{heap};

  Text pack(const Text& plain) {
    const auto packed = packer.pack(plain);
    return {packed.begin(), packed.end()};
  }
  std::optional<Text> unpack(const Text& packed, std::size_t room = kChunkBytes) {
    Text plain(room);
    std::ranges::copy(packed, unpacker.room().begin());
    const auto size = unpacker.unpack(packed.size(), plain);
    if (!size) return std::nullopt;
    plain.resize(*size);
    return plain;
  }
};

Text repeated(std::size_t size) {
  Text text(size);
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<std::byte>("coffer "[i % 7]);
  return text;
}

Text noise(std::size_t size) {
  std::mt19937 engine(4);
  Text text(size);
  for (std::byte& b : text) b = static_cast<std::byte>(engine());
  return text;
}

}  // namespace

TEST_CASE("a packed chunk is a frame of Zstandard's, or what it was") {
  Packing packing;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100},
        std::size_t{16'384}, std::size_t{16'385}, kChunkBytes - 1, kChunkBytes}) {
    CAPTURE(size);
    const Text text = repeated(size);
    const Text packed = packing.pack(text);
    REQUIRE(packed.size() <= 1 + size);
    REQUIRE(packing.unpack(packed) == text);
    if (size >= 100) {
      REQUIRE(packed[0] == std::byte{1});
      REQUIRE(packed.size() < 100);
      Text other(size);
      REQUIRE(ZSTD_decompress(other.data(), size, &packed[1], packed.size() - 1) == size);
      REQUIRE(other == text);
      Text frame(1 + ZSTD_compressBound(size));
      frame[0] = std::byte{1};
      frame.resize(1 + ZSTD_compress(&frame[1], frame.size() - 1, text.data(), size, 9));
      REQUIRE(packing.unpack(frame) == text);
    }
    const Text random = noise(size);
    const Text stored = packing.pack(random);
    REQUIRE(stored.size() == 1 + size);
    REQUIRE(stored[0] == std::byte{0});
    REQUIRE(packing.unpack(stored) == random);
  }
}

TEST_CASE("what does not unpack into the room that there is is refused") {
  Packing packing;
  // More than the room: stored, and as a frame of a few bytes.
  REQUIRE_FALSE(packing.unpack(packing.pack(noise(100)), 99).has_value());
  REQUIRE_FALSE(packing.unpack(packing.pack(repeated(kChunkBytes)), kChunkBytes - 1).has_value());
  REQUIRE(packing.unpack(packing.pack(repeated(kChunkBytes))) == repeated(kChunkBytes));
  Text many = repeated(100 * kChunkBytes);
  Text bomb(1 + ZSTD_compressBound(many.size()));
  bomb[0] = std::byte{1};
  bomb.resize(1 + ZSTD_compress(&bomb[1], bomb.size() - 1, many.data(), many.size(), 3));
  REQUIRE(bomb.size() < kPackedBytesMax);
  REQUIRE_FALSE(packing.unpack(bomb).has_value());
  // Other ways of packing, and no frame at all.
  for (int method = 2; method < 256; ++method) {
    Text other = packing.pack(repeated(50));
    other[0] = static_cast<std::byte>(method);
    REQUIRE_FALSE(packing.unpack(other).has_value());
  }
  REQUIRE_FALSE(packing.unpack({std::byte{1}, std::byte{2}, std::byte{3}}).has_value());
  const Text packed = packing.pack(repeated(5000));
  for (std::size_t cut = 2; cut < packed.size(); ++cut) {
    REQUIRE_FALSE(packing.unpack({packed.begin(), packed.begin() + static_cast<long>(cut)}));
  }
  // Whatever else was changed: an answer, within the room.
  for (std::size_t at = 1; at < packed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Text changed = packed;
      changed[at] ^= static_cast<std::byte>(1 << bit);
      const auto unpacked = packing.unpack(changed);
      REQUIRE((!unpacked || unpacked->size() <= kChunkBytes));
    }
  }
  // And the unpacker is good for the next one.
  REQUIRE(packing.unpack(packed) == repeated(5000));
}

}  // namespace coffer::test
