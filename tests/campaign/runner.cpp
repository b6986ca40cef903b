// See runner.hpp.
#include "tests/campaign/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/progress.hpp"
#include "tools/system/streams.hpp"

namespace coffer::campaign {

std::atomic<bool> interrupted{false};

namespace {

std::uint64_t share_of(const Gate& gate, const RunOptions& options) {
  if (!options.replay.empty()) return 1;
  const double wanted = std::round(static_cast<double>(gate.full) * options.share);
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
}

}  // namespace

Runner::Runner(const Gate& gate, const RunOptions& options, double seconds)
    : gate_(gate), options_(options), wanted_(share_of(gate, options)), seconds_max_(seconds) {
  outcome_.gate = &gate_;
  outcome_.wanted = wanted_;
}

double Runner::elapsed() const {
  return std::chrono::duration<double>(Clock::now() - begun_).count();
}

Outcome Runner::run() {
  begun_ = Clock::now();
  try {
    gate_.run(*this);
  } catch (const std::exception& e) {
    violated(fmt::format("the gate ended with an exception: {}", e.what()),
             fmt::format("{} --seed {} --share {}", gate_.name, options_.seed, options_.share));
  }
  const std::scoped_lock lock(mutex_);
  outcome_.seconds = elapsed();
  outcome_.cases = cases_;
  outcome_.faults = faults_;
  outcome_.violation_count = violation_count_;
  const bool short_of_cases = outcome_.skipped.empty() && outcome_.cases < wanted_;
  outcome_.interrupted = short_of_cases && interrupted;
  outcome_.out_of_time = short_of_cases && outcome_.passed() && !outcome_.interrupted && stop();
  return outcome_;
}

std::string Runner::progress() const {
  const double seconds = elapsed();
  const auto cases = static_cast<double>(cases_.load());
  return fmt::format("{}: {} of {} {} ({:.0f} %), {:.0f} a second, {} violations, {:.0f} s",
                     gate_.name, cases_.load(), wanted_, gate_.cases,
                     100 * cases / static_cast<double>(wanted_), cases / std::max(seconds, 0.001),
                     violation_count_.load(), seconds);
}

bool Runner::stop() const {
  return interrupted || violation_count_ >= options_.violations_max ||
         (seconds_max_ > 0 && elapsed() >= seconds_max_);
}

void Runner::ran(std::uint64_t count, std::uint64_t faults) {
  cases_ += count;
  faults_ += faults;
}

void Runner::violated(std::string what, std::string replay) {
  ++violation_count_;
  const std::scoped_lock lock(mutex_);
  if (outcome_.violations.size() >= options_.violations_max) return;
  tools::streams::say(
      fmt::format("\r\033[KVIOLATION in {}: {}\n  tools/campaign {}\n", gate_.name, what, replay));
  outcome_.violations.push_back({std::move(what), std::move(replay)});
}

void Runner::skip(std::string reason) {
  const std::scoped_lock lock(mutex_);
  outcome_.skipped = std::move(reason);
}

void Runner::note(std::string text) {
  const std::scoped_lock lock(mutex_);
  outcome_.notes.push_back(std::move(text));
}

std::vector<Outcome> run_gates(const std::vector<Gate>& gates, const RunOptions& options) {
  const auto begun = Runner::Clock::now();
  double seconds_full_left = 0;
  for (const Gate& gate : gates) seconds_full_left += gate.seconds_full;
  std::vector<Outcome> outcomes;
  for (const Gate& gate : gates) {
    if (interrupted) {
      Outcome& left_out = outcomes.emplace_back();
      left_out.gate = &gate;
      left_out.wanted = share_of(gate, options);
      left_out.interrupted = true;
      continue;
    }
    double seconds = 0;
    if (options.seconds > 0) {
      // What earlier gates did not need goes to the later ones.
      const double left =
          options.seconds - std::chrono::duration<double>(Runner::Clock::now() - begun).count();
      seconds = std::max(0.1, left * gate.seconds_full / seconds_full_left);
    }
    seconds_full_left -= gate.seconds_full;
    Runner runner(gate, options, seconds);
    const tools::Progress progress([&runner] { return runner.progress(); });
    outcomes.push_back(runner.run());
  }
  return outcomes;
}

}  // namespace coffer::campaign
