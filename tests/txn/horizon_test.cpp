// Rule V (snapshots.hpp), enumerated: which versions reclaiming may drop.
#include <catch2/catch.hpp>

#include <set>

#include "txn/snapshots.hpp"

namespace coffer::txn {
namespace {

/// The rule from its purpose: could a reader that exists, or one that may still begin, see this version?  A
/// reader at s sees the newest version born at or before s; one may still begin at any s >= durable.
bool somebody_sees(std::uint64_t born, std::uint64_t successor, const std::set<std::uint64_t>& live,
                   std::uint64_t durable, std::uint64_t latest) {
  for (std::uint64_t s = 0; s <= latest; ++s) {
    const bool reads = live.contains(s) || s >= durable;
    if (reads && born <= s && s < successor) return true;
  }
  return false;
}

TEST_CASE("Rule V keeps a version exactly as long as somebody can see it") {
  constexpr std::uint64_t kLatest = 7;
  for (std::uint64_t durable = 0; durable <= kLatest; ++durable) {
    for (unsigned mask = 0; mask < (1u << (durable + 1));
         ++mask) {  // snapshots at or below durable
      Horizon horizon;
      std::set<std::uint64_t> live;
      horizon.durable = CommitNumber{durable};
      for (std::uint64_t s = 0; s <= durable; ++s) {
        if ((mask >> s & 1u) == 0) continue;
        live.insert(s);
        horizon.live.push_back(CommitNumber{s});
      }
      for (std::uint64_t born = 0; born <= kLatest; ++born) {
        for (std::uint64_t successor = born + 1; successor <= kLatest; ++successor) {
          CAPTURE(durable, mask, born, successor);
          REQUIRE(horizon.needs(CommitNumber{born}, CommitNumber{successor}) ==
                  somebody_sees(born, successor, live, durable, kLatest));
        }
      }
    }
  }
}

}  // namespace
}  // namespace coffer::txn
