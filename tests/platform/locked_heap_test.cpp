// Small buffers of locked memory.
#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "platform/locked_heap.hpp"
#include "tests/platform/worlds.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

bool all_equal(std::span<const std::byte> bytes, int value) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](std::byte b) { return b == static_cast<std::byte>(value); });
}

}  // namespace

TEST_CASE("a buffer is zero, aligned and its owner's alone") {
  World world(GENERATE(as<std::string>{}, "linux", "simulated"));
  LockedHeap heap(world.platform().memory(), 256 * 1024, LockPolicy::abort, "keys");
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::map<int, LockedBuffer> held;
  for (int i = 1; i < 2000; ++i) {
    auto buffer = heap.allocate(random() % 2000 + 1);
    REQUIRE(reinterpret_cast<std::uintptr_t>(buffer.bytes().data()) % 16 == 0);
    REQUIRE(all_equal(buffer.bytes(), 0));
    std::memset(buffer.bytes().data(), i, buffer.size());
    held.emplace(i, std::move(buffer));
    if (held.size() > 60) {
      auto victim = std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
      REQUIRE(all_equal(victim->second.bytes(), victim->first));
      held.erase(victim);
    }
  }
  for (const auto& [value, buffer] : held) REQUIRE(all_equal(buffer.bytes(), value));
}

TEST_CASE("a buffer is wiped when it is given back") {
  World world(GENERATE(as<std::string>{}, "linux", "simulated"));
  LockedHeap heap(world.platform().memory(), 16 * 1024, LockPolicy::abort, "keys");
  auto buffer = heap.allocate(1000);
  const auto bytes = buffer.bytes();
  std::memset(bytes.data(), 0x5A, bytes.size());
  auto moved = std::move(buffer);
  CHECK(moved.bytes()[999] == std::byte{0x5A});
  CHECK(buffer.empty());  // NOLINT: what a moved-from buffer is, is promised
  moved = LockedBuffer();
  // The heap's memory is still there; the allocator may have put its own links at the front.
  CHECK(std::count(bytes.begin(), bytes.end(), std::byte{0x5A}) == 0);
}

TEST_CASE("a full heap says so, and has all its bytes again when they come back") {
  World world(GENERATE(as<std::string>{}, "linux", "simulated"));
  LockedHeap heap(world.platform().memory(), 16 * 1024, LockPolicy::abort, "cursor keys");
  const auto free_at_first = heap.free_bytes();
  CHECK(free_at_first > 15 * 1024);
  {
    std::vector<LockedBuffer> buffers;
    try {
      for (int i = 0; i < 1000; ++i) buffers.push_back(heap.allocate(100));
      FAIL("a heap of 16 KiB held 100,000 bytes");
    } catch (const MemoryLockError& full) {
      CHECK(full.numbers().requested_bytes == 100);
      CHECK_THAT(full.what(), Catch::Contains("cursor keys") && Catch::Contains("budget"));
    }
    CHECK(buffers.size() > 100);
  }
  CHECK(heap.free_bytes() == free_at_first);
  CHECK(heap.allocate(0).empty());
}

TEST_CASE("threads share a heap", "[threads]") {
  World world("linux");
  LockedHeap heap(world.platform().memory(), 256 * 1024, LockPolicy::abort, "keys");
  const auto free_at_first = heap.free_bytes();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 3000; ++i) {
        auto buffer = heap.allocate(1 + i % 500);
        if (!all_equal(buffer.bytes(), 0)) ++wrong;
        std::memset(buffer.bytes().data(), t, buffer.size());
        if (!all_equal(buffer.bytes(), t)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(heap.free_bytes() == free_at_first);
}
