// The Nth allocation, system call or lock of memory fails, N rising until the scenario runs through.
//
// Strong guarantee: whatever fails, the store that is opened afterwards shows the state of the last commit
// that was acknowledged, or of the one that was under way; and nothing stays open, mapped or locked.
#include <new>

#include <coffer/error.hpp>

#include "tests/support/fail_allocations.hpp"
#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::SimulatedPlatform;
using test::ChunkModel;
using test::PageModel;

enum class What { system_call, lock, allocation };

struct Contents {
  PageModel pages;
  ChunkModel chunks;
};

/// What the scenario has got to when something fails.
struct Progress {
  Contents acknowledged;
  Contents begun;
};

Options fault_options() {
  Options options = test::small_options();
  options.locked_bytes_max = 512 * 1024;
  return options;
}

/// Open, two commits (one of them with a large value and freed pages), a savepoint, a checkpoint, a read,
/// close.
void scenario(SimulatedPlatform& machine, const Key& key, Progress& progress) {
  std::mt19937_64 rng(99);
  const auto engine = Engine::open(machine, "/store", &key, fault_options());
  for (int t = 0; t < 2; ++t) {
    Contents next = progress.acknowledged;
    auto view = engine->begin_write(true);
    test::change_some(*view, next.pages, rng, 6);
    test::change_chunks(*view, next.chunks, rng);
    const SavepointId point = view->savepoint();
    Contents undone = next;
    test::change_some(*view, undone.pages, rng, 3);
    view->rollback_to(point);
    progress.begun = next;
    const CommitNumber commit = view->commit();
    view.reset();
    engine->wait_durable(commit);
    progress.acknowledged = next;
    engine->after_commit();
  }
  engine->checkpoint();
  {
    const auto reader = engine->begin_read({});
    test::compare(*reader, progress.acknowledged.pages);
  }
  engine->close();
}

/// Runs the scenario with the `n`th `what` failing; true when nothing failed any more.
bool run_with_fault(const SimulatedPlatform& prepared, const Key& key, const Contents& before,
                    What what, std::uint64_t n) {
  const auto machine = prepared.copy();
  Progress progress{before, before};
  std::uint64_t left = n;
  bool fired = false;
  if (what == What::system_call) {
    machine->set_fault(
        [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          if (left != 0 && --left == 0) {
            fired = true;
            throw IoError("injected", operation, path, 5);
          }
        });
  } else if (what == What::lock) {
    machine->set_lock_fault([&](std::uint64_t) {
      if (left != 0 && --left == 0) {
        fired = true;
        throw MemoryLockError("injected", {});
      }
    });
  }
  try {
    if (what == What::allocation) {
      test::fail_allocation_in(n);
    }
    scenario(*machine, key, progress);
    if (what == What::allocation) fired = !test::stop_failing_allocations();
  } catch (const Error&) {
    if (what == What::allocation) fired = !test::stop_failing_allocations();
  } catch (const std::bad_alloc&) {
    if (what == What::allocation) fired = !test::stop_failing_allocations();
  }
  machine->set_fault({});
  machine->set_lock_fault({});
  REQUIRE(machine->open_files() == 0);
  REQUIRE(machine->open_mappings() == 0);
  REQUIRE(machine->memory().account().locked_bytes == 0);

  const auto engine = Engine::open(*machine, "/store", &key, fault_options());
  const auto view = engine->begin_read(true);
  const auto same = [&](const Contents& state) {
    try {
      for (const auto& [id, content] : state.pages) {
        if (!(test::content_of(view->pin(id)) == content)) return false;
      }
      test::check_structure(*engine, state.pages, state.chunks);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  const bool whole = same(progress.acknowledged) || same(progress.begun);
  REQUIRE(whole);
  return !fired;
}

TEST_CASE(
    "Whatever fails at the Nth time, the store keeps what was acknowledged and leaks nothing") {
  const What what = GENERATE(What::system_call, What::lock, What::allocation);
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(77);
  Engine::create(*machine, "/store", &key, {}, fault_options(), 64 * 1024);
  Contents before;
  {
    std::mt19937_64 rng(5);
    const auto engine = Engine::open(*machine, "/store", &key, fault_options());
    auto view = engine->begin_write(true);
    test::change_some(*view, before.pages, rng, 40);
    test::change_chunks(*view, before.chunks, rng);
    engine->wait_durable(view->commit());
  }
  // In the ordinary run allocations are sampled: there are thousands of them.
  const std::uint64_t step = what == What::allocation && !test::full_run() ? 7 : 1;
  std::uint64_t n = 1;
  for (;; n += step) {
    CAPTURE(static_cast<int>(what), n);
    if (run_with_fault(*machine, key, before, what, n)) break;
  }
  WARN((what == What::system_call ? "system calls"
        : what == What::lock      ? "locks"
                                  : "allocations")
       << ": failed each of the first " << n - 1);
  CHECK(n > 2);
}

TEST_CASE("Closing says so when a failed sync has left commits that are not on the disk") {
  const Key key = test::txn_key();
  for (const bool durable : {false, true}) {
    CAPTURE(durable);
    const auto machine = platform::SimulatedPlatform::make(5);
    Engine::create(*machine, "/store", &key, {}, test::small_options());
    const auto engine = Engine::open(*machine, "/store", &key, test::small_options());
    test::PageModel model;
    std::mt19937_64 rng(5);
    auto view = engine->begin_write(true);
    test::change_some(*view, model, rng, 3);
    const CommitNumber commit = view->commit();
    view.reset();
    if (durable) engine->wait_durable(commit);
    machine->set_fault(
        [](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          if (std::string(operation).ends_with("sync"))
            throw IoError("planted", operation, path, 5);
        });
    CHECK_THROWS_AS(engine->checkpoint(), IoError);
    machine->set_fault({});
    if (durable) {
      CHECK_NOTHROW(engine->close());
    } else {
      CHECK_THROWS_AS(engine->close(), Poisoned);
    }
  }
}

}  // namespace
}  // namespace coffer::txn
