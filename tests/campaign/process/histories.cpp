// Histories: two writers, three readers and one who syncs and makes checkpoints work on one store at a time, each in a
// thread of its own, and record what they did and saw.  Each history is checked when its threads have ended; every so
// often it is spoiled by hand, in each way there is, and the checker must notice.
//
// Runs under the thread sanitizer as it is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <coffer/coffer.hpp>
#include <latch>
#include <random>
#include <set>
#include <thread>

#include "tests/campaign/process/history.hpp"
#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::campaign::process {
namespace {

constexpr std::uint64_t kHistoriesEach = 100;
constexpr unsigned kWriters = 2;
constexpr unsigned kReaders = 3;
constexpr unsigned kTransactionsEach = 5;
/// Of values of up to 600 bytes: some leaves, so that a snapshot spans pages.
constexpr std::uint64_t kKeys = 40;
constexpr std::uint64_t kSpoilEvery = 20;

Moment now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// A value's bytes: its number, and a tail whose length follows from it.
std::vector<std::byte> bytes_of(std::uint64_t value) {
  std::vector<std::byte> bytes(8 + hard::mix(value) % 600);
  hard::fill_bytes(hard::mix(value), 0, bytes);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
std::uint64_t value_in(Bytes bytes) {
  std::uint64_t value = 0;
  if (bytes.size() < sizeof value) throw std::logic_error("a value is cut");
  std::memcpy(&value, bytes.data(), sizeof value);
  const auto expected = bytes_of(value);
  if (!std::ranges::equal(expected, std::span(bytes.data(), bytes.size()))) {
    throw std::logic_error("a value has other bytes");
  }
  return value;
}

Seen look_up(Tree& tree, HistoryKey key) {
  const auto found = tree.get(integer_key(key));
  return {key, found ? value_in(found->bytes()) : 0};
}
void look_at_all(Tree& tree, std::vector<Seen>& seen) {
  std::set<HistoryKey> absent;
  for (HistoryKey key = 0; key < kKeys; ++key) absent.insert(key);
  Cursor cursor = tree.cursor();
  for (bool more = cursor.first(); more; more = cursor.next()) {
    const HistoryKey key = key_integer(cursor.key());
    seen.push_back({key, value_in(cursor.value())});
    absent.erase(key);
  }
  for (const HistoryKey key : absent) seen.push_back({key, 0});
}

/// The threads of one history on an open store.
class Recorder {
 public:
  Recorder(Store& store, std::uint64_t seed, std::atomic<std::uint64_t>& next_value)
      : store_(store), seed_(seed), next_value_(next_value) {}

  History record(std::uint64_t base, const Contents& contents) {
    History history;
    history.base = base;
    history.contents = contents;
    std::array<std::vector<WriterRecord>, kWriters> written;
    std::array<std::vector<ReaderRecord>, kReaders> read;
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < kWriters; ++i) {
        threads.emplace_back([&, i] { guarded([&] { write(i, written.at(i)); }); });
      }
      for (unsigned i = 0; i < kReaders; ++i) {
        threads.emplace_back([&, i] { guarded([&] { this->read(i, read.at(i)); }); });
      }
      threads.emplace_back([&] { guarded([&] { sync(history.syncs); }); });
    }
    if (!failure_.empty()) throw std::runtime_error(failure_);
    for (auto& some : written) std::ranges::move(some, std::back_inserter(history.writers));
    for (auto& some : read) std::ranges::move(some, std::back_inserter(history.readers));
    return history;
  }

 private:
  static constexpr unsigned kThreads = kWriters + kReaders + 1;

  void guarded(const std::function<void()>& body) {
    start_.arrive_and_wait();
    try {
      body();
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      failure_ = error.what();
    }
  }

  std::mt19937_64 random_of(unsigned thread) const {
    return std::mt19937_64(hard::seed_of(seed_, thread));
  }

  void write(unsigned thread, std::vector<WriterRecord>& records) {
    auto random = random_of(thread);
    for (unsigned i = 0; i < kTransactionsEach; ++i) {
      WriterRecord record;
      record.asked = now();
      WriteTransaction transaction = store_.write();
      record.begun = now();
      {
        Tree tree = transaction.tree("history");
        for (int look = 0; look < 3; ++look) {
          record.seen_before.push_back(look_up(tree, random() % kKeys));
        }
        change_some(tree, random, record.changes);
      }
      if (random() % 3 == 0) change_and_undo(transaction, random);
      {
        Tree tree = transaction.tree("history");
        for (const auto& [key, value] : record.changes) {
          record.seen_after.push_back(look_up(tree, key));
        }
        record.seen_after.push_back(look_up(tree, random() % kKeys));
      }
      end(transaction, random, record);
      records.push_back(std::move(record));
    }
  }

  void change_some(Tree& tree, std::mt19937_64& random, Contents& changes) {
    for (std::uint64_t count = 1 + random() % 5; count > 0; --count) {
      const HistoryKey key = random() % kKeys;
      if (random() % 5 == 0) {
        tree.erase(integer_key(key));
        changes[key] = 0;
      } else {
        const std::uint64_t value = next_value_++;
        tree.put(integer_key(key), bytes_of(value));
        changes[key] = value;
      }
    }
  }

  void change_and_undo(WriteTransaction& transaction, std::mt19937_64& random) {
    const Savepoint savepoint = transaction.savepoint();
    {
      Tree tree = transaction.tree("history");
      Contents undone;
      change_some(tree, random, undone);
    }
    transaction.rollback_to(savepoint);
  }

  static void end(WriteTransaction& transaction, std::mt19937_64& random, WriterRecord& record) {
    record.ending = now();
    switch (random() % 8) {
      case 0:
        transaction.rollback();
        record.committed = now();
        break;
      case 1: {
        CommitTicket ticket = transaction.commit_async();
        record.committed = now();
        record.number = ticket.commit_number();
        ticket.wait();
        record.durable = now();
        break;
      }
      case 2:
      case 3:
        record.number = transaction.commit(Durability::relaxed);
        record.committed = now();
        break;
      default:
        record.number = transaction.commit(Durability::full);
        record.committed = record.durable = now();
    }
  }

  void read(unsigned thread, std::vector<ReaderRecord>& records) {
    auto random = random_of(kWriters + thread);
    for (unsigned i = 0; i < kTransactionsEach; ++i) {
      ReaderRecord record;
      record.latest = random() % 2 == 0;
      record.asked = now();
      ReadTransaction transaction = store_.read({.latest = record.latest});
      record.begun = now();
      record.number = transaction.commit_number();
      Tree tree = transaction.tree("history");
      const HistoryKey again = random() % kKeys;
      record.seen.push_back(look_up(tree, again));
      if (random() % 2 == 0) look_at_all(tree, record.seen);
      for (std::uint64_t look = random() % 4; look > 0; --look) {
        std::this_thread::yield();
        record.seen.push_back(look_up(tree, random() % kKeys));
      }
      record.seen.push_back(look_up(tree, again));
      record.ended = now();
      records.push_back(std::move(record));
    }
  }

  void sync(std::vector<SyncRecord>& records) {
    auto random = random_of(kThreads);
    for (int i = 0; i < 3; ++i) {
      SyncRecord record;
      record.called = now();
      if (random() % 4 == 0) {
        store_.checkpoint();  // which hardens what it contains
      } else {
        store_.sync();
      }
      record.returned = now();
      records.push_back(record);
    }
  }

  Store& store_;
  std::uint64_t seed_;
  std::atomic<std::uint64_t>& next_value_;
  std::latch start_{kThreads};
  std::mutex mutex_;
  std::string failure_;
};

struct SpoiledCounts {
  std::array<std::atomic<std::uint64_t>, 16> noticed{};
};

void spoil(const Series& series, const History& history, SpoiledCounts& counts) {
  for (std::size_t i = 0; i < spoilers().size(); ++i) {
    History spoiled = history;
    if (!spoilers()[i].apply(spoiled)) continue;
    if (violation_in(spoiled)) {
      ++counts.noticed.at(i);
    } else {
      series.violated(std::string("the checker does not notice that ") + spoilers()[i].name);
    }
  }
}

/// The last state, as the order of the writers gives it.
void go_on_from(const History& history, std::uint64_t& base, Contents& contents) {
  std::vector<const WriterRecord*> order;
  for (const WriterRecord& writer : history.writers) order.push_back(&writer);
  std::ranges::sort(order, {}, &WriterRecord::begun);
  for (const WriterRecord* writer : order) {
    if (writer->number == 0) continue;
    base = std::max(base, writer->number);
    for (const auto& [key, value] : writer->changes) {
      if (value == 0) {
        contents.erase(key);
      } else {
        contents[key] = value;
      }
    }
  }
}

void expect_contents(Store& store, const Contents& contents) {
  auto transaction = store.read();
  Tree tree = transaction.tree("history");
  std::vector<Seen> seen;
  look_at_all(tree, seen);
  for (const Seen& one : seen) {
    const auto there = contents.find(one.key);
    if (one.value != (there == contents.end() ? 0 : there->second)) {
      throw std::runtime_error("the store, opened again, has another state than its last history");
    }
  }
}

void history_series(const Series& series, SpoiledCounts& counts) {
  const test::TempDirectory directory(fast_place());
  const std::filesystem::path path = directory.path() / "store";
  Options options;
  options.checkpoint_interval = std::chrono::milliseconds(5);
  options.locked_bytes_max = 4u << 20;
  std::uint64_t base = 0;
  Contents contents;
  {
    Store store = Store::create(path, hard::test_key(), {}, options);
    {
      WriteTransaction transaction = store.write();
      transaction.create_tree("history");
      base = transaction.commit();
    }
    std::atomic<std::uint64_t> next_value{1};
    for (std::uint64_t i = 0; i < series.cases() && !series.run().stop(); ++i) {
      store.sync();
      const std::uint64_t seed = hard::seed_of(series.seed(), i);
      const History history = Recorder(store, seed, next_value).record(base, contents);
      if (const auto wrong = violation_in(history)) {
        series.violated(fmt::format("history {}: {}", i, *wrong));
      }
      const bool spoiled = i % kSpoilEvery == 0;
      if (spoiled) spoil(series, history, counts);
      go_on_from(history, base, contents);
      series.run().ran(1, spoiled ? spoilers().size() : 0);
    }
    static_cast<void>(store.check());
    store.close();
  }
  Store store = Store::open(path, hard::test_key(), options);
  expect_contents(store, contents);
}

}  // namespace

void record_histories(GateRun& run) {
  SpoiledCounts counts;
  run_in_series(run, kHistories, kHistoriesEach,
                [&](const Series& series) { history_series(series, counts); });
  std::uint64_t noticed = 0;
  std::uint64_t ways = 0;
  for (const auto& count : counts.noticed) {
    noticed += count;
    ways += count > 0 ? 1 : 0;
  }
  run.note(fmt::format("{} spoiled histories noticed, in {} of {} ways", noticed, ways,
                       spoilers().size()));
}

}  // namespace coffer::campaign::process
