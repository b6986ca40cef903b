// Linux only: the kernel's list of mappings is read
//
// A gigabyte of frames as the kernel sees it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "pager/frame_pool.hpp"
#include "platform/platform.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"

namespace coffer::test {
namespace {

struct MappedRange {
  std::uint64_t mappings = 0;         ///< that begin in the range
  std::uint64_t locked_mappings = 0;  ///< of which are locked
  std::uint64_t locked_kib = 0;
};

MappedRange mapped_in(std::uint64_t from, std::uint64_t to) {
  MappedRange range;
  std::ifstream file("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t kib = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " ", &begin, &end) == 2) {
      inside = begin >= from && begin < to;
      if (inside) ++range.mappings;
    } else if (inside && std::sscanf(line.c_str(), "Locked: %" SCNu64 " kB", &kib) == 1) {
      range.locked_kib += kib;
    } else if (inside && line.starts_with("VmFlags:") &&
               (line + ' ').find(" lo ") != std::string::npos) {
      ++range.locked_mappings;
    }
  }
  return range;
}

}  // namespace

// vm.max_map_count is 65,530 by default: memory locked page by page would reach it at 256 MiB.  Huge pages that were asked for
// stay mappings of their own, which would reach it at 128 GiB.
TEST_CASE("a gigabyte of frames, locked step by step, is one mapping, or one for each huge page") {
  constexpr std::uint64_t kGibibyte = 1 << 30;
  constexpr std::uint64_t kPage = 4096;
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  if (!has_capability(CAP_IPC_LOCK) && lock_limit().rlim_max < kGibibyte + (1 << 20))
    return skip("less than a gigabyte can be locked here");
  const Residency residency = GENERATE(Residency::strict, Residency::pages);
  pager::FramePool pool(
      platform::native_platform().memory(),
      {.page_bytes = kPage, .frame_bytes_max = kGibibyte, .residency = residency});
  std::uint64_t taken = 0;
  std::uint64_t first = UINT64_MAX;
  std::uint64_t last = 0;
  while (const auto frame = pool.try_take(pager::Claim::writer)) {
    const auto at = reinterpret_cast<std::uint64_t>(pool.bytes(*frame).data());
    first = std::min(first, at);
    last = std::max(last, at);
    ++taken;
  }
  REQUIRE(taken == kGibibyte / kPage);
  const MappedRange range = mapped_in(first, last + kPage);
  CHECK(range.mappings <= (residency == Residency::strict ? 1 : kGibibyte / (2 << 20)));
  CHECK(range.locked_mappings == range.mappings);
  CHECK(range.locked_kib == kGibibyte / 1024);
}

}  // namespace coffer::test
