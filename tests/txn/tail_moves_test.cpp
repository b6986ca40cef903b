// Closing moves pages from the end of the page file to the front and cuts the end off: nothing is lost by it, whatever
// happens meanwhile, and the file is shorter afterwards.
#include <algorithm>
#include <set>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::kCutOutcomes;
using platform::SimulatedPlatform;
using test::ChunkModel;
using test::PageModel;

constexpr std::size_t kPages = 900;
constexpr std::uint64_t kPageBytes = 4096;

Options options_of_tests() {
  Options options = test::small_options();
  options.write_buffer_bytes_max = 2 * 1024 * 1024;
  options.checkpoint_journal_bytes = 4 * 1024 * 1024;
  return options;
}

/// A store whose page file is full of holes: all of its pages were written anew, several times.
class Store {
 public:
  explicit Store(bool chunks_at_end = false, std::uint64_t seed = 31)
      : machine(SimulatedPlatform::make(seed)), rng(seed) {
    machine->record(true);
    Engine::create(*machine, "/store", &key, {}, options_of_tests());
    open();
    for (std::size_t round = 0; round < 6; ++round) {
      // Many at once, so that a checkpoint needs as many slots again; and fewer, so that it leaves holes.
      for (int part = 0; part < 8; ++part) {
        auto view = engine->begin_write(true);
        for (std::size_t i = 0; i < kPages / 8; ++i) change_one(*view);
        if (chunks_at_end && round == 5) test::change_chunks(*view, chunks, rng);
        engine->wait_durable(view->commit());
        view.reset();
      }
      engine->checkpoint();
    }
  }
  void open() { engine = Engine::open(*machine, "/store", &key, options_of_tests()); }
  void change_one(WriteView& view) {
    if (pages.size() < kPages) {
      test::add_pages(view, pages, rng, 1);
      return;
    }
    auto it = pages.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng() % pages.size()));
    auto page = view.modify(it->first);
    it->second = test::fill_page(page, rng);
  }
  void check(SimulatedPlatform& on) const {
    const auto reopened = Engine::open(on, "/store", &key, options_of_tests());
    {
      const auto view = reopened->begin_read(true);
      test::compare(*view, pages);
      test::compare(*view, chunks);
    }
    test::check_structure(*reopened, pages, chunks);
  }
  [[nodiscard]] std::uint64_t slots() const {
    return machine->contents("/store/pages").size() / kPageBytes;
  }

  const Key key = test::txn_key();
  std::unique_ptr<SimulatedPlatform> machine;
  std::mt19937_64 rng;
  PageModel pages;
  ChunkModel chunks;
  std::unique_ptr<Engine> engine;
};

TEST_CASE("closing leaves a page file that is little longer than what is in use") {
  Store store;
  const std::uint64_t before = store.slots();
  const Statistics statistics = store.engine->statistics();
  REQUIRE(before > kPages + kPages / 2);
  REQUIRE(statistics.free_slots > kPages / 3);
  store.engine->close();
  store.engine.reset();
  // Two nodes of the table for each 128 pages (shapes in docs/format.md), once as they were and once anew, and the map's.
  REQUIRE(store.slots() < kPages + kPages / 8);
  store.check(*store.machine);
  // The store goes on from there.
  store.open();
  auto view = store.engine->begin_write(true);
  for (int i = 0; i < 300; ++i) store.change_one(*view);
  store.engine->wait_durable(view->commit());
  view.reset();
  store.engine->close();
  store.engine.reset();
  store.check(*store.machine);
}

TEST_CASE("a power cut while pages are moved at closing loses nothing") {
  Store store;
  const SimulatedPlatform& machine = *store.machine;
  const std::uint64_t before = store.slots();
  const std::uint64_t from = machine.steps();
  store.engine->close();
  store.engine.reset();
  const std::uint64_t upto = machine.steps();
  REQUIRE(store.slots() < before - kPages / 3);
  REQUIRE(upto > from + 10);
  for (std::uint64_t step = from; step <= upto; ++step) {
    for (std::size_t o = 0; o < kCutOutcomes.size(); ++o) {
      if (!test::full_campaign() && o != step % kCutOutcomes.size()) continue;
      CAPTURE(from, step, upto, o);
      store.check(*machine.cut_at(step, kCutOutcomes[o], 1000 + step));
    }
  }
}

TEST_CASE("a failure while pages are moved at closing leaves the store as it was") {
  // Each call on the page file or the superblock fails, one in each round, until none is left to fail.
  int failures = 0;
  for (std::uint64_t nth = 0;; ++nth) {
    Store store;
    std::uint64_t calls = 0;
    bool failed = false;
    store.machine->set_fault(
        [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          if (std::string(operation) == "read" || calls++ != nth) return;
          failed = true;
          throw IoError("injected", operation, path, 5);
        });
    try {
      store.engine->close();
    } catch (const Error&) {
      // What it may say; everything was durable.
    }
    store.machine->set_fault({});
    store.engine.reset();
    if (!failed) break;
    ++failures;
    store.check(*store.machine);
    if (!test::full_campaign()) nth += 2;
  }
  REQUIRE(failures > 5);
}

TEST_CASE("what cannot be moved stays: chunks of large values, and pages that do not verify") {
  SECTION("chunks") {
    Store store(true);
    REQUIRE_FALSE(store.chunks.chunks.empty());
    store.engine->close();
    store.engine.reset();
    store.check(*store.machine);
  }
  SECTION("a damaged page") {
    Store store;
    // The slot of some page near the end of what is used: altered slot by slot from the end until a page does not open.
    std::set<PageId> damaged;
    const std::uint64_t slots = store.slots();
    for (std::uint64_t slot = slots; slot-- > slots - 400;) {
      if (slot % 16 == 0) store.machine->rot("/store/pages", slot * kPageBytes + 100, std::byte{1});
    }
    const auto find_damaged = [&](Engine& engine) {
      const auto view = engine.begin_read(true);
      std::set<PageId> found;
      for (const auto& [id, content] : store.pages) {
        try {
          if (!(test::content_of(view->pin(id)) == content)) FAIL("page " << id.value);
        } catch (const Tampered&) {
          found.insert(id);
        }
      }
      return found;
    };
    damaged = find_damaged(*store.engine);
    store.engine->close();
    store.open();
    REQUIRE(find_damaged(*store.engine) == damaged);
    REQUIRE_FALSE(damaged.empty());
  }
}

TEST_CASE("nothing is moved while somebody reads") {
  Store store;
  const std::uint64_t before = store.slots();
  const auto view = store.engine->begin_read(true);
  store.engine->close();
  REQUIRE(store.slots() > before - before / 8);
  test::compare(*view, store.pages);
}

}  // namespace
}  // namespace coffer::txn
