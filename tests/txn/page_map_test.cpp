// What a transaction remembers of the pages that it has read.
#include <catch2/catch.hpp>

#include <cstring>

#include "platform/simulated/simulated.hpp"
#include "txn/page_map.hpp"

namespace coffer::test {
namespace {

using pager::Claim;
using pager::FramePool;
using txn::PageMap;

TEST_CASE("a map of pages is in proportion to the frames, however many pages were read") {
  const auto machine = platform::SimulatedPlatform::make(91);
  constexpr std::uint32_t kFrames = 2 * FramePool::kFramesMin;
  FramePool pool(machine->memory(),
                 {.page_bytes = 4096, .frame_bytes_max = std::uint64_t{kFrames} * 4096});
  PageMap map;
  constexpr std::uint64_t kPages = 20'000;
  std::size_t largest = 0;
  for (std::uint64_t page = 1; page <= kPages; ++page) {
    map.reserve_one(pool);
    const pager::FrameIndex frame = pool.take(Claim::reader);
    crypto::Tag tag{};
    std::memcpy(tag.data(), &page, sizeof page);
    const pager::SharedFrame shared = pool.share(frame, PageId{page}, tag, false);
    map.set(PageId{page}, shared);
    pool.unpin(shared.frame);
    largest = std::max(largest, map.size());
  }
  // At most a fourth of a new table is used, and a table is at most half full: twice what was good, rounded up to
  // a power of two, can come to four times as many.
  REQUIRE(largest <= 4 * kFrames);
  // Every page whose frame is still its own is found, and there are as many as there are frames for readers.
  std::size_t still_there = 0;
  for (std::uint64_t page = 1; page <= kPages; ++page) {
    const PageMap::Entry* entry = map.find(PageId{page});
    if (entry == nullptr || !pool.try_pin(entry->frame)) continue;
    pool.unpin(entry->frame.frame);
    ++still_there;
  }
  REQUIRE(still_there == pool.frames_in_use());
  REQUIRE(still_there > kFrames / 4);
  map.for_each([&](const PageMap::Entry& entry) { pool.leave(entry.frame); });
  REQUIRE(pool.frames_in_use() == 0);
}

}  // namespace
}  // namespace coffer::test
