// Runs gates one after the other, and keeps what they report.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "tests/campaign/gate.hpp"

namespace coffer::campaign {

/// Set by a signal: the gate that runs ends after the case it is at, with its workers, mounts and files cleared away as
/// ever, and those behind it are not begun.
extern std::atomic<bool> interrupted;

struct Violation {
  std::string what;
  std::string replay;
};

/// What one gate did.
struct Outcome {
  const Gate* gate = nullptr;
  std::uint64_t wanted = 0;
  std::uint64_t cases = 0;
  std::uint64_t faults = 0;
  std::uint64_t violation_count = 0;
  std::vector<Violation> violations;  ///< the first of them
  std::vector<std::string> notes;
  std::string skipped;  ///< the reason; empty when it ran
  bool out_of_time = false;
  bool interrupted = false;  ///< before it had run all its cases, or any
  double seconds = 0;

  [[nodiscard]] bool passed() const { return violation_count == 0; }
  [[nodiscard]] double rate() const {
    return seconds > 0 ? static_cast<double>(cases) / seconds : 0;
  }
};

struct RunOptions {
  double share = 1.0;
  double seconds = 0;  ///< for all gates together; 0: no limit
  std::uint64_t seed = 1;
  std::string replay;
  std::uint64_t violations_max = 20;  ///< a gate that finds so many has said enough
};

/// The run of one gate, told about by the gate's threads and looked at by the one that shows progress.
class Runner final : public GateRun {
 public:
  using Clock = std::chrono::steady_clock;

  Runner(const Gate& gate, const RunOptions& options, double seconds);

  /// Runs the gate.  What it throws is a violation.
  [[nodiscard]] Outcome run();
  /// How far it has come, in one line.
  [[nodiscard]] std::string progress() const;

  std::uint64_t seed() const override { return options_.seed; }
  std::uint64_t cases() const override { return wanted_; }
  bool stop() const override;
  void ran(std::uint64_t count, std::uint64_t faults) override;
  void violated(std::string what, std::string replay) override;
  void skip(std::string reason) override;
  void note(std::string text) override;
  std::string_view replay() const override { return options_.replay; }

 private:
  [[nodiscard]] double elapsed() const;

  const Gate& gate_;
  const RunOptions& options_;
  const std::uint64_t wanted_;
  const double seconds_max_;
  Clock::time_point begun_ = Clock::now();
  std::atomic<std::uint64_t> cases_{0};
  std::atomic<std::uint64_t> faults_{0};
  std::atomic<std::uint64_t> violation_count_{0};
  std::mutex mutex_;
  Outcome outcome_;
};

/// All of them; shows progress on a terminal, and each violation as it comes.
[[nodiscard]] std::vector<Outcome> run_gates(const std::vector<Gate>& gates,
                                             const RunOptions& options);

}  // namespace coffer::campaign
