// The engine without trees: random pages in random transactions against a model.
#include <catch2/catch.hpp>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using test::add_batch;
using test::change_chunks;
using test::change_some;
using test::check_structure;
using test::ChunkModel;
using test::compare;
using test::compare_in_batches;
using test::PageModel;
using test::small_options;

TEST_CASE("Random transactions are there after commit, checkpoint, close and open") {
  const auto seed = GENERATE(1u, 2u, 3u);
  const bool encrypted = GENERATE(true, false);
  CAPTURE(seed, encrypted);
  std::mt19937_64 rng(seed);
  auto machine = platform::SimulatedPlatform::make(seed);
  const Key key = test::txn_key();
  const Key* k = encrypted ? &key : nullptr;
  Engine::create(*machine, "/store", k, {}, small_options());
  PageModel model;
  ChunkModel chunks;
  for (int round = 0; round < 6; ++round) {
    const auto engine = Engine::open(*machine, "/store", k, small_options());
    compare(*engine->begin_read({}), model);
    compare(*engine->begin_read({}), chunks);
    check_structure(*engine, model, chunks);
    for (int t = 0; t < 60; ++t) {
      PageModel next = model;
      ChunkModel next_chunks = chunks;
      auto view = engine->begin_write(true);
      change_some(*view, next, rng, static_cast<int>(rng() % 40));
      if (rng() % 8 == 0) {
        add_batch(*view, next, rng, static_cast<int>(rng() % 6));
        change_some(*view, next, rng, static_cast<int>(rng() % 6));
      }
      if (rng() % 3 == 0) change_chunks(*view, next_chunks, rng);
      compare(*view, next);
      if (rng() % 5 == 0) {
        view->rollback();
      } else {
        const CommitNumber commit = view->commit();
        view.reset();
        engine->after_commit();
        engine->wait_durable(commit);
        model = std::move(next);
        chunks = std::move(next_chunks);
      }
      view.reset();
      if (rng() % 4 == 0) compare_in_batches(*engine->begin_read({}), model, rng);
      compare(*engine->begin_read({}), model);
      if (rng() % 20 == 0) engine->checkpoint();
      if (rng() % 20 == 0) check_structure(*engine, model, chunks);
    }
    if (round % 2 == 0) engine->close();
  }
}

TEST_CASE("A store that is closed keeps no more of its journal than two segments") {
  auto machine = platform::SimulatedPlatform::make(4);
  const Key key = test::txn_key();
  Engine::create(*machine, "/store", &key, {}, small_options(), 64 * 1024);
  std::mt19937_64 rng(4);
  PageModel model;
  const auto segments = [&] {
    const auto names = machine->files().list("/store");
    return std::ranges::count_if(
        names, [](const std::string& name) { return name.starts_with("journal-"); });
  };
  for (int round = 0; round < 2; ++round) {
    const auto engine = Engine::open(*machine, "/store", &key, small_options());
    compare(*engine->begin_read({}), model);
    for (int t = 0; t < 40; ++t) {
      auto view = engine->begin_write(true);
      change_some(*view, model, rng, 20);
      engine->wait_durable(view->commit());
      view.reset();
      engine->after_commit();
    }
    CHECK(segments() > 3);
    engine->close();
    CHECK(segments() <= 2);
  }
  const auto engine = Engine::open(*machine, "/store", &key, small_options());
  compare(*engine->begin_read({}), model);
}

TEST_CASE("Readers keep their snapshot while commits and checkpoints go on") {
  std::mt19937_64 rng(11);
  auto machine = platform::SimulatedPlatform::make(11);
  const Key key = test::txn_key();
  Options options = small_options();
  options.residency = GENERATE(Residency::strict, Residency::branches, Residency::pages);
  options.resident_bytes_max = options.locked_bytes_max / 2;
  Engine::create(*machine, "/store", &key, {}, options);
  const auto engine = Engine::open(*machine, "/store", &key, options);
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
  const Key key = test::txn_key();
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
  const Key key = test::txn_key();
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
