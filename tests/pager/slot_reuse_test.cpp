// No slot is handed out while a superblock copy, a checkpoint in progress, a journal record, a
// snapshot or the durable point needs it; and a ledger that ignored any one hold would be found
// out.
#include <catch2/catch.hpp>

#include "slot_reuse_model.hpp"

namespace coffer::test {
namespace {

constexpr std::uint64_t kSeed = 99;
constexpr int kSteps = 400;

TEST_CASE("no slot is used again while anything needs what it holds") {
  std::uint64_t crashes = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t reused = 0;
  std::uint64_t full = 0;
  for (std::uint64_t run = 0; run < 300; ++run) {
    SlotReuseModel model(kSeed + run, {});
    for (int step = 0; step < kSteps; ++step) {
      const auto wrong = model.step();
      INFO("seed " << kSeed + run << " step " << step << ": " << wrong.value_or(""));
      REQUIRE_FALSE(wrong.has_value());
    }
    crashes += model.crashes;
    checkpoints += model.checkpoints;
    reused += model.reused;
    full += model.full;
  }
  // The model went where it should.
  REQUIRE(crashes > 300);
  REQUIRE(checkpoints > 1000);
  REQUIRE(reused > 10000);
  REQUIRE(full > 10);
}

/// Runs until something is wrong.
bool found_out(const SlotReuseModel::Fault& fault) {
  for (std::uint64_t run = 0; run < 300; ++run) {
    SlotReuseModel model(kSeed + run, fault);
    for (int step = 0; step < kSteps; ++step) {
      if (model.step()) return true;
    }
  }
  return false;
}

TEST_CASE("a ledger that ignored one hold would be found out") {
  REQUIRE(found_out({pager::Hold::version, false}));
  REQUIRE(found_out({pager::Hold::journal, false}));
  REQUIRE(found_out({pager::Hold::checkpoint, false}));
  REQUIRE(found_out({pager::Hold::transaction, false}));
}

TEST_CASE("freeing slots after copy A alone would be found out") {
  REQUIRE(found_out({std::nullopt, true}));
}

}  // namespace
}  // namespace coffer::test
