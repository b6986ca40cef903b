// Stores that were left in the middle of something by a process that is gone while the machine is not, opened
// again, and then the power goes.
//
// What a killed process wrote is in the operating system's memory and looks as good as what is on the disk:
// the next opening reads it, builds on it, and must not touch the copy that really is on the disk before it
// is.  Every test cuts the power at every step of the opening, and the store must open with every durable
// commit.
#include <set>

#include "crypto/key_header.hpp"
#include "pager/pager_format.hpp"
#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::CutOutcome;
using platform::kCutOutcomes;
using platform::SimulatedPlatform;
using test::Kill;
using test::PageModel;

Options reopen_options() {
  Options options = test::small_options();
  options.locked_bytes_max = 512 * 1024;
  return options;
}

std::unique_ptr<Engine> open(SimulatedPlatform& machine, const Key& key) {
  return Engine::open(machine, "/store", &key, reopen_options());
}

/// States by commit number, and the step by which each was acknowledged.
struct History {
  std::vector<PageModel> states;
  std::vector<std::uint64_t> acknowledged_at;
};

void commit_some(SimulatedPlatform& machine, Engine& engine, History& history,
                 std::mt19937_64& rng) {
  if (history.states.empty()) {
    history.states.emplace_back();
    history.acknowledged_at.push_back(0);
  }
  PageModel next = history.states.back();
  auto view = engine.begin_write(true);
  test::change_some(*view, next, rng, 12);
  engine.wait_durable(view->commit());
  history.states.push_back(std::move(next));
  history.acknowledged_at.push_back(machine.steps());
}

/// Cuts the power at each step from `first` on, in each way; the store opens with what was durable.
/// Returns how many cuts that were.
int cut_everywhere(SimulatedPlatform& machine, const Key& key, const History& history,
                   std::uint64_t first, unsigned seeds) {
  constexpr std::uint64_t stride = test::kSanitized ? 5 : 1;
  int cuts = 0;
  for (std::uint64_t step = first; step <= machine.steps(); step += stride) {
    std::size_t must = 0;
    for (std::size_t c = 0; c < history.states.size(); ++c) {
      if (history.acknowledged_at[c] <= step) must = c;
    }
    for (const CutOutcome outcome : kCutOutcomes) {
      const bool by_lot =
          outcome != CutOutcome::nothing_lands && outcome != CutOutcome::everything_lands;
      for (unsigned seed = 0; seed < (by_lot ? seeds : 1); ++seed) {
        CAPTURE(step, static_cast<int>(outcome), seed);
        const auto after = machine.cut_at(step, outcome, seed + step);
        const auto engine = open(*after, key);
        const auto view = engine->begin_read(true);
        const std::uint64_t got = view->snapshot().value;
        if (got < must || got >= history.states.size()) FAIL("commit " << got << " is shown");
        test::compare(*view, history.states[got]);
        test::check_structure(*engine, history.states[got], {});
        ++cuts;
      }
    }
  }
  return cuts;
}

TEST_CASE("Killed between the writes of the superblock, opened again, power cut in that opening") {
  // The checkpoint writes and syncs one copy, then the other: stopped before each of these four calls.
  const int stop_at = GENERATE(0, 1, 2, 3);
  // Killed; or the call fails, and a sync that fails forgets what it could not write.
  const bool killed = GENERATE(true, false);
  CAPTURE(stop_at, killed);
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(41);
  machine->record(true);
  machine->set_failed_sync_drops_writes(!killed);
  Engine::create(*machine, "/store", &key, {}, reopen_options(), 64 * 1024);
  History history;
  std::mt19937_64 rng(17);
  {
    auto engine = open(*machine, key);
    commit_some(*machine, *engine, history, rng);
    engine->checkpoint();
    commit_some(*machine, *engine, history, rng);
    int seen = 0;
    const auto due = [&](const std::string& operation, const platform::Path& path) {
      return path.filename() == "superblock" && (operation == "write" || operation == "sync") &&
             seen++ == stop_at;
    };
    if (killed) {
      const Kill kill(*machine, due);
      REQUIRE_THROWS_AS(engine->checkpoint(), IoError);
      REQUIRE(kill.happened());
      engine.reset();
    } else {
      machine->set_fault(
          [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
            if (due(operation, path)) throw IoError("broken", operation, path, 5);
          });
      REQUIRE_THROWS_AS(engine->checkpoint(), IoError);
      engine.reset();
      machine->set_fault({});
    }
  }
  // The opening that settles this may be killed in its turn, at its first, second, ... call.
  const int stop_again_at = killed ? GENERATE(-1, 0, 1, 2, 3) : -1;
  CAPTURE(stop_again_at);
  if (stop_again_at >= 0) {
    int seen = 0;
    const Kill kill(*machine, [&](const std::string& operation, const platform::Path& path) {
      return path.filename() == "superblock" && (operation == "write" || operation == "sync") &&
             seen++ == stop_again_at;
    });
    try {
      open(*machine, key).reset();
    } catch (const IoError&) {
      REQUIRE(kill.happened());
    }
  }
  const std::uint64_t reopened_at = machine->steps();
  {
    const auto engine = open(*machine, key);
    test::compare(*engine->begin_read(true), history.states.back());
    commit_some(*machine, *engine, history, rng);
    engine->checkpoint();
    engine->close();
  }
  const int cuts =
      cut_everywhere(*machine, key, history, reopened_at, test::full_campaign() ? 20 : 2);
  CHECK(cuts > (test::kSanitized ? 20 : 100));
}

TEST_CASE("A damaged copy of the keys is repaired in a way that no power cut can make worse") {
  const std::size_t copy = GENERATE(0u, 1u);
  const Key key = test::txn_key();
  const auto before = SimulatedPlatform::make(42);
  Engine::create(*before, "/store", &key, {}, reopen_options(), 64 * 1024);
  History history;
  std::mt19937_64 rng(18);
  {
    const auto engine = open(*before, key);
    commit_some(*before, *engine, history, rng);
    engine->close();
  }
  const std::vector<std::byte> whole = before->contents("/store/keys");
  REQUIRE(whole.size() == crypto::key_header_file_bytes());
  const std::size_t half = whole.size() / 2;
  // At the beginning of the copy, in its middle, at its end.
  const std::size_t at = copy * half + GENERATE_COPY(std::size_t{3}, half / 2, half - 1);
  CAPTURE(copy, at);
  std::vector<std::byte> damaged = whole;
  damaged[at] ^= std::byte{1};
  before->set_contents("/store/keys", damaged);

  const auto machine = before->copy();
  machine->record(true);
  const std::uint64_t opened_at = machine->steps();
  history.acknowledged_at.assign(history.acknowledged_at.size(), 0);
  open(*machine, key)->close();
  CHECK(machine->contents("/store/keys") == whole);
  cut_everywhere(*machine, key, history, opened_at, test::full_campaign() ? 40 : 6);
  // What a cut left is repaired in its turn.
  for (std::uint64_t step = opened_at; step <= machine->steps(); ++step) {
    const auto after = machine->cut_at(step, CutOutcome::torn_blocks, step);
    open(*after, key)->close();
    CHECK(after->contents("/store/keys") == whole);
  }
}

TEST_CASE("A store whose creation was killed before its name was durable keeps what is committed") {
  const std::string path = GENERATE("/store", "store", "/store/");
  CAPTURE(path);
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(43);
  machine->record(true);
  bool renamed = false;
  {
    const Kill kill(*machine, [&](const std::string& operation, const platform::Path&) {
      if (renamed) return true;
      renamed = operation == "rename";
      return false;
    });
    REQUIRE_THROWS_AS(Engine::create(*machine, path, &key, {}, reopen_options()), IoError);
    REQUIRE(kill.happened());
  }
  REQUIRE(machine->files().exists("/store"));
  History history;
  std::mt19937_64 rng(19);
  {
    const auto engine = Engine::open(*machine, path, &key, reopen_options());
    commit_some(*machine, *engine, history, rng);
    engine->close();
  }
  cut_everywhere(*machine, key, history, history.acknowledged_at.back(), 5);
}

/// Commits that rewrite a set of pages so often that their journal is far larger than a small buffer, then
/// killed; none is logged by reference.
PageModel write_large_journal(SimulatedPlatform& machine, const Key& key, std::mt19937_64& rng) {
  Options options = reopen_options();
  options.write_buffer_bytes_max = 64u << 20;
  options.checkpoint_journal_bytes = 64u << 20;
  PageModel model;
  auto engine = Engine::open(machine, "/store", &key, options);
  for (int i = 0; i < 24; ++i) {
    auto view = engine->begin_write(true);
    test::add_pages(*view, model, rng, 20);
    engine->wait_durable(view->commit());
  }
  CHECK(engine->statistics().write_buffer_bytes > 24 * 20 * 4000);
  test::kill_now(machine, engine);
  return model;
}

TEST_CASE("A full disk does not keep a store from opening whose journal exceeds the buffer") {
  const Key key = test::txn_key();
  const auto before = SimulatedPlatform::make(44);
  before->record(true);
  Engine::create(*before, "/store", &key, {}, reopen_options(), 256 * 1024);
  std::mt19937_64 rng(20);
  const PageModel model = write_large_journal(*before, key, rng);

  // The power goes too, and takes the room with it that the file of pages had been given but not yet used.
  const auto machine = before->cut_at(before->steps(), CutOutcome::nothing_lands, 1);
  Options options = reopen_options();
  options.write_buffer_bytes_max = 128 * 1024;
  const std::uint64_t free_before = std::uint64_t{1} << 50;
  const std::uint64_t used = [&] {
    machine->set_capacity_bytes(free_before);
    return free_before - machine->files().free_bytes("/");
  }();
  machine->set_capacity_bytes(used);
  {
    const auto engine = Engine::open(*machine, "/store", &key, options);
    test::compare(*engine->begin_read(true), model);
    REQUIRE(engine->statistics().write_buffer_bytes > options.write_buffer_bytes_max);
    REQUIRE_THROWS_AS(engine->begin_write(true), NoSpace);
    REQUIRE(machine->files().free_bytes("/") == 0);
    // Room comes back while the store is open.
    machine->set_capacity_bytes(free_before);
    PageModel more = model;
    auto view = engine->begin_write(true);
    test::add_pages(*view, more, rng, 3);
    engine->wait_durable(view->commit());
    view.reset();
    test::compare(*engine->begin_read(true), more);
    test::check_structure(*engine, more, {});
  }
  // With room from the start, the buffer's bound is kept.
  const auto roomy = before->cut_at(before->steps(), CutOutcome::nothing_lands, 1);
  const auto engine = Engine::open(*roomy, "/store", &key, options);
  test::compare(*engine->begin_read(true), model);
  CHECK(engine->statistics().write_buffer_bytes <= options.write_buffer_bytes_max);
}

TEST_CASE("A journal that frees thousands of pages and makes as many new ones is recovered") {
  constexpr int kMany = 20'000;
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(45);
  Options options = reopen_options();
  options.locked_bytes_max = 4u << 20;
  options.write_buffer_bytes_max = options.checkpoint_journal_bytes = std::uint64_t{1} << 40;
  Engine::create(*machine, "/store", &key, {}, options);
  std::set<PageId> kept;
  {
    auto engine = Engine::open(*machine, "/store", &key, options);
    std::vector<PageId> first;
    auto view = engine->begin_write(true);
    for (int i = 0; i < kMany; ++i) first.push_back(view->allocate().id());
    (void)view->commit();
    view.reset();
    engine->checkpoint();
    view = engine->begin_write(true);
    for (const PageId page : first) view->free(page);
    (void)view->commit();
    view.reset();
    // Some of these have the numbers that were freed.
    view = engine->begin_write(true);
    for (int i = 0; i < kMany; ++i) kept.insert(view->allocate().id());
    REQUIRE(kept.size() == kMany);
    engine->wait_durable(view->commit());
    view.reset();
    test::kill_now(*machine, engine);
  }
  // A read-only opening keeps all of it in memory; a writable one makes a checkpoint of it.
  for (const bool read_only : {true, false}) {
    CAPTURE(read_only);
    options.read_only = read_only;
    const auto engine = Engine::open(*machine, "/store", &key, options);
    const auto view = engine->begin_read(true);
    for (const PageId page : kept) {
      if (view->pin(page).header().gap_begin != 16) FAIL("page " << page.value);
    }
    if (read_only) continue;
    CHECK(engine->statistics().logical_pages == kMany);
    auto writer = engine->begin_write(true);
    for (int i = 0; i < 100; ++i) CHECK_FALSE(kept.contains(writer->allocate().id()));
  }
}

}  // namespace
}  // namespace coffer::txn
