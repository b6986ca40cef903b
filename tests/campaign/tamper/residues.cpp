// What stays in locked memory: nothing of a transaction when it has ended, and nothing of the key when the store is open.
#include <array>

#include "backup/logical_chain.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/watched_platform.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

constexpr const char* kNeedleTree = "tree";

/// What is looked for: nothing else in memory looks like it.
std::string needle(std::mt19937_64& rng) {
  return "needle " + random_value(rng, 40);
}

class Residue {
 public:
  explicit Residue(std::uint64_t seed)
      : rng_(seed), machine_(SimulatedPlatform::make(seed)), watched_(*machine_) {
    for (std::byte& b : raw_) b = static_cast<std::byte>(rng_());
    key_.emplace(Key::from_bytes(raw_));
    create_store(watched_, &*key_);
  }

  /// What is wrong; empty: nothing.
  std::string run() {
    std::optional<Store> store(open_store(watched_, &*key_));
    std::string wrong = after("opening");
    if (wrong.empty()) wrong = write(*store);
    if (wrong.empty()) wrong = read(*store);
    if (wrong.empty() && rng_() % 2 == 0) {
      store->checkpoint();
      wrong = after("a checkpoint");
    }
    if (wrong.empty()) {
      static_cast<void>(backup_logical(*store, "/backup", {.compress = rng_() % 2 == 0}));
      wrong = after("a backup");
    }
    if (!wrong.empty()) return wrong;
    kill(*machine_, *store);
    store.emplace(open_store(watched_, &*key_));
    wrong = after("recovery");
    return wrong.empty() ? read(*store) : wrong;
  }

 private:
  std::string write(Store& store) {
    WriteTransaction writing = store.write();
    {
      Tree tree = writing.create_tree(kNeedleTree);
      for (int i = 0; i < 30; ++i) {
        values_.push_back(needle(rng_));
        tree.put("key" + std::to_string(i), values_.back());
      }
      values_.push_back(needle(rng_));
      ValueWriter writer = tree.write("large");
      writer.write(values_.back() + std::string(9000, 'v'));
      writer.finish();
    }
    // The control: what is being worked on is there, and is found.
    if (!watched_.holds(values_[values_.size() - 2]))
      return "a value that is being written is not found";
    if (rng_() % 4 == 0) {
      writing.rollback();
      if (std::string wrong = after("a rollback"); !wrong.empty()) return wrong;
      return write(store);
    }
    writing.commit();
    return after("a commit");
  }

  std::string read(Store& store) {
    {
      ReadTransaction reading = store.read();
      Tree tree = reading.tree(kNeedleTree);
      const auto value = tree.get("key3");
      if (!value || !watched_.holds(value->text())) return "a value that is read is not found";
      std::array<std::byte, 100> piece{};
      auto reader = tree.read("large");
      if (!reader || reader->read(piece) != piece.size()) return "the large value is not there";
    }
    return after("reading");
  }

  [[nodiscard]] std::string after(const std::string& what) const {
    for (const std::string& value : values_) {
      if (watched_.holds(value)) return "after " + what + " a value is still in memory";
    }
    const std::string_view secret(reinterpret_cast<const char*>(raw_.data()), raw_.size());
    if (watched_.holds(secret)) return "after " + what + " the caller's key is still in memory";
    return "";
  }

  std::mt19937_64 rng_;
  std::array<std::byte, 32> raw_{};
  std::optional<Key> key_;
  std::unique_ptr<SimulatedPlatform> machine_;
  WatchedPlatform watched_;
  std::vector<std::string> values_;
};

}  // namespace

void run_residues(GateRun& run) {
  each_case(run, "plaintext-residues", run.cases(),
            [&](std::uint64_t i) { return Residue(seed_of(run, i)).run(); });
}

}  // namespace coffer::campaign::tamper
