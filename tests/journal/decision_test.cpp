// The decision about a bad fragment, against a table written by hand from what the design promises.
#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <tuple>

#include "journal/recovery.hpp"

namespace coffer::journal {
namespace {

struct Row {
  Fragment fragment;
  Proof proof;
  Place place;
  Verdict verdict;
};

constexpr auto kAbsent = Fragment::absent;
constexpr auto kUnreadable = Fragment::unreadable;
constexpr auto kOther = Fragment::other_generation;
constexpr auto kMalformed = Fragment::malformed;
constexpr auto kBroken = Fragment::broken_chain;
constexpr auto kBadBody = Fragment::bad_body;
constexpr auto kGood = Fragment::good;
constexpr auto kNone = Proof::none;
constexpr auto kLater = Proof::later_header;
constexpr auto kSuper = Proof::superblock;
constexpr auto kBetween = Place::between;
constexpr auto kInside = Place::inside;
constexpr auto kAccept = Verdict::accept;
constexpr auto kTorn = Verdict::torn_tail;
constexpr auto kTampered = Verdict::tampered;

constexpr std::array kTable = {
    Row{kAbsent, kNone, kBetween, kTorn},          Row{kAbsent, kNone, kInside, kTorn},
    Row{kAbsent, kLater, kBetween, kTampered},     Row{kAbsent, kLater, kInside, kTampered},
    Row{kAbsent, kSuper, kBetween, kTampered},     Row{kAbsent, kSuper, kInside, kTampered},
    Row{kUnreadable, kNone, kBetween, kTorn},      Row{kUnreadable, kNone, kInside, kTorn},
    Row{kUnreadable, kLater, kBetween, kTampered}, Row{kUnreadable, kLater, kInside, kTampered},
    Row{kUnreadable, kSuper, kBetween, kTampered}, Row{kUnreadable, kSuper, kInside, kTampered},
    Row{kOther, kNone, kBetween, kTorn},           Row{kOther, kNone, kInside, kTorn},
    Row{kOther, kLater, kBetween, kTampered},      Row{kOther, kLater, kInside, kTampered},
    Row{kOther, kSuper, kBetween, kTampered},      Row{kOther, kSuper, kInside, kTampered},
    Row{kMalformed, kNone, kBetween, kTampered},   Row{kMalformed, kNone, kInside, kTampered},
    Row{kMalformed, kLater, kBetween, kTampered},  Row{kMalformed, kLater, kInside, kTampered},
    Row{kMalformed, kSuper, kBetween, kTampered},  Row{kMalformed, kSuper, kInside, kTampered},
    Row{kBroken, kNone, kBetween, kTorn},          Row{kBroken, kNone, kInside, kTorn},
    Row{kBroken, kLater, kBetween, kTampered},     Row{kBroken, kLater, kInside, kTampered},
    Row{kBroken, kSuper, kBetween, kTampered},     Row{kBroken, kSuper, kInside, kTampered},
    Row{kBadBody, kNone, kBetween, kTorn},         Row{kBadBody, kNone, kInside, kTorn},
    Row{kBadBody, kLater, kBetween, kTampered},    Row{kBadBody, kLater, kInside, kTampered},
    Row{kBadBody, kSuper, kBetween, kTampered},    Row{kBadBody, kSuper, kInside, kTampered},
    Row{kGood, kNone, kBetween, kAccept},          Row{kGood, kNone, kInside, kAccept},
    Row{kGood, kLater, kBetween, kAccept},         Row{kGood, kLater, kInside, kAccept},
    Row{kGood, kSuper, kBetween, kAccept},         Row{kGood, kSuper, kInside, kAccept},
};

template <class Decide>
std::size_t wrong_rows(const Decide& decision) {
  std::size_t wrong = 0;
  for (const Row& row : kTable) {
    if (decision(Evidence{row.fragment, row.proof, row.place}) != row.verdict) ++wrong;
  }
  return wrong;
}

TEST_CASE("The table has a row for every combination of evidence") {
  std::set<std::tuple<Fragment, Proof, Place>> seen;
  for (const Row& row : kTable) seen.emplace(row.fragment, row.proof, row.place);
  CHECK(seen.size() == 7 * 3 * 2);
  CHECK(kTable.size() == seen.size());
}

TEST_CASE("Recovery decides as the table says") {
  CHECK(wrong_rows([](const Evidence& e) { return decide(e); }) == 0);
}

TEST_CASE("The table catches a decision that leaves out the proof") {
  CHECK(wrong_rows([](const Evidence& e) { return decide({e.fragment, kNone, e.place}); }) > 0);
}

TEST_CASE("The table catches a decision that refuses every bad fragment") {
  CHECK(wrong_rows([](const Evidence& e) { return e.fragment == kGood ? kAccept : kTampered; }) >
        0);
}

}  // namespace
}  // namespace coffer::journal
