// The superblock: either copy will do, neither can be replaced, and a cut of power at any point
// loses no checkpoint that was complete.
#include <catch2/catch.hpp>

#include "pager/superblock_format.hpp"
#include "pager_support.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::test {
namespace {

using pager::kSuperblockBytes;
using pager::Superblock;
using Other = pager::FoundSuperblock::Other;

Superblock some_superblock(const crypto::KeyRing& keys, std::uint64_t checkpoint) {
  Superblock s;
  s.page_bytes = 4096;
  s.segment_bytes = 1 << 20;
  s.instance.fill(std::byte{5});
  s.checkpoint = checkpoint;
  s.commit = CommitNumber(checkpoint * 10);
  s.key_header_hash = keys.header_hash();
  s.openings.resize(checkpoint % (pager::kOpeningsMax + 1));
  for (auto& opening : s.openings) opening.generation.fill(std::byte{3});
  return s;
}

struct SuperblockWorld {
  explicit SuperblockWorld(crypto::Suite suite = crypto::Suite::xchacha20poly1305) : keys(suite) {
    write(0, 7);
    write(1, 7);
  }
  void write(int copy, std::uint64_t checkpoint) { write(copy, some_superblock(keys, checkpoint)); }
  void write(int copy, const Superblock& s) {
    pager::write_superblock(file, copy, s, keys, nonces);
  }
  pager::FoundSuperblock read() { return pager::read_superblock(file, keys); }

  TestKeys keys;
  SeededEntropy entropy{1};
  crypto::NonceRun nonces{entropy};
  std::shared_ptr<SparseDisk> disk = std::make_shared<SparseDisk>();
  SparseFile file{disk};
};

TEST_CASE("a superblock reads back as written") {
  SuperblockWorld world;
  REQUIRE(world.disk->size == 32768);
  const auto found = world.read();
  REQUIRE(found.superblock == some_superblock(world.keys, 7));
  REQUIRE(found.other == Other::same);
  Superblock full = some_superblock(world.keys, 8);
  full.openings.resize(pager::kOpeningsMax);
  world.write(0, full);
  world.write(1, full);
  REQUIRE(world.read().superblock == full);
}

TEST_CASE("the copy with the higher checkpoint wins, and the other is to be repaired") {
  for (const int newer : {0, 1}) {
    SuperblockWorld world;
    world.write(newer, 8);
    const auto found = world.read();
    REQUIRE(found.superblock.checkpoint == 8);
    REQUIRE(found.other == Other::older);
    REQUIRE(found.copy == newer);
  }
}

TEST_CASE("each bit of a copy is covered, and the other copy then serves") {
  SuperblockWorld world;
  const Superblock expected = some_superblock(world.keys, 7);
  for (const std::uint64_t copy : {0u, 1u}) {
    for (std::uint64_t at = 0; at < kSuperblockBytes; ++at) {
      // Each bit of what carries meaning; one in each of the many bytes of zeros behind it.
      const bool every = at < 700 || at >= kSuperblockBytes - 16;
      for (unsigned bit = every ? 0 : at % 8; bit < (every ? 8 : at % 8 + 1); ++bit) {
        world.disk->flip(copy * kSuperblockBytes + at, bit);
        const auto found = world.read();
        if (found.other != Other::damaged || found.copy == static_cast<int>(copy) ||
            found.superblock != expected)
          FAIL("byte " << at << " bit " << bit);
        world.disk->flip(copy * kSuperblockBytes + at, bit);
      }
    }
  }
  REQUIRE(world.read().other == Other::same);
}

TEST_CASE("both copies bad is an error") {
  SuperblockWorld world;
  world.disk->flip(100, 1);
  world.disk->flip(kSuperblockBytes + 16000, 7);
  REQUIRE_THROWS_AS(world.read(), Tampered);
  SuperblockWorld plain(crypto::Suite::none);
  plain.disk->flip(100, 1);
  REQUIRE(plain.read().other == Other::damaged);
  plain.disk->flip(kSuperblockBytes + 16000, 7);
  REQUIRE_THROWS_AS(plain.read(), Corrupted);
}

TEST_CASE("a copy cannot stand in for the other") {
  SuperblockWorld world;
  std::vector<std::byte> copy(kSuperblockBytes);
  world.disk->read(0, copy);
  world.disk->write(kSuperblockBytes, copy);
  REQUIRE(world.read().other == Other::damaged);
  std::vector<std::byte> none(kSuperblockBytes);
  world.disk->write(0, none);
  REQUIRE_THROWS_AS(world.read(), Tampered);
}

TEST_CASE("a file of another size is no superblock, and an empty one is not a new store") {
  SuperblockWorld world;
  for (const std::uint64_t size : {0ull, 16384ull, 32767ull, 32769ull}) {
    world.disk->size = size;
    REQUIRE_THROWS_AS(world.read(), Tampered);
  }
}

TEST_CASE("two copies that verify as the same checkpoint and differ are tampering") {
  SuperblockWorld world;
  Superblock other = some_superblock(world.keys, 7);
  other.next_value_id = 5;
  world.write(1, other);
  REQUIRE_THROWS_AS(world.read(), Tampered);
  // Also in what opens nothing: when a root was born.
  Superblock rooted = some_superblock(world.keys, 7);
  rooted.slot_count = 10;
  rooted.table_levels = 1;
  rooted.table_root.sealed_bytes = 100;
  rooted.table_root.birth = 3;
  rooted.page_count = 1;
  rooted.next_page = PageId(2);
  world.write(0, rooted);
  world.write(1, rooted);
  REQUIRE_NOTHROW(world.read());
  rooted.table_root.birth = 4;
  world.write(1, rooted);
  REQUIRE_THROWS_AS(world.read(), Tampered);
}

TEST_CASE("a superblock that names another key header is refused with a text that says so") {
  SuperblockWorld world;
  world.keys.set_header_hash(std::byte{0x12});
  REQUIRE_THROWS_AS(world.read(), Tampered);
  REQUIRE_THROWS_WITH(world.read(), Catch::Contains("keys"));
}

TEST_CASE("a superblock of another key does not verify") {
  SuperblockWorld world;
  class OtherKeys final : public crypto::KeyRing {
   public:
    explicit OtherKeys(const TestKeys& keys) : keys_(keys) {}
    crypto::Suite suite() const override { return keys_.suite(); }
    const crypto::StoreId& store_id() const override { return keys_.store_id(); }
    std::uint32_t current_epoch() const override { return 1; }
    const crypto::Sealer* pages(std::uint32_t epoch) const override { return keys_.pages(epoch); }
    const crypto::Sealer& journal() const override { return keys_.journal(); }
    const crypto::Sealer& superblock() const override { return keys_.journal(); }
    crypto::Hash anchor_hash(
        std::initializer_list<std::span<const std::byte>> parts) const override {
      return keys_.anchor_hash(parts);
    }
    void derive_backup_key(std::span<const std::byte, crypto::kBackupSaltBytes> salt,
                           std::span<std::byte, crypto::kKeyBytes> out) const override {
      keys_.derive_backup_key(salt, out);
    }
    const crypto::Hash& header_hash() const override { return keys_.header_hash(); }

   private:
    const TestKeys& keys_;
  };
  REQUIRE_THROWS_AS(pager::read_superblock(world.file, OtherKeys(world.keys)), Tampered);
}

TEST_CASE("what verifies is still checked for sense") {
  using namespace pager::superblock_format;
  TestKeys keys;
  const auto good = std::make_unique<Plain>();
  encode(some_superblock(keys, 3), *good);
  const auto with = [&](std::size_t at, unsigned value) {
    auto bytes = std::make_unique<Plain>(*good);
    (*bytes)[at] = static_cast<std::byte>(value);
    return bytes;
  };
  REQUIRE_NOTHROW(decode(*good));
  REQUIRE_THROWS_AS(decode(*with(kMagicAt, 'X')), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kVersionAt, 2)), VersionUnsupported);
  REQUIRE_THROWS_AS(decode(*with(kPageBytesAt, 1)), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kSegmentBytesAt, 1)), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kTableLevelsAt, 1)), Corrupted);     // levels without a root
  REQUIRE_THROWS_AS(decode(*with(kTableRootAt + 6, 99)), Corrupted);  // a root without levels
  REQUIRE_THROWS_AS(decode(*with(kFreeLevelsAt, 200)), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kSlotCountAt + 7, 1)), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kPageCountAt, 9)), Corrupted);  // more pages than numbers
  REQUIRE_THROWS_AS(decode(*with(kNextPageAt, 0)), Corrupted);
  REQUIRE_THROWS_AS(decode(*with(kCatalogRootAt, 1)), Corrupted);  // never used
  REQUIRE_THROWS_AS(decode(*with(kOpeningsCountAt + 1, 3)), Corrupted);
}

TEST_CASE("each number in a superblock has its bounds, and the last one within them passes") {
  using namespace pager::superblock_format;
  TestKeys keys;
  Superblock rooted = some_superblock(keys, 3);
  rooted.slot_count = 10;
  rooted.table_root.slot = SlotId(3);
  rooted.free_root.slot = SlotId(4);
  rooted.table_root.sealed_bytes = rooted.free_root.sealed_bytes = 100;
  rooted.table_levels = rooted.free_levels = 1;
  rooted.page_count = 1;
  rooted.next_page = PageId(2);
  rooted.catalog_root = PageId(1);
  const auto good = std::make_unique<Plain>();
  encode(rooted, *good);
  const auto passes = [&](std::size_t at, std::size_t bytes, std::uint64_t value) {
    const auto changed = std::make_unique<Plain>(*good);
    for (std::size_t i = 0; i < bytes; ++i) {
      (*changed)[at + i] = static_cast<std::byte>(value >> (8 * i));
    }
    try {
      static_cast<void>(decode(*changed));
    } catch (const Corrupted&) {
      return false;
    }
    return true;
  };
  struct Bounds {
    std::size_t at;
    std::size_t bytes;
    std::vector<std::uint64_t> good;
    std::vector<std::uint64_t> bad;
  };
  const std::uint64_t numbers = std::uint64_t{1} << 48;
  std::vector<Bounds> all = {
      {kPageBytesAt, 4, {4096, 8192, 65536}, {0, 2048, 4097, 12288, 131072}},
      {kSegmentBytesAt, 8, {65536, 3 * 65536}, {0, 1, 65535, 65537}},
      {kSlotCountAt, 8, {5, numbers}, {0, 4, numbers + 1}},
      {kPageCountAt, 8, {1}, {0, 2}},
      {kNextPageAt, 8, {2, numbers}, {0, 1, numbers + 1}},
      {kCatalogRootAt, 8, {0, 1}, {2}},
      {kJournalPositionAt, 8, {0, 4096}, {1, 4095}},
      {kOpeningsCountAt, 4, {0, 512}, {513, 0xffffffff}},
      {kMarksCountAt, 4, {0, 64}, {65, 0xffffffff}},
      {kCheckpointAt, 8, {0, (std::uint64_t{1} << 40) - 1}, {std::uint64_t{1} << 40}},
      {kTableLevelsAt, 1, {1, 8}, {0, 9, 255}},
      {kFreeLevelsAt, 1, {1, 7}, {0, 8, 255}},
  };
  for (const std::size_t root : {kTableRootAt, kFreeRootAt}) {
    all.push_back({root, 6, {0, 9}, {10, numbers - 1}});                // slot
    all.push_back({root + 6, 2, {16, 4096 - 24}, {0, 15, 4096 - 23}});  // sealed length
  }
  for (const Bounds& bounds : all) {
    CAPTURE(bounds.at);
    for (const std::uint64_t value : bounds.good) CHECK(passes(bounds.at, bounds.bytes, value));
    for (const std::uint64_t value : bounds.bad)
      CHECK_FALSE(passes(bounds.at, bounds.bytes, value));
  }
}

TEST_CASE(
    "a cut of power at any step of writing the superblock leaves the old or the new checkpoint") {
  using platform::CutOutcome;
  const std::uint64_t seed = 4242;
  TestKeys keys;
  SeededEntropy entropy(seed);
  crypto::NonceRun nonces(entropy);
  const auto machine = platform::SimulatedPlatform::make(seed);
  machine->record(true);
  auto& files = machine->files();
  files.make_directory("/store");
  auto file = files.create("/store/superblock");
  const auto put = [&](int copy, std::uint64_t checkpoint) {
    pager::write_superblock(*file, copy, some_superblock(keys, checkpoint), keys, nonces);
  };
  put(0, 1);
  put(1, 1);
  file->sync();
  files.sync_directory("/store");
  files.sync_directory("/");
  const std::uint64_t ready = machine->steps();
  put(0, 2);
  file->sync();
  const std::uint64_t first_synced = machine->steps();
  put(1, 2);
  file->sync();
  const std::uint64_t end = machine->steps();

  std::set<std::uint64_t> seen;
  std::uint64_t repairs = 0;
  for (const auto outcome :
       {CutOutcome::nothing_lands, CutOutcome::everything_lands, CutOutcome::random_sectors,
        CutOutcome::torn_blocks, CutOutcome::random_writes, CutOutcome::prefix_then_torn}) {
    for (std::uint64_t step = ready; step <= end; ++step) {
      for (std::uint64_t i = 0; i < 12; ++i) {
        INFO("outcome " << static_cast<int>(outcome) << " step " << step << " seed " << i);
        const auto after = machine->cut_at(step, outcome, i);
        const auto found = pager::read_superblock(
            *after->files().open("/store/superblock", platform::OpenMode::read_only), keys);
        REQUIRE(found.superblock == some_superblock(keys, found.superblock.checkpoint));
        REQUIRE((found.superblock.checkpoint == 1 || found.superblock.checkpoint == 2));
        if (step >= first_synced) REQUIRE(found.superblock.checkpoint == 2);
        if (step == end) REQUIRE(found.other == Other::same);
        seen.insert(found.superblock.checkpoint);
        repairs += found.other == Other::same ? 0 : 1;
      }
    }
  }
  REQUIRE(seen.size() == 2);
  REQUIRE(repairs > 10);
}

}  // namespace
}  // namespace coffer::test
