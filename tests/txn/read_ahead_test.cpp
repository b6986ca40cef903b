// Pages that are opened before a scan comes to them: they are what the scan would have opened, nothing of them stays,
// and what is wrong with them is told to whoever reads them only.
#include <chrono>
#include <cmath>
#include <set>
#include <span>
#include <thread>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using test::PageModel;

/// With threads of its own, as a process has it.
Options ahead_options(std::uint64_t locked_bytes = 4u << 20) {
  Options options = test::small_options();
  options.background_checkpoints = true;
  options.locked_bytes_max = locked_bytes;
  return options;
}

class AheadStore {
 public:
  explicit AheadStore(const Options& options = ahead_options(), int pages = 200)
      : machine(platform::SimulatedPlatform::make(23)) {
    Engine::create(*machine, "/store", &key, {}, options);
    open(options);
    auto view = engine->begin_write(true);
    test::add_pages(*view, model, rng, pages);
    engine->wait_durable(view->commit());
    view.reset();
    engine->checkpoint();
    for (const auto& [id, content] : model) ids.push_back(id);
  }
  void open(const Options& options) { engine = Engine::open(*machine, "/store", &key, options); }
  [[nodiscard]] std::uint64_t opened() const { return engine->statistics().pages_opened; }
  [[nodiscard]] std::uint64_t plaintext() const { return engine->statistics().plaintext_pages; }
  void expect_page(PageSource& view, PageId id) const {
    if (!(test::content_of(view.pin(id)) == model.at(id))) FAIL("page " << id.value << " differs");
  }

  std::mt19937_64 rng{23};
  const Key key = test::txn_key();
  std::unique_ptr<platform::SimulatedPlatform> machine;
  std::unique_ptr<Engine> engine;
  PageModel model;
  std::vector<PageId> ids;
};

std::span<const PageId> named(const std::vector<PageId>& ids, std::size_t from,
                              std::size_t count = PageSource::kPagesAheadMax) {
  return std::span(ids).subspan(from, std::min(count, ids.size() - from));
}

/// Until the other thread has opened as many as that.
bool await_opened(const AheadStore& store, std::uint64_t count) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (store.opened() < count) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_CASE("pages that a scan names are open before it comes to them", "[threads]") {
  AheadStore store;
  const std::uint64_t plaintext = store.plaintext();
  const std::uint64_t opened = store.opened();
  auto view = store.engine->begin_read(true);
  REQUIRE(view->wants_ahead());
  view->read_ahead(named(store.ids, 0));
  REQUIRE(await_opened(store, opened + PageSource::kPagesAheadMax));
  REQUIRE_FALSE(view->wants_ahead());
  for (std::size_t i = 0; i < PageSource::kPagesAheadMax; ++i) {
    store.expect_page(*view, store.ids[i]);
  }
  REQUIRE(view->wants_ahead());
  // Each once, and by the view only what was not named.
  REQUIRE(store.opened() == opened + PageSource::kPagesAheadMax);
  store.expect_page(*view, store.ids[PageSource::kPagesAheadMax]);
  REQUIRE(store.opened() == opened + PageSource::kPagesAheadMax + 1);
  view.reset();
  REQUIRE(store.plaintext() == plaintext);
}

TEST_CASE("a scan with pages opened ahead reads what a model has, whatever it does not keep to",
          "[threads]") {
  AheadStore store;
  const std::uint64_t plaintext = store.plaintext();
  // A snapshot that is older than what the pages are by then: each is changed behind it.
  auto view = store.engine->begin_read(true);
  {
    PageModel later = store.model;
    auto writer = store.engine->begin_write(true);
    for (auto& [id, content] : later) {
      auto page = writer->modify(id);
      test::touch_page(page, content, store.rng);
    }
    store.engine->wait_durable(writer->commit());
  }
  store.engine->checkpoint();
  for (int round = 0; round < 300; ++round) {
    if (round % 50 == 49) view = store.engine->begin_read(true), view.reset();
    if (!view) {
      // From here on the newest: read through a view that names nothing.
      view = store.engine->begin_read(true);
      const auto plain = store.engine->begin_read(true);
      for (auto& [id, content] : store.model) content = test::content_of(plain->pin(id));
    }
    std::size_t at = store.rng() % store.ids.size();
    const bool forward = store.rng() % 2 == 0;
    for (std::size_t steps = store.rng() % 60; steps > 0; --steps) {
      std::vector<PageId> next;
      for (std::size_t i = 1; i <= PageSource::kPagesAheadMax; ++i) {
        if (forward ? at + i >= store.ids.size() : at < i) break;
        next.push_back(store.ids[forward ? at + i : at - i]);
      }
      if (next.empty()) break;
      if (view->wants_ahead()) view->read_ahead(next);
      // Now and then it leaves some out, or reads something else.
      std::size_t step = store.rng() % 10 == 0 ? 1 + store.rng() % 5 : 1;
      step = std::min(step, next.size());
      at = forward ? at + step : at - step;
      if (store.rng() % 10 == 0) {
        store.expect_page(*view, store.ids[store.rng() % store.ids.size()]);
      }
      store.expect_page(*view, store.ids[at]);
      if (store.rng() % 3 != 0) view->let_go(store.ids[at]);
    }
  }
  view.reset();
  REQUIRE(store.plaintext() == plaintext);
}

TEST_CASE("nothing of what was opened ahead outlives its view", "[threads]") {
  AheadStore store;
  const std::uint64_t plaintext = store.plaintext();
  for (int round = 0; round < 300; ++round) {
    auto view = store.engine->begin_read(true);
    view->read_ahead(named(store.ids, store.rng() % 100));
    for (std::uint64_t spin = store.rng() % 20'000; spin > 0; --spin) {
      static_cast<void>(std::sqrt(static_cast<double>(spin)));
    }
    if (round % 3 == 0) view->read_ahead(named(store.ids, store.rng() % 100));
    view.reset();
    REQUIRE(store.plaintext() == plaintext);
  }
}

TEST_CASE("a damaged page is told of when it is read, not when it is opened ahead", "[threads]") {
  AheadStore store;
  const std::uint32_t page_bytes = store.engine->statistics().page_size;
  store.engine.reset();
  // A byte of every tenth slot of the page file.
  const auto bytes = store.machine->contents("/store/pages");
  const auto file = store.machine->files().open("/store/pages", platform::OpenMode::read_write);
  for (std::size_t at = 40; at < bytes.size(); at += 10 * page_bytes) {
    file->write_at(at, std::array{bytes[at] ^ std::byte{1}});
  }
  try {
    store.open(ahead_options());
  } catch (const Tampered&) {
    FAIL("the opening looked at a page that was altered: choose others");
  }
  // Which they are, as a view sees them that names nothing.
  std::set<PageId> damaged;
  {
    const auto plain = store.engine->begin_read(true);
    for (const PageId id : store.ids) {
      try {
        store.expect_page(*plain, id);
      } catch (const Tampered&) {
        damaged.insert(id);
      }
    }
  }
  REQUIRE(damaged.size() > 10);
  REQUIRE(damaged.size() < store.ids.size());
  const auto view = store.engine->begin_read(true);
  for (std::size_t at = 0; at < store.ids.size(); ++at) {
    if (view->wants_ahead()) view->read_ahead(named(store.ids, at));
    // Some are not read at all.
    if (at % 3 == 1) continue;
    if (damaged.contains(store.ids[at])) {
      REQUIRE_THROWS_AS(view->pin(store.ids[at]), Tampered);
    } else {
      store.expect_page(*view, store.ids[at]);
    }
  }
  // A number that there is no page of.
  const std::array none{PageId{std::uint64_t{1} << 40}};
  view->read_ahead(none);
  REQUIRE_THROWS_AS(view->pin(none[0]), Tampered);
  view->read_ahead(none);
}

TEST_CASE("what is opened ahead takes nobody's frames", "[threads]") {
  const Options options = ahead_options(512 * 1024);
  AheadStore store(options);
  const auto most_pins = [&](bool ahead) {
    const auto view = store.engine->begin_read(true);
    std::vector<PagePin> pins;
    try {
      for (std::size_t at = 0; at < store.ids.size(); ++at) {
        if (ahead && view->wants_ahead()) view->read_ahead(named(store.ids, at));
        pins.push_back(view->pin(store.ids[at]));
      }
    } catch (const MemoryLockError&) {
      // That many it is.
    }
    return pins.size();
  };
  const std::size_t without = most_pins(false);
  REQUIRE(without < store.ids.size());
  // One that the other thread has in hand just then may be missing.
  for (int round = 0; round < 20; ++round) REQUIRE(most_pins(true) + 1 >= without);
}

TEST_CASE("scans open pages ahead on as many threads as there are processors, less one",
          "[threads]") {
  AheadStore store;
  const std::size_t threads = store.machine->processors() - 1;
  REQUIRE(threads == 1);
  std::vector<std::unique_ptr<ReadView>> views;
  for (std::size_t i = 0; i < threads + 2; ++i) {
    views.push_back(store.engine->begin_read(true));
    views.back()->read_ahead(named(store.ids, i));
    // One that got none is not asked for more.
    REQUIRE((i < threads || !views.back()->wants_ahead()));
    for (std::size_t at = i; at < i + 40; ++at) store.expect_page(*views.back(), store.ids[at]);
  }
  // Its place is the next one's.
  views.erase(views.begin());
  const auto view = store.engine->begin_read(true);
  view->read_ahead(named(store.ids, 0));
  store.expect_page(*view, store.ids[0]);
  for (std::size_t at = 0; at < PageSource::kPagesAheadMax; ++at) {
    store.expect_page(*view, store.ids[at]);
  }
  REQUIRE(view->wants_ahead());
}

TEST_CASE("an engine without threads opens nothing ahead", "[threads]") {
  AheadStore store(test::small_options());
  const auto view = store.engine->begin_read(true);
  const std::uint64_t opened = store.opened();
  view->read_ahead(named(store.ids, 0));
  REQUIRE_FALSE(view->wants_ahead());
  REQUIRE(store.opened() == opened);
  store.expect_page(*view, store.ids[0]);
}

}  // namespace
}  // namespace coffer::txn
