// Transactions under squeezed locks.  See workers.hpp.
#include <coffer/store.hpp>

#include <fmt/format.h>

#include <random>

#include "tools/stress/workers.hpp"

namespace coffer::tools::stress {
namespace {

constexpr std::uint32_t kKeys = 3000;

std::string key_of(std::uint32_t number) {
  return fmt::format("{:08}", number);
}
/// Follows from key and version; some are larger than a page.
std::string value_of(std::uint32_t number, std::uint64_t version) {
  std::mt19937_64 random(number * 1'000'003ull + version);
  std::string value(random() % 40 == 0 ? 9000 : 20 + random() % 300, '\0');
  for (char& c : value) c = static_cast<char>('a' + random() % 26);
  return value;
}

std::string whole(ValueReader reader) {
  std::string value(reader.size(), '\0');
  value.resize(reader.read(std::as_writable_bytes(std::span(value))));
  return value;
}

}  // namespace

struct Transactor::State {
  using Model = std::map<std::uint32_t, std::uint64_t>;  // key: version

  RunState& run;
  std::filesystem::path path;
  Key key;
  Options options;
  std::mt19937_64 random;
  std::optional<Store> store;
  Model model;
  std::uint64_t version = 0;

  void write_some(Latency& latency);
  void read_some();
  void compare_all();
};

namespace {

MemoryLocking memory_locking_of(platform::LockPolicy policy) {
  return policy == platform::LockPolicy::proceed_unlocked ? MemoryLocking::proceed_unlocked
                                                          : MemoryLocking::abort;
}

}  // namespace

Transactor::Transactor(RunState& run, unsigned index)
    : state_(
          new State{.run = run,
                    .path = run.options.directory / fmt::format("store-{}", index),
                    .key = Key::generate({.memory_locking = memory_locking_of(run.options.policy)}),
                    .options = {},
                    .random = std::mt19937_64(run.options.seed * 7919 + index),
                    .store = std::nullopt,
                    .model = {}}) {
  Options& options = state_->options;
  options.locked_bytes_max = run.shares.store;
  options.durability = Durability::relaxed;
  // All that locks memory happens in calls of this thread's, so that accounts can be compared between them.
  options.background_checkpoints = false;
  options.checkpoint_journal_bytes = 1 << 20;
  options.memory_locking = memory_locking_of(run.options.policy);
  state_->store.emplace(Store::create(state_->path, state_->key, {}, options));
  WriteTransaction first = state_->store->write();
  static_cast<void>(first.create_tree("t"));
  first.commit();
}

Transactor::~Transactor() = default;

void Transactor::State::write_some(Latency& latency) {
  Model next = model;
  const Moment before = run.moment();
  try {
    WriteTransaction writing = store->write();
    {
      Tree tree = writing.tree("t");
      for (auto changes = 1 + random() % 20; changes > 0; --changes) {
        const auto number = static_cast<std::uint32_t>(random() % kKeys);
        if (random() % 5 == 0) {
          static_cast<void>(tree.erase(key_of(number)));
          next.erase(number);
        } else {
          next[number] = ++version;
          tree.put(key_of(number), value_of(number, version));
        }
      }
    }
    const auto begin = std::chrono::steady_clock::now();
    writing.commit();
    latency.add(std::chrono::steady_clock::now() - begin);
    model = std::move(next);
    ++run.commits;
  } catch (const MemoryLockError& failure) {
    run.look_at_failure(failure, 0, before);
  }
}

void Transactor::State::read_some() {
  const Moment before = run.moment();
  try {
    ReadTransaction reading = store->read();
    Tree tree = reading.tree("t");
    for (int i = 0; i < 10; ++i) {
      const auto number = static_cast<std::uint32_t>(random() % kKeys);
      auto found = tree.read(key_of(number));
      const auto expected = model.find(number);
      const bool same = found ? expected != model.end() &&
                                    whole(std::move(*found)) == value_of(number, expected->second)
                              : expected == model.end();
      if (!same) run.violated("S1: a store gave another value than was committed");
    }
  } catch (const MemoryLockError& failure) {
    run.look_at_failure(failure, 0, before);
  }
}

void Transactor::run(std::map<std::string, Latency>& latencies) {
  Latency& latency = latencies["commit"];
  while (!state_->run.stop.load(std::memory_order_relaxed)) {
    const std::shared_lock guard(state_->run.gate);
    state_->write_some(latency);
    state_->read_some();
  }
}

void Transactor::State::compare_all() {
  ReadTransaction reading = store->read();
  Tree tree = reading.tree("t");
  Cursor cursor = tree.cursor();
  auto expected = model.begin();
  bool same = true;
  for (bool more = cursor.first(); more; more = cursor.next(), ++expected) {
    same = same && expected != model.end() && cursor.key().text() == key_of(expected->first) &&
           whole(cursor.read()) == value_of(expected->first, expected->second);
    if (!same) break;
  }
  if (!same || expected != model.end())
    run.violated("S1: a store has not what was committed to it");
}

void Transactor::finish() {
  Latency unused;
  const std::uint64_t commits = state_->run.commits.load();
  state_->write_some(unused);
  if (state_->run.commits.load() == commits)
    state_->run.violated("S5: a store does not commit again");
  state_->compare_all();
  static_cast<void>(state_->store->check());
  state_->store->close();
  state_->store.emplace(Store::open(state_->path, state_->key, state_->options));
  state_->compare_all();
  state_->store->close();
}

}  // namespace coffer::tools::stress
