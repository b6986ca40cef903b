// Workers that commit: until they are killed, until the disk is full, or a great deal at once.
#include <chrono>
#include <thread>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/limits.hpp"

namespace coffer::hard {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}
std::string number(double value) {
  return std::to_string(static_cast<std::uint64_t>(value));
}

Options small_steps() {
  Options options;
  // Checkpoints come often, so that a kill meets them too.
  options.checkpoint_journal_bytes = 512 * 1024;
  options.checkpoint_interval = std::chrono::milliseconds(5);
  return options;
}

void say_limits(Store& store, const char* what) {
  const Statistics statistics = store.statistics();
  say(std::string(what) + ": limit " + std::to_string(test::lock_limit().rlim_cur) +
      " bytes, locked now " + std::to_string(test::kernel_locked_bytes()) + ", by the account " +
      std::to_string(statistics.locked_bytes) + ", peak resident " +
      std::to_string(peak_kibibytes()) + " KiB, page file " +
      std::to_string(statistics.page_file_bytes) + " bytes");
}

std::array<std::byte, 16> bulk_key(std::uint64_t i) {
  std::array<std::byte, 16> key{};
  fill_bytes(seed_of(20, i), 0, key);
  return key;
}

}  // namespace

// load STORE COMMITS: writes commit after commit from where the store is; says `ack N ANCHOR` after
// each, and `nospace N` when N could not be committed, after which the store must show N - 1.
void load(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key(), small_steps());
  std::uint64_t n = 0;
  {
    auto transaction = store.read();
    n = last_in(transaction);
  }
  const std::uint64_t until = n + std::stoull(arguments.at(1));
  say("begin " + std::to_string(n));
  while (n < until) {
    try {
      write_commit(store, n + 1);
    } catch (const NoSpace& error) {
      auto transaction = store.read({.latest = true});
      expect_state(transaction, n);
      say("nospace " + std::to_string(n + 1) + " " + error.what());
      // Holds on, so that the caller decides how this ends.
      std::this_thread::sleep_for(std::chrono::hours(1));
    }
    ++n;
    say("ack " + std::to_string(n) + " " + to_text(store.anchor()));
  }
  store.close();
  say("done");
}

// persist STORE COMMITS ATTEMPTS [one]: like load, but goes on trying after a failure, until so many attempts have
// failed one after the other.  `failed N KIND WHAT` for each, where KIND is `typed` for the library's own errors.
// With `one` everything happens in one thread.
void persist(const Arguments& arguments) {
  const std::uint64_t attempts = std::stoull(arguments.at(2));
  Options options = small_steps();
  if (arguments.size() > 3) {
    options.background_checkpoints = false;
    options.checkpoint_journal_bytes = 128 * 1024;
  }
  std::uint64_t n = 0;
  const auto failed = [&](const char* kind, const char* what) {
    say("failed " + std::to_string(n + 1) + " " + kind + " " + what);
  };
  try {
    Store store = Store::open(arguments.at(0), test_key(), options);
    {
      auto transaction = store.read();
      n = last_in(transaction);
    }
    const std::uint64_t until = n + std::stoull(arguments.at(1));
    say("begin " + std::to_string(n));
    for (std::uint64_t failures = 0; n < until && failures < attempts;) {
      try {
        write_commit(store, n + 1);
      } catch (const Error& error) {
        failed("typed", error.what());
        ++failures;
        continue;
      }
      failures = 0;
      ++n;
      say("ack " + std::to_string(n) + " " + to_text(store.anchor()));
    }
    store.close();
    say("done");
  } catch (const Error& error) {
    failed("typed", error.what());
  } catch (const std::bad_alloc& error) {
    failed("typed", error.what());
  } catch (const std::exception& error) {
    failed("untyped", error.what());
  }
}

// verify STORE ACKNOWLEDGED [ANCHOR]: clean, exactly one commit's contents, and no older than told.
void verify(const Arguments& arguments) {
  Options options;
  if (arguments.size() > 2) options.anchor = to_anchor(arguments[2]);
  Store store = Store::open(arguments.at(0), test_key(), options);
  const CheckReport report = store.check();
  auto transaction = store.read();
  const std::uint64_t shown = last_in(transaction);
  const std::uint64_t acknowledged = std::stoull(arguments.at(1));
  if (shown < acknowledged || shown > acknowledged + 1) {
    wrong("acknowledged " + std::to_string(acknowledged) + ", shown " + std::to_string(shown));
  }
  expect_state(transaction, shown);
  say("shown " + std::to_string(shown) + " entries " + std::to_string(report.entries));
}

// bulk_load STORE KEYS: random 16-byte keys with 100-byte values, 1,000 in a transaction.
void bulk_load(const Arguments& arguments) {
  const std::uint64_t keys = std::stoull(arguments.at(1));
  const auto begin = Clock::now();
  Store store = Store::create(arguments.at(0), test_key());
  std::array<std::byte, 100> value{};
  for (std::uint64_t i = 0; i < keys;) {
    WriteTransaction transaction = store.write();
    Tree tree = transaction.create_tree("bulk");
    for (const std::uint64_t end = std::min(keys, i + 1000); i < end; ++i) {
      fill_bytes(seed_of(21, i), 0, value);
      tree.put(bulk_key(i), value);
    }
    transaction.commit();
  }
  const double seconds = seconds_since(begin);
  say("loaded " + std::to_string(keys) + " keys, " + number(static_cast<double>(keys) / seconds) +
      " a second");
  say_limits(store, "load");
  store.close();
}

// bulk_check STORE KEYS: clean, and every key reads back.
void bulk_check(const Arguments& arguments) {
  const std::uint64_t keys = std::stoull(arguments.at(1));
  Store store = Store::open(arguments.at(0), test_key());
  const CheckReport report = store.check();
  if (report.entries != keys) wrong("check counted " + std::to_string(report.entries) + " entries");
  const auto begin = Clock::now();
  auto transaction = store.read();
  Tree tree = transaction.tree("bulk");
  for (std::uint64_t i = 0; i < keys; ++i) {
    const auto value = tree.get(bulk_key(i));
    if (!value || value->size() != 100 || !matches(seed_of(21, i), 0, value->bytes())) {
      wrong("key " + std::to_string(i) + " is missing or has another value");
    }
  }
  say("check took " + std::to_string(report.elapsed.count()) + " ms for " +
      std::to_string(report.logical_pages) + " pages; read back " +
      number(static_cast<double>(keys) / seconds_since(begin)) + " keys a second");
  say_limits(store, "read");
}

// big_transaction STORE BYTES: that much in one transaction, and read back after a new opening.
void big_transaction(const Arguments& arguments) {
  const std::uint64_t values = std::stoull(arguments.at(1)) / 1000;
  std::array<std::byte, 1000> value{};
  const auto key = [](std::uint64_t i) { return integer_key(mix(i)); };
  {
    const auto begin = Clock::now();
    Store store = Store::create(arguments.at(0), test_key());
    WriteTransaction transaction = store.write();
    Tree tree = transaction.create_tree("big");
    for (std::uint64_t i = 0; i < values; ++i) {
      fill_bytes(seed_of(30, i), 0, value);
      tree.put(key(i), value);
    }
    transaction.commit();
    say("one transaction of " + std::to_string(values * 1000) + " bytes in " +
        number(seconds_since(begin) * 1000) + " ms");
    say_limits(store, "written");
    store.close();
  }
  Store store = Store::open(arguments.at(0), test_key());
  if (store.check().entries != values) wrong("check counts other entries");
  auto transaction = store.read();
  Tree tree = transaction.tree("big");
  for (std::uint64_t i = 0; i < values; ++i) {
    const auto found = tree.get(key(i));
    if (!found || found->size() != value.size() || !matches(seed_of(30, i), 0, found->bytes())) {
      wrong("value " + std::to_string(i) + " is missing or has other bytes");
    }
  }
  say_limits(store, "read back");
}

// big_value STORE BYTES: one value of that size in and out, in less memory than 64 MiB.
void big_value(const Arguments& arguments) {
  const std::uint64_t bytes = std::stoull(arguments.at(1));
  const auto begin = Clock::now();
  {
    Store store = Store::create(arguments.at(0), test_key());
    WriteTransaction transaction = store.write();
    {
      Tree tree = transaction.create_tree("values");
      write_large(tree, "big", 40, bytes);
    }
    transaction.commit();
    say("streamed in " + std::to_string(bytes) + " bytes in " +
        number(seconds_since(begin) * 1000) + " ms");
    say_limits(store, "written");
    store.close();
  }
  const auto reading = Clock::now();
  Store store = Store::open(arguments.at(0), test_key());
  auto transaction = store.read();
  Tree tree = transaction.tree("values");
  expect_large(tree, "big", 40, bytes);
  say("streamed out in " + number(seconds_since(reading) * 1000) + " ms");
  say_limits(store, "read back");
  if (peak_kibibytes() >= 64 * 1024) wrong("more than 64 MiB were resident");
}

// hold STORE: opens it, tries to open it once more, and keeps it open until killed.
void hold(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  try_open(arguments);
  say("held");
  std::this_thread::sleep_for(std::chrono::hours(1));
}

// try_open STORE: says what comes of it, and after how many milliseconds.
void try_open(const Arguments& arguments) {
  const auto begin = Clock::now();
  std::string outcome = "opened";
  try {
    Store store = Store::open(arguments.at(0), test_key());
  } catch (const Busy&) {
    outcome = "busy";
  }
  const double milliseconds = seconds_since(begin) * 1000;
  if (outcome == "busy" && milliseconds >= 1000) wrong("Busy came late");
  say(outcome + " after " + number(milliseconds) + " ms");
}

}  // namespace coffer::hard
