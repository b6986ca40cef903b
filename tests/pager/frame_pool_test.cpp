// Frames that change hands while others are about to let go of them.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>

#include "pager/frame_pool.hpp"
#include "pager_support.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::test {
namespace {

using pager::Claim;
using pager::FrameIndex;
using pager::FramePool;
using pager::SharedFrame;

/// A pool of as few frames as there can be, a few of them clean.
struct FrameWorld {
  std::unique_ptr<platform::SimulatedPlatform> machine = platform::SimulatedPlatform::make(81);
  FramePool pool{machine->memory(),
                 {.page_bytes = 4096, .frame_bytes_max = FramePool::kFramesMin * 4096}};

  void label(FrameIndex frame, std::uint64_t with) {
    std::memcpy(pool.bytes(frame).data() + 64, &with, sizeof with);
  }
  std::uint64_t label_of(FrameIndex frame) {
    std::uint64_t with = 0;
    std::memcpy(&with, pool.bytes(frame).data() + 64, sizeof with);
    return with;
  }
  /// All frames that can be had.
  std::vector<FrameIndex> take_all() {
    std::vector<FrameIndex> taken;
    while (const auto frame = pool.try_take(Claim::writer)) taken.push_back(*frame);
    return taken;
  }
};

TEST_CASE("a frame that only a handle still pins stays the handle's, and is free once, after it") {
  FrameWorld world;
  const FrameIndex frame = world.pool.take(Claim::writer);
  world.label(frame, 7);
  world.pool.add_pin(frame);
  world.pool.retire(frame);
  REQUIRE(world.pool.pins(frame) == 1);
  const auto others = world.take_all();
  REQUIRE(others.size() == FramePool::kFramesMin - 1);
  REQUIRE(std::find(others.begin(), others.end(), frame) == others.end());
  REQUIRE(world.label_of(frame) == 7);
  // Somebody who remembers the frame from before finds it gone, and undoing his attempt frees nothing.
  REQUIRE_FALSE(world.pool.try_pin({frame, world.pool.generation(frame) - 1}));
  REQUIRE(world.label_of(frame) == 7);
  world.pool.unpin(frame);
  REQUIRE(world.take_all() == std::vector<FrameIndex>{frame});
  REQUIRE(world.label_of(frame) == 0);
}

TEST_CASE("a pin that is moved onto itself still is one, and lets go once") {
  FrameWorld world;
  const FrameIndex frame = world.pool.take(Claim::writer);
  world.pool.add_pin(frame);
  {
    pager::PagePin pin(world.pool, frame, PageId{1}, world.pool.bytes(frame));
    pager::PagePin& itself = pin;
    pin = std::move(itself);
    REQUIRE(pin);
    REQUIRE(world.pool.pins(frame) == 2);
  }
  REQUIRE(world.pool.pins(frame) == 1);
}

TEST_CASE("room that came while clean frames could be evicted is asked for when none is left") {
  const auto machine = platform::SimulatedPlatform::make(82);
  FramePool pool(machine->memory(),
                 {.page_bytes = 4096, .frame_bytes_max = 4 * FramePool::kFramesMin * 4096});
  std::vector<FrameIndex> taken;
  for (std::uint32_t i = 0; i < 2 * FramePool::kFramesMin; ++i)
    taken.push_back(pool.take(Claim::writer));
  // One of them becomes a clean frame that nobody has pinned.
  const FrameIndex clean = taken.back();
  taken.pop_back();
  const crypto::Tag tag{};
  static_cast<void>(pool.share(clean, PageId{1}, tag, false));
  pool.unpin(clean);
  machine->set_lock_fault([](std::uint64_t length) {
    throw MemoryLockError("the system refuses", {.requested_bytes = length});
  });
  // Growing is refused, and nobody hears of it: the clean frame serves.
  REQUIRE(pool.take(Claim::writer) == clean);
  REQUIRE_THROWS_AS(pool.take(Claim::writer), MemoryLockError);
  const auto refill = [&] {
    static_cast<void>(pool.share(clean, PageId{1}, tag, false));
    pool.unpin(clean);
    REQUIRE(pool.take(Claim::writer) == clean);
  };
  refill();
  machine->set_lock_fault({});
  // The first that needs it gets it.
  REQUIRE(pool.try_take(Claim::writer));
}

TEST_CASE("a pool that keeps pages grows by huge pages, and by less where there is not that much") {
  constexpr std::uint64_t kSmall = 256 << 10;
  constexpr std::uint64_t kLarge = 2 << 20;
  const bool keeps = GENERATE(true, false);
  const bool refused = GENERATE(false, true);
  CAPTURE(keeps, refused);
  const auto machine = platform::SimulatedPlatform::make(84);
  std::vector<std::uint64_t> steps;
  machine->set_lock_fault([&](std::uint64_t length) {
    if (refused && length > kSmall) {
      throw MemoryLockError("the system refuses", {.requested_bytes = length});
    }
    steps.push_back(length);
  });
  FramePool pool(machine->memory(), {.page_bytes = 4096,
                                     .frame_bytes_max = 3 * kLarge + kSmall,
                                     .residency = keeps ? Residency::pages : Residency::strict,
                                     .resident_bytes_max = keeps ? kLarge : 0});
  std::size_t frames = 0;
  while (pool.try_take(Claim::writer)) ++frames;
  CHECK(frames == (3 * kLarge + kSmall) / 4096);
  std::vector<std::uint64_t> expected(kLarge / kSmall, kSmall);
  if (keeps && !refused) {
    expected.insert(expected.end(), {kLarge, kLarge, kSmall});
  } else {
    expected.resize(3 * kLarge / kSmall + 1, kSmall);
  }
  CHECK(steps == expected);
}

TEST_CASE(
    "what the page table names is found without its tag while the table stays, and no longer") {
  const auto machine = platform::SimulatedPlatform::make(83);
  FramePool pool(machine->memory(), {.page_bytes = 4096,
                                     .frame_bytes_max = FramePool::kFramesMin * 4096,
                                     .residency = Residency::pages,
                                     .resident_bytes_max = FramePool::kFramesMin * 4096});
  REQUIRE(pool.keeps_pages());
  const auto let_go = [&](SharedFrame shared) {
    pool.unpin(shared.frame);
    pool.leave(shared);
  };
  const auto put = [&](std::uint8_t tag) {
    const SharedFrame shared =
        pool.share(pool.take(Claim::reader), PageId{7}, crypto::Tag{std::byte{tag}}, false);
    let_go(shared);
    return shared;
  };
  const SharedFrame old = put(1);
  REQUIRE_FALSE(pool.find_current(PageId{7}, 1));  // nobody has said so yet
  pool.note_current(old, 1);
  const auto found = pool.find_current(PageId{7}, 1);
  REQUIRE(found);
  REQUIRE(found->frame == old.frame);
  REQUIRE(pool.pins(old.frame) == 1);
  let_go(*found);
  REQUIRE_FALSE(pool.find_current(PageId{8}, 1));
  // A checkpoint later: both versions are there, and only the one that was noted is the table's.
  REQUIRE_FALSE(pool.find_current(PageId{7}, 2));
  const SharedFrame fresh = put(2);
  REQUIRE_FALSE(pool.find_current(PageId{7}, 2));
  pool.note_current(fresh, 2);
  const auto later = pool.find_current(PageId{7}, 2);
  REQUIRE(later);
  REQUIRE(later->frame == fresh.frame);
  // A frame that became another one keeps nothing of it, and is not noted for what it was.
  REQUIRE(pool.make_private(*later));
  const SharedFrame again = pool.share(later->frame, PageId{7}, crypto::Tag{std::byte{3}}, false);
  REQUIRE_FALSE(pool.find_current(PageId{7}, 2));
  pool.note_current(*later, 2);
  REQUIRE_FALSE(pool.find_current(PageId{7}, 2));
  let_go(again);
}

TEST_CASE("an orphan's last handle and late attempts to pin it free it once between them") {
  FrameWorld world;
  for (int round = 0; round < 3000; ++round) {
    const FrameIndex frame = world.pool.take(Claim::writer);
    const SharedFrame remembered{frame, world.pool.generation(frame)};
    world.pool.add_pin(frame);
    std::atomic<int> ready{0};
    const auto meet = [&ready] {
      ++ready;
      while (ready < 2) std::this_thread::yield();
    };
    std::thread late([&] {
      meet();
      for (int i = 0; i < 20; ++i) {
        if (world.pool.try_pin(remembered)) world.pool.unpin(frame);
      }
    });
    meet();
    world.pool.retire(frame);
    world.pool.unpin(frame);
    late.join();
    const auto all = world.take_all();
    if (std::set<FrameIndex>(all.begin(), all.end()).size() != FramePool::kFramesMin) {
      FAIL("round " << round << ": " << all.size() << " frames are to be had");
    }
    for (const FrameIndex each : all) world.pool.retire(each);
  }
  REQUIRE(world.pool.frames_in_use() == 0);
}

/// Readers pin and unpin clean frames in a loop, so that now and then the system takes the processor from one
/// between the two halves of letting go, if there are two.  Meanwhile the writer takes each frame by eviction,
/// gives a handle out on it and retires it.  A reader that goes on then must not free it.
class EvictionRace {
 public:
  void run(std::chrono::milliseconds time) {
    std::vector<std::thread> readers;
    for (unsigned i = 0; i < kReaders; ++i) readers.emplace_back([this, i] { read(i); });
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end && wrong_ == 0) take_and_retire();
    stop_ = true;
    for (auto& reader : readers) reader.join();
  }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }
  [[nodiscard]] std::uint64_t pinned() const { return pinned_; }
  [[nodiscard]] std::uint64_t left_over() const { return world_.pool.frames_in_use(); }

 private:
  static constexpr unsigned kReaders = 6;
  static constexpr std::uint64_t kPages = 6;
  static constexpr std::uint64_t kLabel = 0x1234567812345678u;
  static constexpr std::uint64_t kNobody = std::uint64_t{0xffffffffu}
                                           << 32;  ///< nobody remembers it

  static crypto::Tag tag_of(std::uint64_t version) {
    crypto::Tag tag{};
    std::memcpy(tag.data(), &version, sizeof version);
    return tag;
  }

  void read(unsigned who) {
    std::uint64_t pinned = 0;
    while (!stop_) {
      const std::uint64_t at = shared_[who % kPages].load(std::memory_order_acquire);
      const SharedFrame frame{static_cast<FrameIndex>(at & 0xffffffffu),
                              static_cast<std::uint32_t>(at >> 32)};
      for (int i = 0; i < 64; ++i) {
        if (!world_.pool.try_pin(frame)) break;
        world_.pool.unpin(frame.frame);
        ++pinned;
      }
    }
    pinned_ += pinned;
  }

  /// Makes frames clean for the readers, then takes what there is, by eviction at last, and retires it with a
  /// handle on it.
  void take_and_retire() {
    std::set<FrameIndex> clean;
    for (std::uint64_t i = 0; i < kPages; ++i) {
      const FrameIndex frame = world_.pool.take(Claim::writer);
      const SharedFrame shared = world_.pool.share(frame, PageId(i + 1), tag_of(++version_), false);
      shared_[i].store(shared.frame | std::uint64_t{shared.generation} << 32,
                       std::memory_order_release);
      clean.insert(shared.frame);
    }
    // Only readers pin them from now on, and our coming back takes the processor from one of those.
    for (const FrameIndex frame : clean) world_.pool.unpin(frame);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::vector<FrameIndex> others;
    std::set<FrameIndex> orphans;
    for (int tries = 0; tries < 100 && orphans.size() < clean.size(); ++tries) {
      const auto frame = world_.pool.try_take(Claim::writer);
      if (!frame) continue;
      if (!clean.contains(*frame)) {
        others.push_back(*frame);
        continue;
      }
      if (!orphans.insert(*frame).second) ++wrong_;  // handed out twice
      world_.label(*frame, kLabel);
      world_.pool.add_pin(*frame);
      world_.pool.retire(*frame);
    }
    evicted_ += orphans.size();
    // Whoever lost the processor gets it back.
    for (auto& shared : shared_) shared = kNobody;
    std::this_thread::sleep_for(std::chrono::milliseconds(6));
    for (const FrameIndex frame : orphans) {
      if (world_.label_of(frame) != kLabel) ++wrong_;
      world_.pool.unpin(frame);
    }
    for (const FrameIndex frame : others) world_.pool.retire(frame);
    for (std::uint64_t i = 0; i < kPages; ++i) drop(i);
  }

  /// The transaction that used a page ends.
  void drop(std::uint64_t i) {
    const std::uint64_t version = version_ - (kPages - 1) + i;
    if (const auto found = world_.pool.find(PageId(i + 1), tag_of(version))) {
      world_.pool.leave(*found);
      world_.pool.leave(*found);
      world_.pool.unpin(found->frame);
    }
  }

  FrameWorld world_;
  std::array<std::atomic<std::uint64_t>, kPages> shared_{};
  std::uint64_t version_ = 0;
  std::uint64_t evicted_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<std::uint64_t> pinned_{0};
};

TEST_CASE("a reader that lets go late does not free the frame that the writer has meanwhile") {
  EvictionRace race;
  race.run(std::chrono::seconds(1));
  WARN(race.evicted() << " frames evicted, " << race.pinned() << " pins");
  REQUIRE(race.wrong() == 0);
  REQUIRE(race.evicted() > 20);
  REQUIRE(race.left_over() == 0);
}

}  // namespace
}  // namespace coffer::test
