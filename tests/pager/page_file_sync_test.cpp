// A sync of the file of pages that failed, and a file that is longer than the store vouches for.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <thread>

#include "pager_support.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::test {
namespace {

using pager::Hold;
using pager::PageFile;
using pager::SlotLedger;
using pager::SlotRun;
using platform::SimulatedPlatform;

/// A file of ten slots, whose syncs may fail and then forget what was unsynced.
struct SyncWorld {
  SyncWorld() {
    machine->set_failed_sync_drops_writes(true);
    file = std::make_unique<PageFile>(machine->files().create("/pages"), 4096, 4096);
    file->grow(10);
    file->sync();
  }
  /// The `n`th sync from now on (from 0) fails, after `meanwhile`.
  void fail_sync(
      int n, std::function<void()> meanwhile = [] {}) {
    machine->set_fault([this, n, meanwhile](const char* operation, const platform::Path& path,
                                            std::uint64_t, std::uint64_t) {
      if (std::string(operation) != "data_sync" || syncs++ != n) return;
      meanwhile();
      throw IoError("broken", operation, path, 5);
    });
  }
  void write(SlotId slot, unsigned char with) {
    const std::vector<std::byte> bytes(4096, static_cast<std::byte>(with));
    file->write_run(slot, bytes);
  }

  std::unique_ptr<SimulatedPlatform> machine = SimulatedPlatform::make(71);
  std::unique_ptr<PageFile> file;
  std::atomic<int> syncs{0};
};

TEST_CASE("after a sync of the pages has failed none succeeds, though the system would say so") {
  SyncWorld world;
  world.fail_sync(1);
  world.write(SlotId(3), 1);
  REQUIRE_NOTHROW(world.file->sync());
  world.write(SlotId(4), 2);
  REQUIRE_THROWS_AS(world.file->sync(), IoError);
  // The system has forgotten slot 4, and would report success from now on.
  REQUIRE(world.machine->contents("/pages")[4 * 4096] == std::byte{0});
  for (int i = 0; i < 3; ++i) {
    REQUIRE_THROWS_AS(world.file->sync(), IoError);
    REQUIRE_THROWS_WITH(world.file->sync(), Catch::Contains("close the store and open it again"));
  }
  world.write(SlotId(5), 3);
  REQUIRE_THROWS_AS(world.file->sync(), IoError);
  // Another opening begins anew.
  PageFile again(world.machine->files().open("/pages", platform::OpenMode::read_write), 4096, 4096);
  REQUIRE_NOTHROW(again.sync());
}

TEST_CASE("whoever waits for a sync of the pages that fails is not told that his own succeeded") {
  SyncWorld world;
  std::atomic<bool> second_begins{false};
  std::atomic<bool> second_succeeded{false};
  std::thread second;
  world.fail_sync(0, [&] {
    second = std::thread([&] {
      second_begins = true;
      try {
        world.file->sync();
        second_succeeded = true;
      } catch (const IoError&) {
        second_succeeded = false;
      }
    });
    // Time to get into the sync, were both let in.
    while (!second_begins) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  world.write(SlotId(4), 2);
  REQUIRE_THROWS_AS(world.file->sync(), IoError);
  second.join();
  REQUIRE_FALSE(second_succeeded);
}

TEST_CASE("a tail that nobody vouches for costs nothing, and growing takes it back") {
  constexpr std::uint64_t kVeryLong = std::uint64_t{8} << 40;
  const auto disk = std::make_shared<SparseDisk>();
  disk->size = kVeryLong;
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  REQUIRE(file.slot_count() == kVeryLong / 4096);
  file.leave_tail(10);
  REQUIRE(file.slot_count() == 10);
  file.leave_tail(20);  // it never makes a file longer
  REQUIRE(file.slot_count() == 10);
  REQUIRE_FALSE(file.take_tail(kVeryLong / 4096 + 1));
  REQUIRE(file.slot_count() == 10);
  REQUIRE(file.take_tail(12));
  REQUIRE(file.slot_count() == 12);
  REQUIRE(file.take_tail(11));  // nor shorter
  REQUIRE(file.slot_count() == 12);
  file.grow(30);
  REQUIRE(file.slot_count() == 30);
  REQUIRE(disk->size == kVeryLong);
  file.shrink(25);
  REQUIRE(disk->size == 25 * 4096);
}

TEST_CASE("the ledger covers what a journal names behind the superblock's slots, and no more") {
  const auto disk = std::make_shared<SparseDisk>();
  disk->size = 1000 * 4096;
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  file.leave_tail(10);
  SlotLedger ledger(file);
  REQUIRE(ledger.free_slots() == 10);
  ledger.hold({SlotId(40), 2}, Hold::journal);
  REQUIRE(file.slot_count() == 42);
  REQUIRE(ledger.free_slots() == 40);
  REQUIRE(ledger.held_slots() == 2);
  // What lies behind the end was cut off; a length that no file can have is no length.
  REQUIRE_THROWS_AS(ledger.hold({SlotId(999), 2}, Hold::journal), Tampered);
  REQUIRE_THROWS_AS(ledger.hold({SlotId(~std::uint64_t{0}), 2}, Hold::journal), Tampered);
  REQUIRE(file.slot_count() == 42);
  // Nothing that is held is handed out.
  for (int i = 0; i < 60; ++i) {
    const SlotRun run = ledger.allocate(1, Hold::transaction);
    REQUIRE((run.first != SlotId(40) && run.first != SlotId(41)));
  }
}

TEST_CASE("a checkpoint that puts a page where it lies is damage, and leaves the one in force") {
  const auto suite = GENERATE(crypto::Suite::xchacha20poly1305, crypto::Suite::none);
  PagerWorld world(5, 4096, suite);
  pager::CheckpointChanges first;
  for (std::uint64_t page = 1; page <= 3; ++page) {
    first.pages.emplace_back(PageId(page), world.new_page());
  }
  world.checkpoint(first);
  const auto before = walk(world.open->metadata);
  pager::SlotRef there = *world.open->metadata.lookup(PageId(2));
  there.tag[0] ^= std::byte{1};
  pager::CheckpointChanges second;
  second.pages.emplace_back(PageId(2), there);
  if (suite == crypto::Suite::none) {
    REQUIRE_THROWS_AS(world.prepare(second), Corrupted);
  } else {
    REQUIRE_THROWS_AS(world.prepare(second), Tampered);
  }
  REQUIRE_THROWS_WITH(world.prepare(second), Catch::Contains("of different times"));
  REQUIRE(walk(world.open->metadata).pages == before.pages);
  pager::CheckpointChanges third;
  third.pages.emplace_back(PageId(2), world.new_page());
  REQUIRE_NOTHROW(world.checkpoint(third));
}

}  // namespace
}  // namespace coffer::test
