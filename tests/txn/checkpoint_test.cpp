// A checkpoint and commits at the same time, step by step: syncs of the file of pages that fail while both
// are at it, and commits that supersede what a checkpoint is about to write.
//
// The threads meet in the simulated machine's hooks.  Where one has to wait for another that only the fault
// under test would let through, it gives up after a while: that costs time and decides nothing.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::CutOutcome;
using platform::SimulatedPlatform;
using test::PageModel;

constexpr std::chrono::milliseconds kPatience{400};

/// Waits until `done`, or not for ever.
template <class Done>
bool wait_a_while(const Done& done, std::chrono::milliseconds most = kPatience) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// --- A sync of the file of pages that fails
// ---------------------------------------------------------------

/// What became of one of the two who sync.
enum class End { under_way, succeeded, failed };

struct Meeting {
  std::thread::id committer;
  bool checkpoint_first = false;  ///< who comes to its sync first, and waits there for the other
  bool first_fails = false;       ///< whose sync fails
  std::atomic<bool> first_in_sync{false};
  std::atomic<bool> first_failed{false};
  std::atomic<bool> second_in_sync{false};
  std::atomic<End> second{End::under_way};

  /// On `operation`'s own thread, before it is done.
  void on_sync(const platform::Path& path) {
    const bool is_first = (std::this_thread::get_id() == committer) != checkpoint_first;
    if (is_first && !first_in_sync.exchange(true)) {
      if (first_fails) {
        // The other would be in its own sync now, if both could be in one.
        wait_a_while([this] { return second_in_sync.load(); });
        first_failed = true;
        throw IoError("broken", "data_sync", path, 5);
      }
      wait_a_while([this] { return second.load() != End::under_way; });
    } else if (!is_first && !second_in_sync.exchange(true)) {
      if (!first_fails) throw IoError("broken", "data_sync", path, 5);
      wait_a_while([this] { return first_failed.load(); });
    }
  }
};

template <class Work>
End end_of(const Work& work) {
  try {
    work();
    return End::succeeded;
  } catch (const IoError&) {
    return End::failed;
  } catch (const Poisoned&) {
    return End::failed;
  }
}

TEST_CASE("A sync of the pages that fails is noticed by committer and checkpoint alike") {
  const bool checkpoint_first = GENERATE(true, false);
  const bool first_fails = GENERATE(true, false);
  CAPTURE(checkpoint_first, first_fails);
  const Key key = test::txn_key();
  Options options = test::small_options();
  options.locked_bytes_max = 4u << 20;
  options.write_buffer_bytes_max = 16u << 20;
  const auto machine = SimulatedPlatform::make(51);
  machine->record(true);
  machine->set_failed_sync_drops_writes(true);
  Engine::create(*machine, "/store", &key, {}, options);
  std::mt19937_64 rng(23);
  PageModel acknowledged;
  auto engine = Engine::open(*machine, "/store", &key, options);
  {
    auto view = engine->begin_write(true);
    test::add_pages(*view, acknowledged, rng, 500);
    engine->wait_durable(view->commit());
  }
  engine->checkpoint();
  {  // For the checkpoint to write.
    auto view = engine->begin_write(true);
    for (auto& [id, content] : acknowledged) {
      if (id.value % 5 != 0) continue;
      auto page = view->modify(id);
      content = test::fill_page(page, rng);
    }
    engine->wait_durable(view->commit());
  }
  // More than a megabyte of whole pages: logged by reference, and synced before that.
  PageModel begun = acknowledged;
  auto view = engine->begin_write(true);
  const CommitNumber last_commit = view->commit_number();
  for (auto& [id, content] : begun) {
    auto page = view->modify(id);
    content = test::fill_page(page, rng);
  }

  Meeting meeting;
  meeting.checkpoint_first = checkpoint_first;
  meeting.first_fails = first_fails;
  std::atomic<bool> go{false};
  End commit_end = End::under_way;
  std::thread committer([&] {
    while (!go || (checkpoint_first && !meeting.first_in_sync)) std::this_thread::yield();
    commit_end = end_of([&] { engine->wait_durable(view->commit()); });
    if (checkpoint_first) meeting.second = commit_end;
  });
  meeting.committer = committer.get_id();
  machine->set_fault(
      [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (path.filename() == "pages" && std::string(operation) == "data_sync") {
          meeting.on_sync(path);
        }
      });
  go = true;
  while (!checkpoint_first && !meeting.first_in_sync) std::this_thread::yield();
  const End checkpoint_end = end_of([&] { engine->checkpoint(); });
  if (!checkpoint_first) meeting.second = checkpoint_end;
  committer.join();
  machine->set_fault({});

  // Whoever fails does, and the other does not succeed behind that.  (A commit that comes first may
  // succeed, or learn that the store was poisoned before it was durable.)
  const End first = checkpoint_first ? checkpoint_end : commit_end;
  const End second = checkpoint_first ? commit_end : checkpoint_end;
  if (first_fails) CHECK(first == End::failed);
  CHECK(second == End::failed);
  CHECK(engine->statistics().poisoned);
  CHECK_THROWS_AS(engine->checkpoint(), Poisoned);
  view.reset();
  engine.reset();

  // Whatever was acknowledged is there, for the next process and after a power cut.
  const auto after = machine->cut_at(machine->steps(), CutOutcome::nothing_lands, 1);
  for (SimulatedPlatform* where : {machine.get(), after.get()}) {
    const auto again = Engine::open(*where, "/store", &key, options);
    const bool has_last = again->statistics().last_commit == last_commit.value;
    if (commit_end == End::succeeded) CHECK(has_last);
    const PageModel& right = has_last ? begun : acknowledged;
    test::compare(*again->begin_read(true), right);
    test::check_structure(*again, right, {});
  }
}

TEST_CASE("What a failed sync of the pages lost is no tampering") {
  const Key key = test::txn_key();
  Options options = test::small_options();
  options.locked_bytes_max = 4u << 20;
  const auto machine = SimulatedPlatform::make(52);
  machine->set_failed_sync_drops_writes(true);
  Engine::create(*machine, "/store", &key, {}, options);
  std::mt19937_64 rng(24);
  PageModel model;
  const auto engine = Engine::open(*machine, "/store", &key, options);
  auto view = engine->begin_write(true);
  test::add_pages(*view, model, rng, 50);
  engine->wait_durable(view->commit());
  view.reset();
  machine->set_fault(
      [](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (path.filename() == "pages" && std::string(operation) == "data_sync") {
          throw IoError("broken", operation, path, 5);
        }
      });
  REQUIRE_THROWS_AS(engine->checkpoint(), IoError);
  machine->set_fault({});
  // The pages are in slots by now, as far as anybody knows.
  std::size_t lost = 0;
  const auto reader = engine->begin_read(true);
  for (const auto& [id, content] : model) {
    try {
      const bool same = test::content_of(reader->pin(id)) == content;
      CHECK(same);
    } catch (const IoError&) {
      ++lost;
    }
  }
  CHECK(lost == model.size());
}

TEST_CASE("A checkpoint writes neighbouring pages with one call") {
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(53);
  Options options = test::small_options();
  options.write_buffer_bytes_max = options.checkpoint_journal_bytes = 64u << 20;
  Engine::create(*machine, "/store", &key, {}, options);
  std::mt19937_64 rng(25);
  PageModel model;
  const auto engine = Engine::open(*machine, "/store", &key, options);
  // Less than what is logged by reference, and so written before the checkpoint.
  for (int i = 0; i < 4; ++i) {
    auto view = engine->begin_write(true);
    test::add_pages(*view, model, rng, 100);
    engine->wait_durable(view->commit());
  }
  std::size_t writes = 0;
  machine->set_fault(
      [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (path.filename() == "pages" && std::string(operation) == "write") ++writes;
      });
  engine->checkpoint();
  machine->set_fault({});
  // 400 pages of 4 KiB in pieces of up to 256 KiB, and some nodes.
  CHECK(writes >= 400 * 4 / 256);
  CHECK(writes < 30);
  test::compare(*engine->begin_read(true), model);
}

TEST_CASE("A commit while a checkpoint is under way does not ask for another", "[threads]") {
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(54);
  Options options = test::small_options();
  options.background_checkpoints = true;
  options.locked_bytes_max = 4u << 20;
  options.write_buffer_bytes_max = 256 * 1024;
  options.checkpoint_journal_bytes = 64u << 20;
  Engine::create(*machine, "/store", &key, {}, options);
  std::mt19937_64 rng(26);
  PageModel model;
  std::atomic<bool> under_way{false};
  std::atomic<bool> committed{false};
  const auto engine = Engine::open(*machine, "/store", &key, options);
  std::uint64_t before = 0;
  const auto committer = std::this_thread::get_id();
  // It syncs the journal with all that it is going to write still in memory: the buffer is full for the commit, too.
  machine->set_fault(
      [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (std::this_thread::get_id() == committer || std::string(operation) != "data_sync" ||
            !path.filename().string().starts_with("journal-")) {
          return;
        }
        under_way = true;
        wait_a_while([&] { return committed.load(); }, std::chrono::seconds(20));
      });
  {
    auto view = engine->begin_write(true);
    before = engine->statistics().checkpoint;  // the first writer makes one
    test::add_pages(*view, model, rng, 100);
    (void)view->commit();
    view.reset();
    engine->after_commit();
  }
  REQUIRE(wait_a_while([&] { return under_way.load(); }, std::chrono::seconds(20)));
  {
    auto view = engine->begin_write(true);
    {
      auto page = view->modify(model.begin()->first);
      test::touch_page(page, model.begin()->second, rng);
    }
    (void)view->commit();
    view.reset();
    CHECK(engine->statistics().write_buffer_bytes >= options.write_buffer_bytes_max);
    engine->after_commit();
  }
  committed = true;
  REQUIRE(wait_a_while([&] { return engine->statistics().checkpoint > before; },
                       std::chrono::seconds(20)));
  CHECK_FALSE(wait_a_while([&] { return engine->statistics().checkpoint > before + 1; }));
  machine->set_fault({});
  test::compare(*engine->begin_read(true), model);
  engine->close();
}

TEST_CASE("Commits find room in the journal that was made before the checkpoint", "[threads]") {
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(55);
  Options options = test::small_options();
  options.background_checkpoints = true;
  options.checkpoint_journal_bytes = 16 * journal::kFragmentBytesMax;
  constexpr std::uint64_t kMeanwhile = 6 * journal::kFragmentBytesMax;  // of 8
  Engine::create(*machine, "/store", &key, {}, options, journal::kFragmentBytesMax);
  std::mt19937_64 rng(27);
  PageModel model;
  const auto engine = Engine::open(*machine, "/store", &key, options);
  {
    auto view = engine->begin_write(true);
    test::add_pages(*view, model, rng, 1);
    (void)view->commit();
  }
  std::atomic<bool> under_way{false};
  std::atomic<bool> committed{false};
  std::size_t made = 0;  // by the committer
  const auto committer = std::this_thread::get_id();
  machine->set_fault(
      [&](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (std::this_thread::get_id() == committer) {
          if (under_way && std::string(operation) == "create") ++made;
        } else if (std::string(operation) == "data_sync" &&
                   path.filename().string().starts_with("journal-")) {
          under_way = true;
          wait_a_while([&] { return committed.load(); }, std::chrono::seconds(20));
        }
      });
  const auto commit = [&] {
    auto view = engine->begin_write(true);
    {
      auto page = view->modify(model.begin()->first);
      test::touch_page(page, model.begin()->second, rng);
    }
    (void)view->commit();
    view.reset();
    engine->after_commit();
  };
  // The first is made for what has been written since the store was opened, others are like it.
  for (int checkpoint = 0; checkpoint < 3; ++checkpoint) {
    CAPTURE(checkpoint);
    const std::uint64_t before = engine->statistics().checkpoint;
    committed = under_way = false;
    for (int i = 0; !under_way && i < 100'000; ++i) {
      commit();
      // Where it is due, it has time to begin.
      if (engine->statistics().journal_bytes >= options.checkpoint_journal_bytes) {
        wait_a_while([&] { return under_way.load(); }, std::chrono::seconds(20));
      }
    }
    REQUIRE(under_way);
    const std::uint64_t from = engine->statistics().journal_bytes;
    while (engine->statistics().journal_bytes < from + kMeanwhile) commit();
    CHECK(made == 0);
    committed = true;
    REQUIRE(wait_a_while([&] { return engine->statistics().checkpoint > before; },
                         std::chrono::seconds(20)));
  }
  machine->set_fault({});
  test::compare(*engine->begin_read(true), model);
  engine->close();
}

// --- Versions that are superseded before the checkpoint has collected them
// --------------------------------

/// Four commits, 1 to 4 behind the first checkpoint.  The checkpoint freezes 2 and waits for it to be durable;
/// 3 follows; the checkpoint's own sync makes both durable; 4 follows, and has the lock under which versions
/// are published from before that sync ends.  So when the checkpoint comes to collect what 2 changed, 3 and 4
/// have superseded it and are durable or in force.  Returns what the checkpoint froze.
class SupersedingScene {
 public:
  SupersedingScene(SimulatedPlatform& machine, Engine& engine, PageModel& model)
      : machine_(machine),
        engine_(engine),
        model_(model),
        first_(engine.statistics().last_commit) {}

  std::uint64_t play(std::chrono::milliseconds time_to_freeze) {
    time_to_freeze_ = time_to_freeze;
    const CommitNumber one = commit_changes();
    machine_.set_fault([this](const char* operation, const platform::Path& path, std::uint64_t,
                              std::uint64_t) { on_call(operation, path); });
    engine_.wait_durable(one);  // goes on in on_first_sync
    checkpoint_.join();
    writer_.join();
    machine_.set_fault({});
    REQUIRE(worked_);
    engine_.wait_durable(CommitNumber{first_ + 4});
    return engine_.statistics().checkpoint_commit - first_;
  }

 private:
  CommitNumber commit_changes() {
    auto view = engine_.begin_write(true);
    for (auto& [id, content] : model_) {
      if (id.value % 3 != 0) continue;
      auto page = view->modify(id);
      test::touch_page(page, content, rng_);
    }
    committing_ = std::this_thread::get_id();
    const CommitNumber commit = view->commit();
    committing_ = std::thread::id();
    return commit;
  }

  void on_call(const std::string& operation, const platform::Path& path) {
    const bool journal = path.filename().string().starts_with("journal-");
    if (operation == "data_sync" && journal) {
      const int sync = syncs_++;
      if (sync == 0) on_first_sync();
      if (sync == 1) on_second_sync();
    } else if (operation == "copy_out" && path.filename() == "pages" && writing_four_ &&
               committing_.load() == std::this_thread::get_id() && !locked_.exchange(true)) {
      // A base looked up in the table: the publish lock is ours, the durable point not yet read.
      worked_ = wait_a_while([this] { return engine_.is_durable(CommitNumber{first_ + 3}); },
                             std::chrono::seconds(20));
    }
  }

  void on_first_sync() {
    commit_changes();
    checkpoint_ = std::thread([this] { engine_.checkpoint(); });
    // It cannot get any further than to wait for this sync.
    std::this_thread::sleep_for(time_to_freeze_);
    commit_changes();
  }

  void on_second_sync() {
    writer_ = std::thread([this] {
      // Pages that nobody has changed since the table was written are looked up there.
      auto view = engine_.begin_write(true);
      for (auto& [id, content] : model_) {
        auto page = view->modify(id);
        test::touch_page(page, content, rng_);
      }
      writing_four_ = true;
      committing_ = std::this_thread::get_id();
      (void)view->commit();
    });
    wait_a_while([this] { return locked_.load(); }, std::chrono::seconds(20));
  }

  SimulatedPlatform& machine_;
  Engine& engine_;
  PageModel& model_;
  std::mt19937_64 rng_{31};
  const std::uint64_t first_;
  std::chrono::milliseconds time_to_freeze_{};
  std::thread checkpoint_;
  std::thread writer_;
  std::atomic<int> syncs_{0};
  std::atomic<std::thread::id> committing_{};
  std::atomic<bool> writing_four_{false};
  std::atomic<bool> locked_{false};
  std::atomic<bool> worked_{false};
};

TEST_CASE("A checkpoint has the versions that it froze, whatever becomes durable meanwhile") {
  const Key key = test::txn_key();
  Options options = test::small_options();
  options.locked_bytes_max = 4u << 20;
  options.table_cache_bytes_max = 1;  // so that looking a page up reads the table
  const auto machine = SimulatedPlatform::make(52);
  Engine::create(*machine, "/store", &key, {}, options);
  std::mt19937_64 rng(29);
  PageModel model;
  bool met = false;
  // Should the checkpoint be so late that it freezes more than was meant, it is given more time.
  for (std::chrono::milliseconds time{50}; !met && time < std::chrono::seconds(20); time *= 4) {
    auto engine = Engine::open(*machine, "/store", &key, options);
    {
      auto view = engine->begin_write(true);
      test::add_pages(*view, model, rng, 300);
      engine->wait_durable(view->commit());
    }
    engine->checkpoint();
    met = SupersedingScene(*machine, *engine, model).play(time) == 2;
    test::compare(*engine->begin_read(true), model);
    test::kill_now(*machine, engine);
    const auto again = Engine::open(*machine, "/store", &key, options);
    test::compare(*again->begin_read(true), model);
    test::check_structure(*again, model, {});
    again->close();
  }
  CHECK(met);
}

}  // namespace
}  // namespace coffer::txn
