// Pages that are read and written past the frames: what they may touch, and what a failure leaves.
#include <coffer/error.hpp>

#include <atomic>
#include <thread>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using test::add_batch;
using test::compare;
using test::compare_in_batches;
using test::PageModel;
using test::small_options;

class BatchStore {
 public:
  BatchStore() : machine(platform::SimulatedPlatform::make(17)) {
    Engine::create(*machine, "/store", &key, {}, small_options());
    engine = Engine::open(*machine, "/store", &key, small_options());
    auto view = engine->begin_write(true);
    add_batch(*view, model, rng, 50);
    engine->wait_durable(view->commit());
    view.reset();
    engine->checkpoint();
  }
  [[nodiscard]] std::uint64_t slots_in_use() const {
    const Statistics now = engine->statistics();
    return now.page_file_bytes / now.page_size - now.free_slots;
  }

  std::mt19937_64 rng{17};
  const Key key = test::txn_key();
  std::unique_ptr<platform::SimulatedPlatform> machine;
  std::unique_ptr<Engine> engine;
  PageModel model;
};

TEST_CASE("reading in batches takes no frames") {
  BatchStore store;
  const auto view = store.engine->begin_read({});
  const Statistics before = store.engine->statistics();
  compare_in_batches(*view, store.model, store.rng);
  const Statistics after = store.engine->statistics();
  REQUIRE(after.pages_opened == before.pages_opened + store.model.size());
  REQUIRE(after.plaintext_pages == before.plaintext_pages);
}

TEST_CASE("a batch is read by a thread while its view reads and commits go on") {
  BatchStore store;
  const auto view = store.engine->begin_read({});
  const PageModel then = store.model;
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::exception_ptr failure;
  std::thread thread([&] {
    std::mt19937_64 rng(5);
    try {
      for (; !stop; ++rounds) compare_in_batches(*view, then, rng);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  for (int t = 0; t < 200 || (rounds < 20 && !failure); ++t) {
    auto writing = store.engine->begin_write(true);
    test::change_some(*writing, store.model, store.rng, 10);
    store.engine->wait_durable(writing->commit());
    writing.reset();
    store.engine->after_commit();
    compare(*view, then);
  }
  stop = true;
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

TEST_CASE("a page that does not verify fails the batch with it in it") {
  BatchStore store;
  const auto view = store.engine->begin_read({});
  // Every byte of the file but the superblock's and the metadata's own is some page's: all are changed.
  auto pages = store.machine->contents("/store/pages");
  for (std::byte& b : pages) b ^= std::byte{1};
  store.machine->set_contents("/store/pages", pages);
  REQUIRE_THROWS_AS(compare_in_batches(*view, store.model, store.rng), Tampered);
  BatchReader reader = view->batch_reader();
  std::vector<std::byte> out(view->content_bytes());
  const PageId nowhere{1'000'000};
  REQUIRE_THROWS_AS(reader.read({&nowhere, 1}, out), Tampered);
}

TEST_CASE("what a batch wrote and nobody took over is free again") {
  BatchStore store;
  const std::uint64_t before = store.slots_in_use();
  const PageModel model = store.model;
  enum class Leave { not_written, not_added, rolled_back, destroyed };
  for (const Leave leave :
       {Leave::not_written, Leave::not_added, Leave::rolled_back, Leave::destroyed}) {
    CAPTURE(static_cast<int>(leave));
    auto view = store.engine->begin_write(true);
    std::vector<std::byte> contents(view->content_bytes());
    const PageHeader header{
        .gap_begin = 16, .gap_end = 16, .type = 1, .level = 0, .count = 0, .version = 0};
    std::memcpy(contents.data(), &header, sizeof header);
    const PageId id = view->new_page_number();
    auto writer = view->batch_writer();
    writer->write({&id, 1}, contents);
    REQUIRE(store.slots_in_use() == before);
    if (leave != Leave::not_written) {
      writer->finish();
      REQUIRE(store.slots_in_use() == before + 1);
    }
    const bool added = leave == Leave::rolled_back || leave == Leave::destroyed;
    if (added) view->add(*writer);
    writer.reset();
    if (leave == Leave::rolled_back) view->rollback();
    if (!added) {
      REQUIRE(store.slots_in_use() == before);
      static_cast<void>(view->commit());
    }
    view.reset();
    REQUIRE(store.slots_in_use() == before);
  }
  compare(*store.engine->begin_read({}), model);
}

TEST_CASE("a batch that cannot be written leaves its transaction as it was") {
  BatchStore store;
  const std::uint64_t before = store.slots_in_use();
  auto view = store.engine->begin_write(true);
  PageModel tried = store.model;
  store.machine->set_fault(
      [](const std::string& operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (operation == "write" && path.filename() == "pages") {
          throw IoError("broken", operation, path, 5);
        }
      });
  REQUIRE_THROWS_AS(add_batch(*view, tried, store.rng, 20), IoError);
  store.machine->set_fault({});
  REQUIRE(store.slots_in_use() == before);
  // The disk is well again, and so is the transaction.
  add_batch(*view, store.model, store.rng, 20);
  compare(*view, store.model);
  store.engine->wait_durable(view->commit());
  view.reset();
  compare(*store.engine->begin_read({}), store.model);
  store.engine->close();
  store.engine = Engine::open(*store.machine, "/store", &store.key, small_options());
  compare(*store.engine->begin_read({}), store.model);
}

TEST_CASE("pages that are written at once bring about checkpoints too") {
  const auto machine = platform::SimulatedPlatform::make(18);
  const Key key = test::txn_key();
  Options options = small_options();
  // Of what a changed page takes, 512 bytes, there is room for 256.
  options.write_buffer_bytes_max = 128 * 1024;
  options.checkpoint_journal_bytes = 1 << 30;
  Engine::create(*machine, "/store", &key, {}, options);
  const auto engine = Engine::open(*machine, "/store", &key, options);
  std::mt19937_64 rng(18);
  PageModel model;
  add_batch(*engine->begin_write(true), model, rng,
            1);  // rolled back: but for it the journal is begun later
  model.clear();
  engine->checkpoint();
  const std::uint64_t checkpoints = engine->statistics().checkpoint;
  std::uint64_t made = 0;
  for (int t = 1; t <= 20; ++t) {
    auto view = engine->begin_write(true);
    add_batch(*view, model, rng, 50);
    static_cast<void>(view->commit());
    view.reset();
    engine->after_commit();
    made = engine->statistics().checkpoint - checkpoints;
    // With every sixth commit there are 300 changed pages.
    CAPTURE(t);
    REQUIRE(made == static_cast<std::uint64_t>(t / 6));
  }
  // The same page, changed again and again, is one.
  const PageId page = model.begin()->first;
  engine->checkpoint();
  const std::uint64_t then = engine->statistics().checkpoint;
  for (int t = 0; t < 300; ++t) {
    auto view = engine->begin_write(true);
    txn::MutablePage changed = view->modify(page);
    model[page] = test::scribble(changed, rng);
    changed = {};
    static_cast<void>(view->commit());
    view.reset();
    engine->after_commit();
  }
  REQUIRE(engine->statistics().checkpoint == then);
  compare(*engine->begin_read(true), model);
}

}  // namespace
}  // namespace coffer::txn
