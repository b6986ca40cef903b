// The ledger against a model that keeps a set of holds for each slot, and its policies one by one.
#include <catch2/catch.hpp>

#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::Hold;
using pager::PageFile;
using pager::SlotLedger;
using pager::SlotRun;

constexpr std::array kHolds = {Hold::version, Hold::journal, Hold::checkpoint, Hold::transaction};

struct LedgerWorld {
  explicit LedgerWorld(std::uint64_t slots, std::uint64_t capacity_slots = 1ull << 40) {
    disk->size = slots * 4096;
    disk->capacity = capacity_slots * 4096;
  }
  std::shared_ptr<SparseDisk> disk = std::make_shared<SparseDisk>();
  std::unique_ptr<PageFile> file_ = nullptr;
  std::unique_ptr<SlotLedger> ledger_ = nullptr;
  PageFile& file() {
    if (!file_) file_ = std::make_unique<PageFile>(std::make_unique<SparseFile>(disk), 4096, 4096);
    return *file_;
  }
  SlotLedger& ledger() {
    if (!ledger_) ledger_ = std::make_unique<SlotLedger>(file());
    return *ledger_;
  }
};

/// What is known of each slot, naively.
struct NaiveLedger {
  struct Slot {
    bool used = false;
    std::set<Hold> holds;
    bool reusable() const { return !used && holds.empty(); }
  };
  std::vector<Slot> slots;
  std::map<std::uint64_t, SlotRun> runs;  ///< that have ever been handed out

  std::uint64_t free() const {
    return static_cast<std::uint64_t>(
        std::count_if(slots.begin(), slots.end(), [](const Slot& s) { return s.reusable(); }));
  }
};

void compare(const SlotLedger& ledger, const NaiveLedger& naive) {
  std::uint64_t used = 0;
  for (std::uint64_t i = 0; i < naive.slots.size(); ++i) {
    const auto& slot = naive.slots[i];
    used += slot.used ? 1 : 0;
    if (ledger.reusable(SlotId(i)) != slot.reusable()) FAIL("slot " << i << " reusable");
    if (ledger.in_checkpoint(SlotId(i)) != slot.used) FAIL("slot " << i << " used");
    for (const Hold hold : kHolds) {
      if (ledger.held({SlotId(i), 1}, hold) != (slot.holds.count(hold) != 0)) {
        FAIL("slot " << i << " held");
      }
    }
  }
  REQUIRE(ledger.free_slots() == naive.free());
  REQUIRE(ledger.used_slots() == used);
  REQUIRE(ledger.held_slots() == naive.slots.size() - naive.free() - used);
  std::uint64_t tail = 0;
  while (tail < naive.slots.size() && naive.slots[naive.slots.size() - 1 - tail].reusable()) ++tail;
  REQUIRE(ledger.free_tail() == tail);
}

TEST_CASE("the ledger agrees with a naive one over random operations") {
  const std::uint64_t seed = 314;
  INFO("seed " << seed);
  Random random(seed);
  // Small enough to be full at times, and across the edge of a block (16,384 slots).
  for (const std::uint64_t base : {std::uint64_t{0}, std::uint64_t{16384 - 40}}) {
    LedgerWorld world(base + 90);
    SlotLedger& ledger = world.ledger();
    NaiveLedger naive;
    naive.slots.resize(base + 90);
    for (std::uint64_t i = 0; i < base; ++i) {
      ledger.load_used(SlotId(i));
      naive.slots[i].used = true;
    }
    for (int step = 0; step < 3000; ++step) {
      const std::uint64_t kind = below(random, 10);
      const Hold hold = kHolds[below(random, kHolds.size())];
      if (kind < 4) {
        const auto count = static_cast<std::uint32_t>(kind < 2 ? 1 : 1 + below(random, 20));
        const SlotRun run = ledger.allocate(count, hold);
        if (world.file().slot_count() > naive.slots.size()) {
          naive.slots.resize(world.file().slot_count());
        }
        REQUIRE(run.count == count);
        for (std::uint32_t i = 0; i < count; ++i) {
          auto& slot = naive.slots.at(run.first.value + i);
          REQUIRE(slot.reusable());
          slot.holds.insert(hold);
        }
        naive.runs[run.first.value] = run;
        continue;
      }
      if (naive.runs.empty()) continue;
      auto at = naive.runs.lower_bound(below(random, naive.slots.size()));
      if (at == naive.runs.end()) at = naive.runs.begin();
      const SlotRun run = at->second;
      const auto each = [&](auto change) {
        for (std::uint32_t i = 0; i < run.count; ++i) change(naive.slots[run.first.value + i]);
      };
      const bool used = naive.slots[run.first.value].used;
      if (kind < 6 && !naive.slots[run.first.value].reusable()) {
        ledger.hold(run, hold);
        each([&](auto& slot) { slot.holds.insert(hold); });
      } else if (kind < 9) {
        ledger.release(run, hold);
        each([&](auto& slot) { slot.holds.erase(hold); });
      } else if (used) {
        ledger.install_checkpoint({}, {&run, 1});
        each([&](auto& slot) { slot.used = false; });
      } else if (!naive.slots[run.first.value].reusable()) {
        ledger.install_checkpoint({&run, 1}, {});
        each([&](auto& slot) {
          slot.used = true;
          slot.holds.erase(Hold::checkpoint);
        });
      }
      if (naive.slots[run.first.value].reusable()) naive.runs.erase(run.first.value);
      if (step % 50 == 0) compare(ledger, naive);
    }
    compare(ledger, naive);
  }
}

TEST_CASE("the file doubles while small and then grows by 64 MiB") {
  LedgerWorld world(0);
  std::vector<std::uint64_t> sizes;
  std::uint64_t last = 0;
  while (last < 70000) {
    static_cast<void>(world.ledger().allocate(1, Hold::transaction));
    if (world.file().slot_count() != last) sizes.push_back(last = world.file().slot_count());
  }
  REQUIRE(sizes == std::vector<std::uint64_t>{64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
                                              32768, 49152, 65536, 81920});
}

TEST_CASE("where a growth step has no room exactly what is needed is taken") {
  LedgerWorld world(0, 1000);
  for (int i = 0; i < 1000; ++i) static_cast<void>(world.ledger().allocate(1, Hold::transaction));
  REQUIRE(world.file().slot_count() == 1000);
  REQUIRE_THROWS_AS(world.ledger().allocate(1, Hold::transaction), NoSpace);
  REQUIRE_THROWS_AS(world.ledger().allocate(1, Hold::checkpoint), NoSpace);
  // It is usable again as soon as something is free.
  world.ledger().release({SlotId(500), 1}, Hold::transaction);
  REQUIRE(world.ledger().allocate(1, Hold::version).first == SlotId(500));
}

TEST_CASE("a run is found wherever it is, across words and blocks, and also at the very end") {
  LedgerWorld world(16384 * 2, 16384 * 2);
  SlotLedger& ledger = world.ledger();
  const SlotRun all = ledger.allocate(16384 * 2, Hold::version);
  REQUIRE(all.first == SlotId(0));
  for (const auto& [first, count] : std::vector<std::pair<std::uint64_t, std::uint32_t>>{
           {0, 16}, {60, 16}, {16376, 16}, {16384, 16}, {1000, 300}, {16384 * 2 - 16, 16}}) {
    INFO("at " << first);
    ledger.release({SlotId(first), count}, Hold::version);
    // One more than there is must fail, and a search that failed must not hide what is freed later.
    REQUIRE_THROWS_AS(ledger.allocate(count + 1, Hold::version), NoSpace);
    const SlotRun run = ledger.allocate(count, Hold::version);
    REQUIRE(run.first == SlotId(first));
    REQUIRE(run.count == count);
  }
}

TEST_CASE("a run that was not found is found where it comes to be, whatever was free before") {
  constexpr std::uint32_t kSlots = 65536;
  LedgerWorld world(kSlots, kSlots);
  SlotLedger& ledger = world.ledger();
  static_cast<void>(ledger.allocate(kSlots, Hold::version));
  // Enough for a run, and no two of them beside each other.
  for (std::uint64_t i = 0; i < 100; i += 2) ledger.release({SlotId(i), 1}, Hold::version);
  REQUIRE_THROWS_AS(ledger.allocate(16, Hold::version), NoSpace);
  // A longer one and a shorter one are not there either.
  REQUIRE_THROWS_AS(ledger.allocate(20, Hold::version), NoSpace);
  REQUIRE_THROWS_AS(ledger.allocate(2, Hold::version), NoSpace);
  // At the end, and too little to look through the whole file again.
  ledger.release({SlotId(kSlots - 20), 20}, Hold::version);
  REQUIRE(ledger.allocate(16, Hold::version).first == SlotId(kSlots - 20));
  REQUIRE_THROWS_AS(ledger.allocate(16, Hold::version), NoSpace);
  // In the middle, and more than a thousandth of the file.
  ledger.release({SlotId(30'000), 70}, Hold::version);
  REQUIRE(ledger.allocate(16, Hold::version).first == SlotId(30'000));
  REQUIRE(ledger.allocate(16, Hold::version).first == SlotId(30'016));
}

TEST_CASE("a longer pin and a shorter one let go of what only they had") {
  LedgerWorld world(100);
  SlotLedger& ledger = world.ledger();
  ledger.load_used(SlotId(3));
  auto before = ledger.pin();
  // In a part of the file that there was not when the first pin was taken.
  const SlotRun run = ledger.allocate(20'000, Hold::transaction);
  ledger.install_checkpoint(std::vector{run}, {});
  ledger.release(run, Hold::transaction);
  auto after = ledger.pin();
  ledger.install_checkpoint({}, std::vector{SlotRun{SlotId(3), 1}, run});
  REQUIRE(ledger.pinned_slots() == 20'001);
  after.reset();
  REQUIRE(ledger.pinned_slots() == 1);
  REQUIRE_FALSE(ledger.reusable(SlotId(3)));
  REQUIRE(ledger.reusable(run.first));
  before.reset();
  REQUIRE(ledger.pinned_slots() == 0);
  REQUIRE(ledger.reusable(SlotId(3)));
}

TEST_CASE("the reserve is for checkpoints") {
  LedgerWorld world(100, 100);
  SlotLedger& ledger = world.ledger();
  ledger.reserve(30);
  for (int i = 0; i < 70; ++i) static_cast<void>(ledger.allocate(1, Hold::transaction));
  REQUIRE_THROWS_AS(ledger.allocate(1, Hold::transaction), NoSpace);
  REQUIRE_THROWS_AS(ledger.allocate_scattered(1, Hold::version), NoSpace);
  REQUIRE(ledger.allocate_scattered(30, Hold::checkpoint).size() == 30);
  REQUIRE_THROWS_AS(ledger.allocate(1, Hold::checkpoint), NoSpace);
}

TEST_CASE("a reserve that cannot be had leaves the former one") {
  LedgerWorld world(10, 100);
  SlotLedger& ledger = world.ledger();
  ledger.reserve(90);
  REQUIRE(ledger.free_slots() >= 90);
  REQUIRE_THROWS_AS(ledger.reserve(101), NoSpace);
  REQUIRE(ledger.allocate_scattered(10, Hold::transaction).size() == 10);
  REQUIRE_THROWS_AS(ledger.allocate(1, Hold::transaction), NoSpace);
}

TEST_CASE("a file that grows keeps more in reserve, for the larger free map") {
  // Room for 20 leaves of the free map; the reserve was computed for one.
  LedgerWorld world(16384, 16384 * 20);
  SlotLedger& ledger = world.ledger();
  ledger.reserve(5);
  while (true) {
    try {
      static_cast<void>(ledger.allocate_scattered(1000, Hold::transaction));
    } catch (const NoSpace&) {
      break;
    }
  }
  // 20 leaves and one node above them, where there was one leaf.
  REQUIRE(world.file().slot_count() > 16384 * 19);
  const std::uint64_t left = ledger.free_slots();
  REQUIRE(left >= 5 + 20);
  REQUIRE(ledger.allocate_scattered(left, Hold::checkpoint).size() == left);
}

TEST_CASE("only the free end is cut off, and never the reserve") {
  LedgerWorld world(1000);
  SlotLedger& ledger = world.ledger();
  const SlotRun low = ledger.allocate(10, Hold::version);
  static_cast<void>(ledger.allocate(490, Hold::version));
  ledger.release(low, Hold::version);
  ledger.reserve(200);
  REQUIRE(ledger.free_tail() == 500);
  ledger.shrink_file();
  // 10 free ones in front, 190 behind.
  REQUIRE(world.file().slot_count() == 690);
  ledger.reserve(0);
  ledger.shrink_file();
  REQUIRE(world.file().slot_count() == 500);
  REQUIRE(ledger.free_slots() == 10);
  static_cast<void>(ledger.allocate(50, Hold::version));
  REQUIRE(world.file().slot_count() >= 550);
  // A checkpoint has taken of the reserve: nothing is to spare, whatever is free at the end.
  const std::uint64_t slots = world.file().slot_count();
  ledger.reserve(ledger.free_slots());
  static_cast<void>(ledger.allocate(1, Hold::checkpoint));
  REQUIRE(ledger.free_tail() > 0);
  ledger.shrink_file();
  REQUIRE(world.file().slot_count() == slots);
}

TEST_CASE("a hold beyond the end of the file is an error from disk, not a broken contract") {
  LedgerWorld world(10);
  REQUIRE_THROWS_AS(world.ledger().hold({SlotId(10), 1}, Hold::journal), Tampered);
  REQUIRE_THROWS_AS(world.ledger().hold({SlotId(8), 3}, Hold::journal), Tampered);
  REQUIRE_NOTHROW(world.ledger().hold({SlotId(8), 2}, Hold::journal));
  REQUIRE_NOTHROW(
      world.ledger().hold({SlotId(3), 0}, Hold::journal));  // nothing, and no slot is held
  REQUIRE(world.ledger().free_slots() == 8);
}

TEST_CASE("loading by words and by slots is the same") {
  LedgerWorld by_words(16384 + 100);
  LedgerWorld by_slots(16384 + 100);
  Random random(1);
  std::vector<std::uint64_t> words(258);
  for (auto& word : words) word = random() & random();
  words.back() &= (1ull << 36) - 1;
  by_words.ledger().load_used(SlotId(0), words);
  for (std::uint64_t i = 0; i < 16384 + 100; ++i) {
    if (((words[i / 64] >> (i % 64)) & 1) != 0) by_slots.ledger().load_used(SlotId(i));
  }
  std::vector<std::uint64_t> read(259, 1);
  by_slots.ledger().copy_in_checkpoint(SlotId(0), read);
  words.push_back(0);
  REQUIRE(read == words);
  by_words.ledger().copy_in_checkpoint(SlotId(0), read);
  REQUIRE(read == words);
  REQUIRE(by_words.ledger().used_slots() == by_slots.ledger().used_slots());
}

TEST_CASE("allocating a slot takes tens of nanoseconds", "[.bench]") {
  LedgerWorld world(1 << 22);
  SlotLedger& ledger = world.ledger();
  constexpr int kTimes = 2'000'000;
  const double begin = cpu_seconds();
  for (int i = 0; i < kTimes; ++i) static_cast<void>(ledger.allocate(1, Hold::transaction));
  WARN((cpu_seconds() - begin) * 1e9 / kTimes << " ns a slot");
}

}  // namespace
}  // namespace coffer::test
