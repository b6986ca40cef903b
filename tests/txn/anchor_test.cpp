// The anchor: histories that do not pass through it are refused, honest ones are not.
#include <coffer/error.hpp>

#include "tests/txn/txn_support.hpp"
#include "txn/history.hpp"

namespace coffer::txn {
namespace {

using platform::CutOutcome;
using platform::SimulatedPlatform;

struct Shop {
  Key key = test::txn_key();
  std::mt19937_64 rng{1};

  Anchor commit_some(SimulatedPlatform& machine, int commits, bool checkpoint, bool close,
                     std::optional<Anchor> anchor = {}) {
    Options options = test::small_options();
    options.anchor = anchor;
    const auto engine = Engine::open(machine, "/store", &key, options);
    for (int i = 0; i < commits; ++i) {
      auto view = engine->begin_write(true);
      MutablePage page = view->allocate();
      test::scribble(page, rng);
      page = {};
      engine->wait_durable(view->commit());
      view.reset();
      if (checkpoint) engine->checkpoint();
    }
    const Anchor now = engine->anchor();
    if (close) {
      engine->close();
    } else {
      machine.record(false);
    }
    return now;
  }
  void open(SimulatedPlatform& machine, const Anchor& anchor) {
    Options options = test::small_options();
    options.anchor = anchor;
    const auto engine = Engine::open(machine, "/store", &key, options);
  }
};

TEST_CASE("An anchor lets an honest history pass and refuses every other") {
  Shop shop;
  const auto machine = SimulatedPlatform::make(8);
  machine->record(true);
  Engine::create(*machine, "/store", &shop.key, {}, test::small_options(), 64 * 1024);
  const Anchor first = shop.commit_some(*machine, 3, false, true);
  CHECK(first.commit == 3);
  const auto older = machine->copy();
  const Anchor second = shop.commit_some(*machine, 5, false, true, first);
  CHECK(second.commit == 8);

  SECTION("itself, and every earlier point of the same history") {
    shop.open(*machine, second);
    shop.open(*machine, first);
  }
  SECTION("after a clean restart and checkpoints") {
    const Anchor third = shop.commit_some(*machine, 4, true, true, second);
    shop.open(*machine, third);
    shop.open(*machine, second);
    shop.open(*machine, first);
  }
  SECTION("a checkpoint does not change it") {
    const auto engine = Engine::open(*machine, "/store", &shop.key, test::small_options());
    auto view = engine->begin_write(true);
    static_cast<void>(view->allocate());
    engine->wait_durable(view->commit());
    view.reset();
    const Anchor before = engine->anchor();
    engine->checkpoint();
    CHECK(engine->anchor() == before);
  }
  SECTION("an older copy of the whole store is refused") {
    CHECK_THROWS_AS(shop.open(*older, second), Conflict);
    shop.open(*older, first);
  }
  SECTION("a clone that went another way is refused, shorter or longer") {
    shop.rng.seed(2);
    const Anchor elsewhere = shop.commit_some(*older, 5, false, true);
    CHECK(elsewhere.commit == second.commit);
    CHECK_THROWS_AS(shop.open(*older, second), Conflict);
    shop.commit_some(*older, 5, true, true);
    CHECK_THROWS_AS(shop.open(*older, second), Conflict);
    shop.open(*older, first);
  }
  SECTION("another instance is refused") {
    const auto other = SimulatedPlatform::make(9);
    Engine::create(*other, "/store", &shop.key, {}, test::small_options());
    CHECK_THROWS_AS(shop.open(*other, first), Conflict);
  }
}

TEST_CASE("After an honest crash the anchor of the last acknowledged commit passes") {
  Shop shop;
  const auto machine = SimulatedPlatform::make(8);
  machine->record(true);
  Engine::create(*machine, "/store", &shop.key, {}, test::small_options(), 64 * 1024);
  const auto engine = Engine::open(*machine, "/store", &shop.key, test::small_options());
  Anchor last;
  for (int i = 0; i < 20; ++i) {
    auto view = engine->begin_write(true);
    MutablePage page = view->allocate();
    test::scribble(page, shop.rng);
    page = {};
    const CommitNumber commit = view->commit();
    view.reset();
    engine->wait_durable(commit);
    last = engine->anchor();
    CHECK(last.commit == commit.value);
    if (i % 6 == 5) engine->checkpoint();
    const auto after = machine->cut_at(machine->steps(), CutOutcome::nothing_lands, 1);
    shop.open(*after, last);
    // Cut back by one commit: what the machine had before the last journal write was synced.
    if (i % 6 == 2) {
      const auto cut = machine->cut_at(machine->steps() - 2, CutOutcome::nothing_lands, 1);
      CHECK_THROWS_AS(shop.open(*cut, last), Conflict);
    }
  }
}

TEST_CASE("Openings that no longer fit the superblock are folded, and then no longer verified") {
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(4);
  const auto header = crypto::create_key_header(*machine, &key, {}, platform::LockPolicy::abort);
  pager::Superblock superblock;
  superblock.instance[0] = std::byte{7};
  std::vector<Anchor> anchors;
  for (std::uint64_t i = 0; i < pager::kOpeningsMax + 10; ++i) {
    std::array<std::byte, 16> generation{};
    std::memcpy(generation.data(), &i, sizeof i);
    generation[15] = std::byte{1};
    note_opening(superblock, *header.keys, generation, CommitNumber{1 + i * 10});
    superblock.commit = CommitNumber{5 + i * 10};
    anchors.push_back(*anchor_of(superblock, *header.keys, superblock.commit));
  }
  CHECK(superblock.openings.size() == pager::kOpeningsMax);
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    CAPTURE(i);
    if (i < 10) {
      CHECK_THROWS_AS(check_anchor(superblock, *header.keys, superblock.commit, anchors[i]),
                      Conflict);
    } else {
      check_anchor(superblock, *header.keys, superblock.commit, anchors[i]);
      Anchor other = anchors[i];
      other.history[3] ^= std::byte{1};
      CHECK_THROWS_AS(check_anchor(superblock, *header.keys, superblock.commit, other), Conflict);
    }
  }
}

}  // namespace
}  // namespace coffer::txn
