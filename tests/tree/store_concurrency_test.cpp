// A store on a real disk, its own checkpointer at work: one writer follows a std::map with random operations,
// readers on other threads compare what they see with the map as it was at their commit.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <gsl/gsl>

#include <coffer/coffer.hpp>

#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer {
namespace {

using Model = std::map<std::string, std::string>;

/// FNV-1a over keys and values with their lengths, in words of 8 bytes.
class Digest {
 public:
  void add(std::string_view text) {
    mix(text.size());
    for (std::size_t at = 0; at < text.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, std::min<std::size_t>(8, text.size() - at));
      mix(word);
    }
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void mix(std::uint64_t v) {
    hash_ = (hash_ ^ v) * 1099511628211ull;
    hash_ ^= hash_ >> 29;  // multiplying alone never moves a high bit down
  }
  std::uint64_t hash_ = 14695981039346656037ull;
};

std::uint64_t digest_of(const Model& model) {
  Digest digest;
  for (const auto& [key, value] : model) {
    digest.add(key);
    digest.add(value);
  }
  return digest.value();
}

std::uint64_t digest_of(Tree tree, bool forward) {
  std::vector<std::pair<std::string, std::string>> entries;
  Cursor cursor = tree.cursor();
  for (bool more = forward ? cursor.first() : cursor.last(); more;
       more = forward ? cursor.next() : cursor.previous()) {
    std::string value(cursor.value_size(), '\0');
    if (cursor.value_is_large()) {
      cursor.read().read(std::as_writable_bytes(std::span(value)));
    } else {
      value = cursor.value().text();
    }
    entries.emplace_back(cursor.key().text(), std::move(value));
  }
  if (!forward) std::reverse(entries.begin(), entries.end());
  Digest digest;
  for (const auto& [key, value] : entries) {
    digest.add(key);
    digest.add(value);
  }
  return digest.value();
}

/// What each commit's state digests to; readers look theirs up.
class History {
 public:
  void note(std::uint64_t commit, std::uint64_t digest) {
    const std::scoped_lock lock(mutex_);
    digests_[commit] = digest;
  }
  [[nodiscard]] std::optional<std::uint64_t> at(std::uint64_t commit) const {
    const std::scoped_lock lock(mutex_);
    const auto found = digests_.find(commit);
    return found == digests_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> digests_;
};

void apply_random(Tree& tree, Model& model, std::mt19937_64& rng) {
  const std::string key = "k" + std::to_string(rng() % 400);
  switch (rng() % 8) {
    case 0:
      CHECK(tree.erase(key) == (model.erase(key) != 0));
      break;
    case 1: {
      const bool fresh = !model.contains(key);
      CHECK(tree.insert(key, "new") == fresh);
      if (fresh) model[key] = "new";
      break;
    }
    case 2: {
      const auto found = model.find(key);
      if (found == model.end() || found->second.size() > 500) break;
      CHECK(tree.compare_and_swap(key, Bytes(found->second), "swapped"));
      found->second = "swapped";
      break;
    }
    default: {
      std::string value(rng() % 300 == 0 ? 20'000 + rng() % 100'000 : rng() % 300, '\0');
      for (std::size_t at = 0; at < value.size(); at += 8) {
        const std::uint64_t word = rng();
        std::memcpy(value.data() + at, &word, std::min<std::size_t>(8, value.size() - at));
      }
      tree.put(key, value);
      model[key] = std::move(value);
    }
  }
}

TEST_CASE("Readers see whole commits while the writer, checkpoints and reopening go on",
          "[threads]") {
  const bool full = test::full_run();
  const std::uint64_t operations = full ? 1'000'000 : 12'000;
  const test::TempDirectory directory;
  const Key key = Key::generate();
  Options options;
  options.locked_bytes_max = 4 * 1024 * 1024;
  options.checkpoint_journal_bytes = 512 * 1024;
  options.write_buffer_bytes_max = 1024 * 1024;
  options.checkpoint_interval = std::chrono::milliseconds(20);
  options.durability = Durability::relaxed;  // the disk's syncs are not what is tested here
  const std::uint64_t seed = 4;
  std::mt19937_64 rng(seed);
  Model model;
  History history;
  history.note(0, digest_of(model));
  std::uint64_t done = 0;
  std::atomic<std::uint64_t> reads{0};
  auto store = std::optional<Store>(Store::create(directory.path() / "s", key, {}, options));
  while (done < operations) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> readers;
    const auto join = gsl::finally([&] {
      stop = true;
      for (auto& reader : readers) {
        if (reader.joinable()) reader.join();
      }
    });
    for (unsigned r = 0; r < 3; ++r) {
      readers.emplace_back([&, r] {
        for (std::uint64_t round = r; !stop.load(); ++round) {
          ReadTransaction txn = store->read({.latest = round % 2 == 0});
          const auto expected = history.at(txn.commit_number());
          if (!expected) continue;  // committed, but the writer has not noted it yet
          auto tree = txn.find_tree("t");
          const std::uint64_t seen =
              tree ? digest_of(*std::move(tree), round % 3 != 0) : digest_of(Model{});
          if (seen != *expected) ++wrong;
          ++reads;
        }
      });
    }
    const std::uint64_t until = std::min(operations, done + operations / 3);
    while (done < until) {
      WriteTransaction txn = store->write();
      Tree tree = txn.create_tree("t");
      const Model before = model;
      const std::uint64_t batch = 1 + rng() % 60;
      for (std::uint64_t i = 0; i < batch; ++i, ++done) apply_random(tree, model, rng);
      if (rng() % 10 == 0) {
        txn.rollback();
        model = before;
      } else {
        const std::uint64_t digest = digest_of(model);
        history.note(txn.commit(), digest);
      }
    }
    stop = true;
    for (auto& reader : readers) reader.join();
    INFO("seed " << seed << ", " << done << " operations");
    REQUIRE(wrong.load() == 0);
    const CheckReport report = store->check();
    CHECK(report.entries == model.size());
    store.reset();
    // Strict at first; then frames stay that a later snapshot must not mistake for its own.
    options.residency =
        options.residency == Residency::strict ? Residency::pages : Residency::branches;
    options.resident_bytes_max = 512 * 1024;
    store.emplace(Store::open(directory.path() / "s", key, options));
    auto txn = store->read();
    REQUIRE(digest_of(txn.tree("t"), true) == digest_of(model));
  }
  CHECK(reads.load() > 0);
  WARN(done << " operations, " << reads.load() << " snapshots compared");
}

TEST_CASE("A scan has a few pages decrypted at a time, and handles keep theirs") {
  const auto residency = GENERATE(Residency::strict, Residency::pages);
  const test::TempDirectory directory;
  const Key key = Key::generate();
  Options options;
  options.residency = residency;
  options.resident_bytes_max = residency == Residency::strict ? 0 : 128 * 4096;
  Store store = Store::create(directory.path() / "s", key, {}, options);
  const auto name = [](int i) { return std::to_string(100'000 + i); };
  const auto write = [&] {
    WriteTransaction txn = store.write();
    Tree tree = txn.create_tree("t");
    for (int i = 0; i < 10'000; ++i) tree.put(name(i), std::string(100, 'v') + name(i));
    txn.commit();
  };
  write();
  const bool writing = GENERATE(false, true);
  CAPTURE(writing, residency == Residency::strict);
  std::optional<WriteTransaction> writer;
  std::optional<ReadTransaction> reader;
  if (writing) {
    writer.emplace(store.write());
    writer->tree("t").put(name(0), "changed");  // stays, for the commit
  } else {
    reader.emplace(store.read());
  }
  Tree tree = writing ? writer->tree("t") : reader->tree("t");
  const Value kept = *tree.get(name(1));
  std::uint64_t most = 0;
  Cursor cursor = tree.cursor();
  cursor.first();
  int seen = 1;
  for (; cursor.next(); ++seen) {
    if (seen % 500 == 0) most = std::max(most, store.statistics().plaintext_pages);
    REQUIRE(cursor.value().text().ends_with(name(seen)));
  }
  REQUIRE(seen == 10'000);
  REQUIRE(kept.bytes().text().ends_with(name(1)));
  if (residency == Residency::strict) {
    // A path, the handle's, and what a reader has opened ahead.
    REQUIRE(most < (writing ? 12 : 12 + 32));
  } else {
    REQUIRE(most > 100);
  }
  if (writing) {
    writer->commit();
    REQUIRE(store.read().tree("t").get(name(0))->bytes().text() == "changed");
  }
}

TEST_CASE("Scans in any direction see one state while commits go on", "[threads]") {
  const test::TempDirectory directory;
  const Key key = Key::generate();
  Options options;
  options.residency = GENERATE(Residency::strict, Residency::branches, Residency::pages);
  options.resident_bytes_max = options.residency == Residency::pages ? 64 * 4096 : 0;
  options.checkpoint_journal_bytes = 1 << 20;
  Store store = Store::create(directory.path() / "s", key, {}, options);
  // Commits move amounts between accounts of 100 bytes; the sum is what it was in each state.
  constexpr int kAccounts = 6'000;
  constexpr std::int64_t kEach = 1'000;
  const auto name = [](std::uint64_t i) { return std::to_string(100'000 + i); };
  const auto text = [](std::int64_t amount) {
    std::string value = std::to_string(amount);
    value.resize(100, ' ');
    return value;
  };
  {
    WriteTransaction txn = store.write();
    Tree tree = txn.create_tree("t");
    for (int i = 0; i < kAccounts; ++i) tree.put(name(static_cast<std::uint64_t>(i)), text(kEach));
    txn.commit();
  }
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> scans{0};
  const auto scan = [&](std::uint64_t seed) {
    std::mt19937_64 rng(seed);
    while (!stop.load()) {
      ReadTransaction txn = store.read();
      Cursor cursor = txn.tree("t").cursor();
      std::int64_t sum = 0;
      std::string before;
      cursor.first();
      for (int i = 0; i < kAccounts; ++i) {
        if (cursor.key().text() != name(static_cast<std::uint64_t>(i))) ++wrong;
        sum += std::stoll(std::string(cursor.value().text()));
        // Now and then some way back and on again.
        if (rng() % 1'000 == 0) {
          const std::uint64_t back =
              std::min<std::uint64_t>(rng() % 1'500, static_cast<std::uint64_t>(i));
          for (std::uint64_t step = 0; step < back; ++step) cursor.previous();
          if (cursor.key().text() != name(static_cast<std::uint64_t>(i) - back)) ++wrong;
          for (std::uint64_t step = 0; step < back; ++step) cursor.next();
        }
        if (cursor.next() != (i + 1 < kAccounts)) ++wrong;
      }
      if (sum != kAccounts * kEach) ++wrong;
      ++scans;
    }
  };
  std::vector<std::thread> readers;
  for (std::uint64_t t = 0; t < 3; ++t) readers.emplace_back(scan, t + 1);
  std::mt19937_64 rng(4);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < until || scans.load() < 6) {
    WriteTransaction txn = store.write();
    Tree tree = txn.tree("t");
    for (int i = 0; i < 20; ++i) {
      const std::string from = name(rng() % kAccounts);
      const std::string to = name(rng() % kAccounts);
      const auto amount = static_cast<std::int64_t>(rng() % 50);
      const auto add = [&](const std::string& account, std::int64_t more) {
        const std::int64_t has = std::stoll(std::string(tree.get(account)->bytes().text()));
        tree.put(account, text(has + more));
      };
      add(from, -amount);
      add(to, amount);
    }
    txn.commit(Durability::relaxed);
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  REQUIRE(wrong.load() == 0);
  if (options.residency == Residency::strict) CHECK(store.statistics().plaintext_pages == 0);
  WARN(scans.load() << " scans");
}

TEST_CASE("Commits of several threads share syncs and are all there", "[threads]") {
  const test::TempDirectory directory;
  const Key key = Key::generate();
  std::uint64_t syncs = 0;
  {
    Store store = Store::create(directory.path() / "s", key);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&store, t] {
        for (int i = 0; i < 25; ++i) {
          WriteTransaction txn = store.write();
          Tree tree = txn.create_tree("t");
          tree.put(std::to_string(t) + "/" + std::to_string(i), "v");
          txn.commit();
        }
      });
    }
    for (auto& thread : threads) thread.join();
    syncs = store.statistics().syncs;
    CHECK(store.statistics().durable_commit == 100);
  }
  Store store = Store::open(directory.path() / "s", key);
  CHECK(store.read().tree("t").count() == 100);
  WARN("100 durable commits of 4 threads took " << syncs << " syncs");
}

}  // namespace
}  // namespace coffer
