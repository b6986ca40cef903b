// Trees that are filled leaf by leaf, against those that are filled entry by entry and against a model.
#include <coffer/coffer.hpp>
#include <coffer/error.hpp>

#include <atomic>
#include <map>
#include <set>

#include "platform/simulated/simulated.hpp"
#include "tests/support/full_run.hpp"
#include "tests/tree/tree_support.hpp"
#include "tree/leaf_loader.hpp"
#include "tree/store_state.hpp"
#include "tree/value_stream.hpp"

namespace coffer::tree::test {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Key loader_key() {
  return Key::from_bytes(std::array<std::byte, 32>{std::byte{7}});
}

/// A store on a machine in memory, without the public Store in between.
class LoadedStore {
 public:
  explicit LoadedStore(std::uint32_t page_size)
      : machine_(platform::SimulatedPlatform::make(page_size)) {
    Options options;
    options.background_checkpoints = false;
    options.locked_bytes_max = 4 << 20;
    txn::Engine::create(*machine_, "/store", &key_, {.page_size = page_size}, options);
    engine_ = txn::Engine::open(*machine_, "/store", &key_, options);
    begin();
    renew_loader();
  }

  [[nodiscard]] LeafLoader& loader() { return *loader_; }
  [[nodiscard]] TreeContext context() {
    return {.source = view_.get(), .sink = view_.get(), .registry = registry_};
  }
  void load(const char* name, TreeOptions options = {}) {
    loader_->resume(create_in_catalog(context(), name, options), *view_);
  }
  void commit_between(const char* name) {
    loader_->suspend();
    commit();
    loader_->resume(*find_in_catalog(context(), name), *view_);
  }
  void commit() {
    registry_->transaction_ended(Ending::commit);
    const CommitNumber commit = view_->commit();
    view_.reset();
    engine_->wait_durable(commit);
    engine_->after_commit();
    begin();
  }
  [[nodiscard]] Entries entries_of(const char* name) {
    Entries entries;
    std::optional<Tree> tree = find_tree(context(), name);
    Cursor cursor = tree->cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      std::string value(cursor.value_size(), '\0');
      if (cursor.value_is_large()) {
        auto reader = cursor.read();
        std::size_t at = 0;
        while (at < value.size()) {
          at += reader.read(std::as_writable_bytes(std::span(value).subspan(at)));
        }
      } else {
        value = cursor.value().text();
      }
      entries.emplace_back(cursor.key().text(), std::move(value));
    }
    return entries;
  }
  /// Everything that a check of the whole store looks at, B1 to B4 among it.
  CheckCounts check() {
    CheckReport report;
    CheckCounts counts;
    engine_->check(report, [&](txn::PageSource& source, const txn::Engine::References& references) {
      class Walk final : public CheckVisitor {
       public:
        Walk(const txn::Engine::References& references, std::uint32_t page_size)
            : references_(references), page_size_(page_size) {}
        void page(PageId id) override { references_.page(id); }
        void chunk(std::uint64_t, std::uint64_t, const txn::ChunkRef& ref) override {
          references_.run(txn::run_of(ref, page_size_));
        }

       private:
        const txn::Engine::References& references_;
        std::uint32_t page_size_;
      } walk(references, engine_->statistics().page_size);
      counts = check_all_trees({.source = &source}, walk);
    });
    return counts;
  }
  [[nodiscard]] txn::WriteView& view() { return *view_; }
  [[nodiscard]] const std::shared_ptr<StreamRegistry>& registry() const { return registry_; }
  [[nodiscard]] platform::SimulatedPlatform& machine() { return *machine_; }
  [[nodiscard]] txn::Engine& engine() { return *engine_; }
  void roll_back() {
    loader_.reset();
    registry_->transaction_ended(Ending::rollback);
    view_->rollback();
    view_.reset();
    begin();
    renew_loader();
  }

 private:
  void renew_loader() {
    loader_.emplace(machine_->memory(), platform::LockPolicy::abort, view_->content_bytes());
  }
  void begin() {
    view_ = engine_->begin_write(true);
    registry_ = std::make_shared<StreamRegistry>();
  }

  std::unique_ptr<platform::SimulatedPlatform> machine_;
  Key key_ = loader_key();
  std::unique_ptr<txn::Engine> engine_;
  std::shared_ptr<StreamRegistry> registry_;
  std::unique_ptr<txn::WriteView> view_;
  std::optional<LeafLoader> loader_;  // ends before its transaction
};

/// Entries in a tree's order, their lengths up to what the tree takes.
Entries random_entries(Random& random, const BTree& tree, std::size_t count) {
  const std::size_t key_max = 1 + below(random, tree.key_bytes_max());
  std::set<std::pair<std::string, std::string>> entries;
  std::map<std::string, std::string> by_key;
  for (std::size_t i = 0; i < count; ++i) {
    // Common beginnings make long separators.
    const std::size_t shared = below(random, 3) == 0 ? below(random, key_max) : 0;
    std::string key = std::string(shared, 'k') +
                      random_bytes(random, below(random, key_max - shared) + (shared == 0 ? 1 : 0));
    if (tree.pairs()) {
      if (!entries.empty() && below(random, 3) != 0) key = entries.begin()->first;
      entries.emplace(key, random_bytes(random, below(random, key_max)));
      continue;
    }
    const std::size_t most = below(random, 50) == 0 ? 200'000 : tree.inline_value_bytes_max(0) + 20;
    by_key[key] = random_bytes(random, below(random, most));
  }
  for (auto& entry : by_key) entries.insert(std::move(entry));
  return {entries.begin(), entries.end()};
}

TEST_CASE("a tree that is loaded holds what it was given, and is sound") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  for (const std::uint32_t page_size : {4096u, 16384u, 65536u}) {
    for (const bool pairs : {false, true}) {
      LoadedStore store(page_size);
      std::map<std::string, Entries> model;
      for (const std::size_t count : {0u, 1u, 2u, 40u, 900u}) {
        const std::string name = "tree of " + std::to_string(count);
        CAPTURE(page_size, pairs, name);
        store.load(name.c_str(), {.multi_value = pairs});
        const Entries entries = random_entries(random, store.loader().tree(), count);
        for (const auto& [key, value] : entries) {
          if (below(random, 60) == 0) store.commit_between(name.c_str());
          store.loader().append(key, value);
        }
        if (below(random, 2) == 0) store.commit_between(name.c_str());
        store.loader().finish();
        REQUIRE_FALSE(store.loader().active());
        if (below(random, 2) == 0) store.commit();
        model[name] = entries;
      }
      store.commit();
      static_cast<void>(store.check());
      for (const auto& [name, entries] : model) {
        CAPTURE(page_size, pairs, name);
        REQUIRE(store.entries_of(name.c_str()) == entries);
      }
      // They are trees like others: changed and emptied again.
      for (auto& [name, entries] : model) {
        std::optional<Tree> tree = find_tree(store.context(), name);
        for (const auto& [key, value] : entries) {
          if (below(random, 2) == 0) continue;
          REQUIRE((pairs ? tree->erase(key, value) : tree->erase(key)));
        }
        tree.reset();
      }
      store.commit();
      static_cast<void>(store.check());
    }
  }
}

TEST_CASE("loading fills leaves as appending does, and makes the same separators") {
  LoadedStore store(4096);
  constexpr int kEntries = 20'000;
  store.load("loaded");
  for (int i = 0; i < kEntries; ++i) store.loader().append(number(i), std::string(100, 'v'));
  store.loader().finish();
  store.commit();
  const CheckCounts loaded = store.check();
  {
    Tree appended = create_tree(store.context(), "appended", {});
    for (int i = 0; i < kEntries; ++i) appended.append(number(i), std::string(100, 'v'));
  }
  store.commit();
  const CheckCounts both = store.check();
  REQUIRE(both.leaves == 2 * loaded.leaves);
  REQUIRE(both.branches == 2 * loaded.branches);
  REQUIRE(both.branch_used_bytes == 2 * loaded.branch_used_bytes);
  // By hand: an entry takes 4 + 6 + 100 bytes and its pointer 4, and a page of 4,096 bytes has 4,072 - 20 for them
  // (node_format.hpp): 35 fit.
  REQUIRE(loaded.leaves == (kEntries + 34) / 35);
  REQUIRE(loaded.entries == kEntries);
}

TEST_CASE("large values are loaded as they come") {
  LoadedStore store(4096);
  Random random(4);
  store.load("values");
  Entries entries;
  for (int i = 0; i < 30; ++i) {
    const std::string value = random_bytes(random, below(random, 3) == 0 ? 900'000 : 3'000);
    entries.emplace_back(number(i), value);
    if (i % 7 == 3) store.commit_between("values");
    LargeValueWriter writer(store.view(), store.registry());
    writer.write(Bytes(value));
    store.loader().append_large(number(i), writer.finish());
    writer.release();
  }
  store.loader().finish();
  store.commit();
  REQUIRE(store.check().large_values == 30);
  REQUIRE(store.entries_of("values") == entries);
}

TEST_CASE("what a tree cannot hold is refused while it is loaded") {
  LoadedStore store(4096);
  store.load("integers", {.integer_keys = true});
  REQUIRE_THROWS_AS(store.loader().append("short", "v"), InvalidArgument);
  store.roll_back();
  store.load("tree");
  const std::string long_key(store.loader().tree().key_bytes_max() + 1, 'k');
  REQUIRE_THROWS_AS(store.loader().append(long_key, "v"), InvalidArgument);
  store.roll_back();
  store.load("pairs", {.multi_value = true});
  REQUIRE_THROWS_AS(store.loader().append("k", long_key), InvalidArgument);
  store.roll_back();
  REQUIRE(list_trees(store.context()).empty());
}

TEST_CASE("a disk that fails while a tree is loaded leaves the store as it was") {
  LoadedStore store(4096);
  Random random(9);
  {
    Tree before = create_tree(store.context(), "before", {});
    for (int i = 0; i < 300; ++i) before.put(number(i), random_bytes(random, 80));
  }
  store.commit();
  store.engine().checkpoint();
  const Entries before = store.entries_of("before");
  const auto in_use = [&store] {
    const Statistics now = store.engine().statistics();
    return now.page_file_bytes / now.page_size - now.free_slots;
  };
  const std::uint64_t slots = in_use();
  // Fails the nth write of the file of pages; returns how many there were.
  const auto load_failing = [&store, &random](int nth) {
    std::atomic<int> writes = 0;
    store.machine().set_fault([&](const std::string& operation, const platform::Path& path,
                                  std::uint64_t, std::uint64_t) {
      if (operation == "write" && path.filename() == "pages" && ++writes == nth) {
        throw IoError("broken", operation, path, 5);
      }
    });
    bool failed = false;
    try {
      store.load("t");
      for (int i = 0; i < 12'000; ++i) store.loader().append(number(i), random_bytes(random, 400));
      store.loader().finish();
    } catch (const IoError&) {
      failed = true;
    }
    store.machine().set_fault({});
    store.roll_back();
    REQUIRE(failed == (nth != 0));
    return writes.load();
  };
  const int writes = load_failing(0);
  REQUIRE(writes > 20);
  // Two threads write, and how many pages are left to each of them at the end makes one write more or less.
  for (int nth = 1; nth < writes; nth += static_cast<int>(coffer::test::sampling_step(4))) {
    CAPTURE(nth);
    static_cast<void>(load_failing(nth));
    REQUIRE(in_use() == slots);
  }
  REQUIRE(store.entries_of("before") == before);
  static_cast<void>(store.check());
}

}  // namespace
}  // namespace coffer::tree::test
