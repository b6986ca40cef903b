// The engine without trees: random pages in random transactions against a model.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "platform/simulated/simulated.hpp"
#include "tests/support/page_model.hpp"
#include "txn/engine.hpp"

namespace coffer::txn {
namespace {

using test::content_of;
using test::PageModel;
using test::scribble;

Key test_key() {
  std::array<std::byte, 32> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(i * 7 + 1);
  return Key::from_bytes(raw);
}

Options small_options() {
  Options options;
  options.background_checkpoints = false;
  options.locked_bytes_max = 1024 * 1024;
  options.checkpoint_journal_bytes = 256 * 1024;
  options.write_buffer_bytes_max = 512 * 1024;
  return options;
}

void compare(PageSource& view, const PageModel& model) {
  for (const auto& [id, content] : model) {
    INFO("page " << id.value);
    REQUIRE(content_of(view.pin(id)) == content);
  }
}

/// One random transaction; `model` follows it.
void change_some(WriteView& view, PageModel& model, std::mt19937_64& rng, int changes) {
  for (int i = 0; i < changes; ++i) {
    const auto pick = [&] {
      auto it = model.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(rng() % model.size()));
      return it;
    };
    const unsigned what = static_cast<unsigned>(rng() % 10);
    if (model.empty() || what < 3) {
      MutablePage page = view.allocate();
      REQUIRE(!model.contains(page.id()));
      txn::PageHeader h = page.header();
      h.type = 1;
      page.set_header(h);
      model[page.id()] = scribble(page, rng);
    } else if (what < 9) {
      const auto it = pick();
      MutablePage page = view.modify(it->first);
      it->second = scribble(page, rng);
    } else {
      const auto it = pick();
      view.free(it->first);
      model.erase(it);
    }
  }
}

TEST_CASE("Random transactions are there after commit, checkpoint, close and open") {
  const auto seed = GENERATE(1u, 2u, 3u);
  const bool encrypted = GENERATE(true, false);
  CAPTURE(seed, encrypted);
  std::mt19937_64 rng(seed);
  auto machine = platform::SimulatedPlatform::make(seed);
  const Key key = test_key();
  const Key* k = encrypted ? &key : nullptr;
  Engine::create(*machine, "/store", k, {}, small_options());
  PageModel model;
  for (int round = 0; round < 6; ++round) {
    const auto engine = Engine::open(*machine, "/store", k, small_options());
    compare(*engine->begin_read({}), model);
    for (int t = 0; t < 60; ++t) {
      PageModel next = model;
      auto view = engine->begin_write(true);
      change_some(*view, next, rng, static_cast<int>(rng() % 40));
      compare(*view, next);
      if (rng() % 5 == 0) {
        view->rollback();
      } else {
        const CommitNumber commit = view->commit();
        view.reset();
        engine->after_commit();
        engine->wait_durable(commit);
        model = std::move(next);
      }
      view.reset();
      compare(*engine->begin_read({}), model);
      if (rng() % 20 == 0) engine->checkpoint();
    }
    if (round % 2 == 0) engine->close();
  }
}

TEST_CASE("Readers keep their snapshot while commits and checkpoints go on") {
  std::mt19937_64 rng(11);
  auto machine = platform::SimulatedPlatform::make(11);
  const Key key = test_key();
  Engine::create(*machine, "/store", &key, {}, small_options());
  const auto engine = Engine::open(*machine, "/store", &key, small_options());
  PageModel model;
  std::vector<std::pair<std::unique_ptr<ReadView>, PageModel>> readers;
  for (int t = 0; t < 300; ++t) {
    auto view = engine->begin_write(true);
    change_some(*view, model, rng, 20);
    engine->wait_durable(view->commit());
    view.reset();
    if (t % 10 == 0) readers.emplace_back(engine->begin_read({}), model);
    if (t % 7 == 0) engine->checkpoint();
    if (readers.size() > 5) readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(rng() % 5));
    for (auto& [reader, expected] : readers) compare(*reader, expected);
  }
  REQUIRE(engine->statistics().readers.size() == readers.size());
  readers.clear();
  engine->checkpoint();
  CHECK(engine->statistics().held_slots == 0);
}

TEST_CASE("Savepoints restore what was there, in any nesting") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  std::mt19937_64 rng(seed);
  auto machine = platform::SimulatedPlatform::make(seed);
  const Key key = test_key();
  Engine::create(*machine, "/store", &key, {}, small_options());
  const auto engine = Engine::open(*machine, "/store", &key, small_options());
  PageModel model;
  for (int t = 0; t < 30; ++t) {
    auto view = engine->begin_write(true);
    PageModel now = model;
    std::vector<std::pair<SavepointId, PageModel>> points;
    for (int step = 0; step < 30; ++step) {
      switch (rng() % 5) {
        case 0:
          points.emplace_back(view->savepoint(), now);
          break;
        case 1:
          if (!points.empty()) {
            const std::size_t to = rng() % points.size();
            view->rollback_to(points[to].first);
            now = points[to].second;
            points.resize(to + 1, points.front());
            compare(*view, now);
          }
          break;
        case 2:
          if (!points.empty()) {
            const std::size_t to = rng() % points.size();
            view->release(points[to].first);
            points.resize(to, points.front());
          }
          break;
        default:
          change_some(*view, now, rng, 8);
      }
    }
    compare(*view, now);
    if (rng() % 4 != 0) {
      engine->wait_durable(view->commit());
      model = now;
    }
    view.reset();
    compare(*engine->begin_read({}), model);
  }
}

TEST_CASE("A transaction much larger than the locked memory works") {
  std::mt19937_64 rng(5);
  auto machine = platform::SimulatedPlatform::make(5);
  const Key key = test_key();
  Options options = small_options();
  options.locked_bytes_max = 512 * 1024;
  Engine::create(*machine, "/store", &key, {}, options);
  PageModel model;
  {
    const auto engine = Engine::open(*machine, "/store", &key, options);
    auto view = engine->begin_write(true);
    change_some(*view, model, rng, 6000);
    compare(*view, model);
    engine->wait_durable(view->commit());
    view.reset();
    compare(*engine->begin_read({}), model);
  }
  const auto engine = Engine::open(*machine, "/store", &key, options);
  compare(*engine->begin_read({}), model);
}

}  // namespace
}  // namespace coffer::txn
