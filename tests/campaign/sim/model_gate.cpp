// The gate `model-operations`: long random use of one store a thread, each operation compared with std::map.
//
// Commits, checkpoints, rollbacks and reopenings go on meanwhile, and whenever one was made both are compared whole.
#include <fmt/format.h>

#include <atomic>

#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/words.hpp"
#include "tests/campaign/sim/world.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::SimulatedPlatform;

constexpr std::uint64_t kKeys = 4000;
constexpr std::uint64_t kOperationsOfTransaction = 4000;
constexpr std::uint64_t kTransactionsOfLife = 64;

Options model_options() {
  Options options = small_options();
  options.locked_bytes_max = 8 * 1024 * 1024;
  options.write_buffer_bytes_max = 4 * 1024 * 1024;
  options.checkpoint_journal_bytes = 4 * 1024 * 1024;
  options.durability = Durability::relaxed;
  options.residency = Residency::pages;
  options.resident_bytes_max = 4 * 1024 * 1024;
  return options;
}

/// Room for a key and a value, so that an operation allocates nothing of its own.
class Words8 {
 public:
  explicit Words8(std::uint64_t key) : key_(integer_key(key)) {}
  [[nodiscard]] Bytes key() const { return std::span<const std::byte>(key_); }
  [[nodiscard]] std::string text() const {
    return {reinterpret_cast<const char*>(key_.data()), key_.size()};
  }

 private:
  std::array<std::byte, 8> key_;
};

/// One tree and the map that it must equal.
class Pair {
 public:
  Pair(Tree& tree, State::Entries& entries, Random& random)
      : tree_(tree), entries_(entries), random_(random), cursor_(tree.cursor()) {}

  void operate() {
    const Words8 words(random_.below(kKeys));
    const std::string key = words.text();
    switch (random_.below(16)) {
      case 0:
      case 1:
        require(tree_.erase(words.key()) == (entries_.erase(key) == 1), "erase");
        break;
      case 2: {
        const std::string value = make_value();
        require(tree_.insert(words.key(), value) == entries_.try_emplace(key, value).second,
                "insert");
        break;
      }
      case 3:
      case 4:
      case 5: {
        std::string value = make_value();
        tree_.put(words.key(), value);
        entries_[key] = std::move(value);
        break;
      }
      case 6:
      case 7:
        seek(words.key(), entries_.lower_bound(key));
        break;
      case 8:
      case 9:
      case 10:
        step();
        break;
      default:
        get(words.key(), key);
        break;
    }
  }

 private:
  static void require(bool holds, const char* what) {
    if (!holds) throw Violated(fmt::format("{} and the model differ", what));
  }

  std::string make_value() {
    std::string value(random_.below(60), '\0');
    const std::uint64_t word = random_();
    for (std::size_t i = 0; i < value.size(); ++i) {
      value[i] = static_cast<char>(word >> (8 * (i % 8)));
    }
    return value;
  }

  void get(Bytes bytes, const std::string& key) {
    const auto found = entries_.find(key);
    const auto value = tree_.get(bytes);
    require(value.has_value() == (found != entries_.end()), "get");
    if (value) require(value->text() == found->second, "a value");
  }

  void seek(Bytes bytes, State::Entries::const_iterator expected) {
    const bool valid = cursor_.seek(bytes);
    require(valid == (expected != entries_.end()), "seek");
    place_ = valid ? expected->first : std::string();
    if (valid) require_here(expected);
  }

  /// Goes on from where the cursor stands, though the tree may have changed meanwhile.
  void step() {
    if (!cursor_.valid()) return seek(Bytes(place_), entries_.lower_bound(place_));
    const std::string here(cursor_.key().text());
    const bool forward = random_.below(4) != 0;
    auto expected = entries_.lower_bound(here);
    if (forward) {
      if (expected != entries_.end() && expected->first == here) ++expected;
      require(cursor_.next() == (expected != entries_.end()), "next");
      if (cursor_.valid()) require_here(expected);
    } else {
      const bool any = expected != entries_.begin();
      require(cursor_.previous() == any, "previous");
      if (any) require_here(std::prev(expected));
    }
  }

  void require_here(State::Entries::const_iterator expected) {
    require(cursor_.key().text() == expected->first, "a cursor's key");
    require(cursor_.value().text() == expected->second, "a cursor's value");
  }

  Tree& tree_;
  State::Entries& entries_;
  Random& random_;
  Cursor cursor_;
  std::string place_;
};

/// One store over some openings.
class Course {
 public:
  Course(GateRun& run, std::uint64_t seed)
      : run_(run), random_(seed), machine_(SimulatedPlatform::make(seed)) {
    create_store(*machine_);
  }

  /// Transactions until the store is closed; counts what it did into `operations`.
  void open_and_use(std::atomic<std::uint64_t>& operations) {
    store_ = open_store(*machine_, model_options());
    for (std::uint64_t t = 0; t < kTransactionsOfLife; ++t) {
      if (operations >= run_.cases() || run_.stop()) break;
      transact();
      operations += kOperationsOfTransaction;
      run_.ran(kOperationsOfTransaction, 0);
      if (random_.one_in(16)) store_->checkpoint();
    }
    compare();
    static_cast<void>(store_->check());
    store_->close();
    store_.reset();
  }

 private:
  void transact() {
    State next = state_;
    WriteTransaction transaction = store_->write();
    {
      Tree tree = transaction.create_tree("model");
      Pair pair(tree, next.trees["model"], random_);
      for (std::uint64_t i = 0; i < kOperationsOfTransaction; ++i) pair.operate();
    }
    if (random_.one_in(16)) return transaction.rollback();
    static_cast<void>(transaction.commit());
    state_ = std::move(next);
  }

  void compare() {
    ReadTransaction transaction = store_->read({.latest = true});
    if (auto found = difference(transaction, state_)) throw Violated(*found);
  }

  GateRun& run_;
  Random random_;
  std::unique_ptr<SimulatedPlatform> machine_;
  std::unique_ptr<Store> store_;
  State state_;
};

}  // namespace

void model_operations(GateRun& run) {
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> courses{0};
  const Words words(run.replay());
  in_two_threads(run, [&](unsigned) {
    while (operations < run.cases() && !run.stop()) {
      const std::uint64_t seed =
          run.replay().empty() ? mixed(run.seed(), courses++) : words.number("seed");
      Course course(run, seed);
      try {
        for (int life = 0; life < 8 && operations < run.cases() && !run.stop(); ++life) {
          course.open_and_use(operations);
        }
      } catch (const std::exception& e) {
        run.violated(e.what(), fmt::format("model-operations --replay 'seed={}'", seed));
        return;
      }
    }
  });
  run.note(fmt::format("{} stores", courses.load()));
}

}  // namespace coffer::campaign::sim
