// Snapshots that are made while four threads write and checkpoints run: each shows one commit, to the byte.
#include <catch2/catch.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

/// What a commit did: puts and erasures, each of a text that follows from three numbers.
struct Change {
  int tree = 0;
  std::string key;
  std::uint64_t seed = 0;  ///< of the value
  std::size_t size = 0;    ///< of the value
  bool erase = false;
};

std::string text_of(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Everything that was ever committed, by commit: what a store must show follows from it, without the store.
class History {
 public:
  void note(std::uint64_t commit, std::vector<Change> changes) {
    const std::lock_guard guard(mutex_);
    commits_[commit] = std::move(changes);
  }
  /// The trees "0" to "2" as they are at `commit`; a commit is noted right after it is made, so wait for it.
  StoreModel at(std::uint64_t commit) {
    for (;;) {
      {
        const std::lock_guard guard(mutex_);
        // The first commit made the trees.
        if (commits_.size() >= commit - 1 &&
            (commit == 1 ||
             std::next(commits_.begin(), static_cast<std::ptrdiff_t>(commit - 2))->first ==
                 commit)) {
          return replay(commit);
        }
      }
      std::this_thread::yield();
    }
  }

 private:
  StoreModel replay(std::uint64_t commit) {
    for (; replayed_ < commit; ++replayed_) {
      if (replayed_ + 1 == 1) continue;
      for (const Change& change : commits_.at(replayed_ + 1)) {
        auto& tree = trees_[std::to_string(change.tree)];
        if (change.erase) {
          tree.erase(change.key);
        } else {
          tree[change.key] = {change.seed, change.size};
        }
      }
    }
    StoreModel model;
    for (int t = 0; t < 3; ++t) {
      auto& entries = model[std::to_string(t)].entries;
      for (const auto& [key, value] : trees_[std::to_string(t)])
        entries.emplace_back(key, text_of(value.first, value.second));
    }
    return model;
  }

  std::mutex mutex_;
  std::map<std::uint64_t, std::vector<Change>> commits_;
  std::uint64_t replayed_ = 0;
  std::map<std::string, std::map<std::string, std::pair<std::uint64_t, std::size_t>>> trees_;
};

void write_until(const std::atomic<bool>& stop, Store& store, History& history,
                 std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (!stop) {
    std::vector<Change> changes;
    WriteTransaction writing = store.write();
    for (std::uint64_t i = 1 + random() % 4; i > 0; --i) {
      Change change{.tree = static_cast<int>(random() % 3),
                    .key = std::to_string(random() % 300),
                    .seed = random(),
                    .size = random() % 20 == 0 ? random() % 150'000 : random() % 700,
                    .erase = random() % 4 == 0};
      Tree tree = writing.tree(std::to_string(change.tree));
      if (change.erase) {
        if (!tree.erase(change.key)) continue;  // nothing, of which perhaps no commit is made
      } else if (change.size > 1000) {
        ValueWriter large = tree.write(change.key);
        large.write(text_of(change.seed, change.size));
        large.finish();
      } else {
        tree.put(change.key, text_of(change.seed, change.size));
      }
      changes.push_back(std::move(change));
    }
    if (changes.empty()) continue;
    history.note(writing.commit(Durability::relaxed), std::move(changes));
  }
}

}  // namespace

TEST_CASE("chains of snapshots show one commit each, while four threads write and checkpoints run",
          "[threads]") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Options options;
  options.checkpoint_journal_bytes = 256 << 10;
  Store store = Store::create(directory.path() / "store", key, {}, options);
  {
    WriteTransaction writing = store.write();
    for (const char* name : {"0", "1", "2"}) static_cast<void>(writing.create_tree(name));
    REQUIRE(writing.commit() == 1);
  }
  History history;
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (std::uint64_t t = 0; t < 4; ++t)
    writers.emplace_back([&, t] { write_until(stop, store, history, t + 1); });
  std::mt19937_64 random(7);
  const int chains = full_campaign() ? 1000 : 6;
  std::uint64_t slots_of_increments = 0;
  std::uint64_t slots_of_snapshots = 0;
  std::uint64_t restored_points = 0;
  for (int c = 0; c < chains; ++c) {
    CAPTURE(c);
    std::vector<std::filesystem::path> chain;
    const std::uint64_t links = 1 + random() % 5;
    for (std::uint64_t i = 0; i < links; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 12));
      chain.push_back(directory.path() / ("link " + std::to_string(i)));
      BackupReport report;
      if (i == 0) {
        const bool verify = random() % 2 == 0;
        report = backup_snapshot(store, chain.back(), BackupOptions{.verify = verify});
        slots_of_snapshots += report.slots;
      } else {
        report = backup_increment(store, chain.back(), chain[i - 1]);
        slots_of_increments += report.slots;
      }
      // The whole chain in the end, and points before it now and then.
      if (i + 1 < links && random() % 3 != 0) continue;
      const auto path = directory.path() / "restored";
      static_cast<void>(restore_backup(chain, &key, path));
      {
        Store again = Store::open(path, key);
        static_cast<void>(again.check());
        REQUIRE(contents_of(again) == history.at(report.commit));
      }
      std::filesystem::remove_all(path);
      ++restored_points;
    }
    for (const auto& file : chain) std::filesystem::remove(file);
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  CHECK(store.statistics().pinned_slots == 0);
  WARN(chains << " chains, " << restored_points << " points restored, " << slots_of_snapshots
              << " slots in snapshots, " << slots_of_increments << " in increments, "
              << store.statistics().last_commit << " commits meanwhile");
  static_cast<void>(store.check());
}

TEST_CASE("what a snapshot pins is shown, and given back when it ends", "[threads]") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Store store = Store::create(directory.path() / "store", key);
  const auto write_all = [&](char c) {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < 3000; ++i) tree.put(std::to_string(i), std::string(700, c));
    writing.commit();
  };
  write_all('a');
  store.checkpoint();
  std::atomic<bool> pinned{false};
  std::atomic<bool> go_on{false};
  BackupOptions options;
  // Held up in the middle, while another thread writes everything anew.
  options.bytes_per_second_max = 1 << 20;
  options.watch = [&](const BackupProgress&) {
    pinned = true;
    while (!go_on) std::this_thread::yield();
    return true;
  };
  std::thread backing_up(
      [&] { static_cast<void>(backup_snapshot(store, directory.path() / "full", options)); });
  while (!pinned) std::this_thread::yield();
  CHECK(store.statistics().pinned_slots == 0);
  write_all('b');
  store.checkpoint();
  const Statistics during = store.statistics();
  CHECK(during.pinned_slots > 500);
  write_all('c');
  store.checkpoint();
  CHECK(store.statistics().pinned_slots == during.pinned_slots);
  go_on = true;
  backing_up.join();
  CHECK(store.statistics().pinned_slots == 0);
  CHECK(store.statistics().free_slots >= during.free_slots + during.pinned_slots);
  static_cast<void>(restore_backup({directory.path() / "full"}, &key, directory.path() / "again"));
  Store again = Store::open(directory.path() / "again", key);
  const StoreModel model = contents_of(again);
  REQUIRE(model.at("t").entries.size() == 3000);
  for (const auto& [k, v] : model.at("t").entries) REQUIRE(v == std::string(700, 'a'));
}

}  // namespace coffer::test
