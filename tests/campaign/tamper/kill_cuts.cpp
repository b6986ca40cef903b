// A process is killed, another one opens the store and goes on, and only then the power is cut.
//
// What the first one had written is in the operating system's memory and perhaps not on the disk.  The second one sees
// it as if it were: whatever it shows as durable, builds on or acknowledges must survive the cut all the same.
//
// Half of the processes are killed at any step.  The others are killed where something is written and not yet synced:
// behind commits that nobody waited for, and between a superblock's write and its sync, with commits behind it.
#include <array>
#include <utility>

#include "platform/simulated/simulated.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

/// Something that must be there after a cut at or behind `step`: the state of that number, or a later one.
struct Promise {
  std::uint64_t step = 0;
  std::size_t state = 0;
};

/// Where the first process is killed.
enum class Where { behind_relaxed_commits, before_superblock_sync, anywhere };

class KilledTwice {
 public:
  KilledTwice(std::uint64_t seed, Where where)
      : where_(where), rng_(seed), machine_(SimulatedPlatform::make(seed)) {
    machine_->record(true);
    create_store(*machine_, &key_);
    states_.emplace_back();
    promise(0);
    // The first process.
    const std::uint64_t last = machine_->steps() + 30 + rng_() % 250;
    machine_->set_fault([this, last](const char* operation, const platform::Path& path,
                                     std::uint64_t, std::uint64_t) {
      if (where_ == Where::anywhere) killed_ = killed_ || machine_->steps() >= last;
      if (last_checkpoint_ && path.filename() == "superblock") at_superblock(operation);
      if (killed_) throw IoError("killed", operation, path, 5);
    });
    work(where == Where::anywhere ? 12 : 4 + static_cast<int>(rng_() % 8));
    machine_->set_fault({});
    from_ = machine_->steps();
  }

  /// The second process looks, or works on.  What is wrong; empty: nothing.
  std::string go_on() {
    // Whoever only looks makes the journal durable, and who writes what the superblock's copies say.
    const std::uint64_t lot = rng_() % 4;
    const bool look_only = where_ == Where::behind_relaxed_commits ? lot != 0 : lot == 0;
    const Heard heard = hear(*machine_, &key_, small_options(look_only));
    if (!heard.opened()) return "after a kill: " + heard.error + ": " + heard.text;
    const auto state = state_of(heard.contents);
    if (!state || *state < promises_.back().state) return "after a kill another state is shown";
    // It said that this is durable.
    states_.resize(*state + 1);
    promise(*state);
    // What was not made durable is so with its first checkpoint: few steps, which the cuts are to meet.
    if (!look_only) work(where_ == Where::before_superblock_sync ? 1 : 4);
    return "";
  }

  /// The power is cut somewhere in what the second process did, or behind it.
  std::string cut(std::mt19937_64 rng) const {
    const std::uint64_t step = from_ + rng() % (machine_->steps() - from_ + 1);
    const auto outcome = platform::kCutOutcomes[rng() % platform::kCutOutcomes.size()];
    const auto after = machine_->cut_at(step, outcome, rng());
    std::size_t must = 0;
    for (const Promise& promise : promises_) {
      if (promise.step <= step) must = promise.state;
    }
    const Heard heard = hear(*after, &key_, small_options(rng() % 2 == 0));
    const std::string where = "cut at step " + std::to_string(step) + ": ";
    if (!heard.opened()) return where + heard.error + ": " + heard.text;
    const auto state = state_of(heard.contents);
    if (!state) return where + "a state is shown that never was";
    if (*state < must) {
      return where + "state " + std::to_string(must) + " was durable, and " +
             std::to_string(*state) + " is there";
    }
    return "";
  }

 private:
  void promise(std::size_t state) { promises_.push_back({machine_->steps(), state}); }

  /// Of the last checkpoint.  When it writes its first copy others have committed since it began, so that the next
  /// opening has something to replay, and writes to slots that are free as long as this checkpoint is there.
  void at_superblock(std::string_view operation) {
    if (operation == "write" && !std::exchange(committed_meanwhile_, true)) {
      for (std::uint64_t n = 1 + rng_() % 3; n > 0; --n) commit_to(*working_, Durability::full);
    }
    // Mostly that of the first copy, otherwise that of the second one.
    if (operation == "sync") killed_ = ++syncs_ > (rng_() % 4 == 0 ? 1 : 0);
  }

  /// Commits and checkpoints, until it is done or killed.
  void work(int commits) {
    std::optional<Store> store;
    const bool first = from_ == 0;
    try {
      working_ = &store.emplace(open_store(*machine_, &key_));
      for (int i = 0; i < commits; ++i) {
        commit_to(*store, Durability::full);
        if (rng_() % 2 == 0) store->checkpoint();
      }
      if (first && where_ == Where::behind_relaxed_commits) {
        for (std::uint64_t n = 1 + rng_() % 3; n > 0; --n) commit_to(*store, Durability::relaxed);
      }
      if (first && where_ == Where::before_superblock_sync) {
        commit_to(*store, Durability::full);
        last_checkpoint_ = true;
        store->checkpoint();
      }
    } catch (const Error&) {
      if (!killed_) throw;
    }
    if (store) kill_as_it_is(*store);
  }
  void commit_to(Store& store, Durability durability) {
    Contents next = states_.back();
    // Published, perhaps, from here on.
    states_.push_back(next);
    change(store, next, rng_, &states_.back(), durability);
    if (durability == Durability::full) promise(states_.size() - 1);
  }
  void kill_as_it_is(Store& store) {
    machine_->set_fault([](const char* operation, const platform::Path& path, std::uint64_t,
                           std::uint64_t) { throw IoError("killed", operation, path, 5); });
    { const Store dying = std::move(store); }
    machine_->set_fault({});
  }
  [[nodiscard]] std::optional<std::size_t> state_of(const Contents& contents) const {
    for (std::size_t i = states_.size(); i-- > 0;) {
      if (states_[i] == contents) return i;
    }
    return std::nullopt;
  }

  const Where where_;
  std::mt19937_64 rng_;
  Key key_ = key_of(9);
  std::unique_ptr<SimulatedPlatform> machine_;
  bool killed_ = false;
  Store* working_ = nullptr;
  bool last_checkpoint_ = false;  ///< of the first process is under way
  bool committed_meanwhile_ = false;
  std::uint64_t syncs_ = 0;
  std::vector<Contents> states_;
  std::vector<Promise> promises_;
  std::uint64_t from_ = 0;
};

}  // namespace

void run_kill_cuts(GateRun& run) {
  constexpr std::uint64_t kCutsEach = 20;
  constexpr std::array kWhere = {Where::behind_relaxed_commits, Where::before_superblock_sync,
                                 Where::anywhere, Where::anywhere};
  std::optional<KilledTwice> world;
  each_case(run, "kill-then-cut", run.cases(), [&](std::uint64_t i) -> std::string {
    if (!world || i % kCutsEach == 0) {
      const std::uint64_t number = i / kCutsEach;
      world.emplace(seed_of(run, number), kWhere.at(number % kWhere.size()));
      if (std::string wrong = world->go_on(); !wrong.empty()) return wrong;
    }
    return world->cut(std::mt19937_64(seed_of(run, i)));
  });
}

}  // namespace coffer::campaign::tamper
