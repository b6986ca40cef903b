// Rule V (snapshots.hpp), enumerated: which versions reclaiming may drop.
#include <catch2/catch.hpp>

#include <set>

#include "platform/simulated/simulated.hpp"
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
        horizon.points.push_back(CommitNumber{s});
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

/// Rule VM from its purpose: snapshots that exist, and those that may still begin: at the durable point, at what
/// a sync under way makes it, at what is the latest now, and at or beyond what will be.
TEST_CASE("Rule VM keeps ciphertext in memory exactly as long as somebody can come to see it") {
  constexpr std::uint64_t kEnd = 7;
  const auto machine = platform::SimulatedPlatform::make(1);
  std::uint64_t dropped = 0;
  for (std::uint64_t durable = 0; durable <= kEnd; ++durable) {
    for (std::uint64_t target = durable; target <= kEnd; ++target) {
      for (std::uint64_t latest = target; latest <= kEnd; ++latest) {
        for (const bool publishing : {false, true}) {
          for (std::uint64_t reader = 0; reader <= durable; ++reader) {
            Snapshots snapshots(machine->clock());
            const std::atomic<std::uint64_t> at{reader};
            const auto ticket = snapshots.begin(at);
            const std::atomic<std::uint64_t> d{durable};
            const std::atomic<std::uint64_t> t{target == durable ? 0 : target};
            const std::atomic<std::uint64_t> l{latest};
            const std::uint64_t from = publishing ? latest + 1 : latest;
            const Horizon horizon =
                snapshots.horizon({.durable = d,
                                   .sync_target = t,
                                   .latest = l,
                                   .next = publishing ? CommitNumber{from} : CommitNumber{}});
            for (std::uint64_t born = 0; born <= kEnd + 1; ++born) {
              for (std::uint64_t successor = born + 1; successor <= kEnd + 2; ++successor) {
                bool seen = successor > from;  // by a snapshot that begins later
                for (const std::uint64_t s : {reader, durable, target, latest}) {
                  seen = seen || (born <= s && s < successor);
                }
                CAPTURE(durable, target, latest, publishing, reader, born, successor);
                REQUIRE(horizon.needs_in_memory(CommitNumber{born}, CommitNumber{successor}) ==
                        seen);
                dropped += seen ? 0u : 1u;
              }
            }
            snapshots.end(ticket);
          }
        }
      }
    }
  }
  REQUIRE(dropped > 1000);
}

}  // namespace
}  // namespace coffer::txn
