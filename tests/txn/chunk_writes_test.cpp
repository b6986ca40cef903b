// Chunks that are written while the next are sealed: nobody sees a slot before it has been written, no slot is somebody
// else's before, and what fails is told.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using test::ChunkModel;
using test::PageModel;

Options threaded_options() {
  Options options = test::small_options();
  options.background_checkpoints = true;
  options.locked_bytes_max = 4u << 20;
  options.checkpoint_journal_bytes = 64u << 20;
  options.write_buffer_bytes_max = 64u << 20;
  return options;
}

class ChunkStore {
 public:
  ChunkStore() : machine(platform::SimulatedPlatform::make(51)) {
    Engine::create(*machine, "/store", &key, {}, threaded_options());
    open();
  }
  ~ChunkStore() {
    engine.reset();
    machine->set_fault({});
  }
  void open() { engine = Engine::open(*machine, "/store", &key, threaded_options()); }
  /// What other threads than this one write to the page file takes a while from now on, so that whoever does not wait
  /// for it is seen.
  void make_slow() {
    const auto here = std::this_thread::get_id();
    machine->set_fault([this, here](const char* operation, const platform::Path& path,
                                    std::uint64_t, std::uint64_t length) {
      if (std::string(operation) != "write" || path.filename() != "pages" || length < 8192) return;
      if (std::this_thread::get_id() != here) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      ++written;
    });
  }
  ChunkModel::Chunk write(WriteView& view) {
    ChunkModel::Chunk chunk;
    chunk.value_id = view.new_value_id();
    chunk.born = view.commit_number();
    chunk.content.resize(view.chunk_bytes() - rng() % 1000);
    const auto first = static_cast<unsigned>(rng());
    for (std::size_t i = 0; i < chunk.content.size(); ++i) {
      chunk.content[i] = static_cast<std::byte>(first + i * 7);
    }
    chunk.ref = view.write_chunk(chunk.value_id, 0, chunk.content);
    return chunk;
  }
  void add(WriteView& view, ChunkModel& model, int count) {
    for (int i = 0; i < count; ++i) {
      const ChunkModel::Chunk chunk = write(view);
      model.chunks.emplace(chunk.value_id, chunk);
    }
  }

  std::atomic<int> written{0};  ///< chunks
  std::mt19937_64 rng{51};
  const Key key = test::txn_key();
  std::unique_ptr<platform::SimulatedPlatform> machine;
  std::unique_ptr<Engine> engine;
};

TEST_CASE("chunks written in the background are read by their transaction, and after it",
          "[threads]") {
  ChunkStore store;
  store.make_slow();
  ChunkModel model;
  {
    auto view = store.engine->begin_write(true);
    std::vector<std::byte> out;
    for (int i = 0; i < 20; ++i) {
      const ChunkModel::Chunk chunk = store.write(*view);
      model.chunks.emplace(chunk.value_id, chunk);
      if (i % 6 != 5) continue;
      // The last one first: it is the one that waits to be written.
      out.resize(chunk.content.size());
      view->read_chunk(chunk.value_id, 0, chunk.ref, out);
      REQUIRE(out == chunk.content);
    }
    store.engine->wait_durable(view->commit());
    REQUIRE(store.written == 20);
  }
  test::compare(*store.engine->begin_read(true), model);
  test::kill_now(*store.machine, store.engine);
  store.machine->set_fault({});
  store.open();
  test::compare(*store.engine->begin_read(true), model);
  test::check_structure(*store.engine, {}, model);
}

TEST_CASE("slots that a transaction gives up are not written any more when others may have them",
          "[threads]") {
  ChunkStore store;
  store.make_slow();
  ChunkModel model;
  int written = 0;
  const auto write = [&](WriteView& view, ChunkModel& to, int count) {
    store.add(view, to, count);
    written += count;
  };
  for (int round = 0; round < 9; ++round) {
    auto view = store.engine->begin_write(true);
    ChunkModel next = model;
    ChunkModel gone;
    switch (round % 3) {
      case 0: {
        write(*view, gone, 14);
        view->free_chunk(gone.chunks.begin()->second.ref, gone.chunks.begin()->second.born);
        REQUIRE(store.written == written);
        gone.chunks.erase(gone.chunks.begin());
        for (const auto& [id, chunk] : gone.chunks) view->free_chunk(chunk.ref, chunk.born);
        write(*view, next, 14);
        break;
      }
      case 1: {
        write(*view, next, 10);
        const SavepointId savepoint = view->savepoint();
        write(*view, gone, 10);
        view->rollback_to(savepoint);
        REQUIRE(store.written == written);
        write(*view, next, 10);
        break;
      }
      default: {
        write(*view, gone, 12);
        view->rollback();
        REQUIRE(store.written == written);
        view = store.engine->begin_write(true);
        write(*view, next, 6);
      }
    }
    store.engine->wait_durable(view->commit());
    view.reset();
    model = std::move(next);
    test::compare(*store.engine->begin_read(true), model);
  }
  test::check_structure(*store.engine, {}, model);
}

TEST_CASE(
    "a chunk that could not be written keeps its transaction from committing, and nothing else",
    "[threads]") {
  for (const int nth : {1, 5, 9, 12, 20, 39}) {
    CAPTURE(nth);
    ChunkStore store;
    ChunkModel model;
    {
      auto view = store.engine->begin_write(true);
      store.add(*view, model, 3);
      store.engine->wait_durable(view->commit());
    }
    store.engine->checkpoint();
    const std::uint64_t held = store.engine->statistics().held_slots;
    std::atomic<int> written{0};
    store.machine->set_fault([&](const char* operation, const platform::Path& path, std::uint64_t,
                                 std::uint64_t length) {
      if (std::string(operation) != "write" || path.filename() != "pages" || length < 8192) return;
      if (++written == nth) throw IoError("injected", operation, path, 5);
    });
    {
      auto view = store.engine->begin_write(true);
      ChunkModel more;
      const auto write_and_commit = [&] {
        store.add(*view, more, 40);
        static_cast<void>(view->commit());
      };
      REQUIRE_THROWS_AS(write_and_commit(), IoError);
      // Told again, however often it is asked.
      if (nth > 8) REQUIRE_THROWS_AS(view->commit(), IoError);
      view->rollback();
    }
    store.machine->set_fault({});
    REQUIRE(store.engine->statistics().held_slots == held);
    {
      auto view = store.engine->begin_write(true);
      store.add(*view, model, 20);
      store.engine->wait_durable(view->commit());
    }
    test::compare(*store.engine->begin_read(true), model);
    test::check_structure(*store.engine, {}, model);
  }
}

}  // namespace
}  // namespace coffer::txn
