// See judge.hpp.
#include "tests/campaign/sim/judge.hpp"

#include <fmt/format.h>

namespace coffer::campaign::sim {

namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw Violated(what);
}

void require_state(Store& store, const State& state) {
  ReadTransaction transaction = store.read({.latest = true});
  if (auto found = difference(transaction, state)) {
    throw Violated(fmt::format("commit {}: {}", transaction.commit_number(), *found));
  }
}

/// A store that was recovered goes on like any other.
void write_one_more(const Scene& scene, std::unique_ptr<Store>& store, const Options& options,
                    State state) {
  Random random(scene.now());
  std::uint64_t number = 0;
  {
    WriteTransaction transaction = store->write();
    change_some(transaction, state, random, {});
    number = transaction.commit(Durability::full);
  }
  require_state(*store, state);
  store.reset();
  store = open_store(*scene.platform, options, scene.path);
  require(store->statistics().last_commit == number, "a commit after the recovery was lost");
  require_state(*store, state);
}

}  // namespace

std::optional<std::string> left_over(platform::SimulatedPlatform& machine) {
  const platform::LockAccount account = machine.memory().account();
  if (account.locked_bytes != 0 || account.unlocked_plain_bytes != 0) {
    return fmt::format("{} bytes are locked after the end",
                       account.locked_bytes + account.unlocked_plain_bytes);
  }
  if (machine.open_files() != 0 || machine.open_mappings() != 0) {
    return fmt::format("{} files and {} mappings are open after the end", machine.open_files(),
                       machine.open_mappings());
  }
  return std::nullopt;
}

Verdict judge(platform::SimulatedPlatform& machine, const History& history, std::uint64_t step,
              const Judging& judging) {
  Verdict verdict = judge_store(Scene(machine), history, step, judging);
  if (!verdict.violation) verdict.violation = left_over(machine);
  return verdict;
}

Verdict judge_store(const Scene& scene, const History& history, std::uint64_t step,
                    const Judging& judging) {
  Verdict verdict;
  const auto [must, may] = history.at(step);
  try {
    Options options = small_options();
    if (judging.with_anchor) options.anchor = history.anchor_at(step);
    auto store = open_store(*scene.platform, options, scene.path);
    const std::uint64_t got = store->statistics().last_commit;
    verdict.commit = got;
    // A disk that errs may have lost the journal's end, which only an anchor tells from a crash.
    const bool may_be_older = judging.expected == Expected::media_faults;
    const std::uint64_t least = !may_be_older    ? must
                                : options.anchor ? options.anchor->commit
                                                 : std::uint64_t{0};
    require(got >= least,
            fmt::format("commit {} was acknowledged, and the newest one is {}", least, got));
    require(got <= may, fmt::format("the newest commit is {}, and only {} were begun", got, may));
    require_state(*store, history.state(got));
    if (judging.check) static_cast<void>(store->check());
    if (judging.go_on) write_one_more(scene, store, options, history.state(got));
    store->close();
    store.reset();
  } catch (const Violated& e) {
    verdict.violation = fmt::format("must {}, may {}: {}", must, may, e.what());
  } catch (const std::exception& e) {
    if (auto wrong = unexpected(e, judging.expected)) {
      verdict.violation = fmt::format("must {}, may {}: {}", must, may, *wrong);
    }
  }
  return verdict;
}

}  // namespace coffer::campaign::sim
