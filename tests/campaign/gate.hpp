// What a gate of the campaign is: one kind of attack on the engine, with a count of cases that a full campaign runs.
//
// A gate runs as many cases as GateRun asks for, counts them, and reports each violation with the words that replay it.
// It stops early when its time is up, and then says so: what was not run is not counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::campaign {

/// One run of one gate.  Thread-safe.
class GateRun {
 public:
  virtual ~GateRun() = default;
  /// From which everything random in the gate follows.
  [[nodiscard]] virtual std::uint64_t seed() const = 0;
  /// Cases to run: of the gate's full count the share that was asked for, at least 1.
  [[nodiscard]] virtual std::uint64_t cases() const = 0;
  /// The gate's time is up, or somebody interrupted: end after this case.
  [[nodiscard]] virtual bool stop() const = 0;
  /// `count` more cases have been run, `faults` of them (or in them) injected.
  virtual void ran(std::uint64_t count, std::uint64_t faults) = 0;
  /// A violation.  `replay`: the arguments of tools/campaign that show it again.
  virtual void violated(std::string what, std::string replay) = 0;
  /// This machine cannot; the reason is printed in the table, and nothing counts as run.
  virtual void skip(std::string reason) = 0;
  /// A figure for the table's last column.
  virtual void note(std::string text) = 0;
  /// What stood behind --replay: the gate then runs that one case, in its own words.  Empty: an ordinary run.
  [[nodiscard]] virtual std::string_view replay() const { return {}; }
};

struct Gate {
  std::string_view name;   ///< as on the command line: lower case, with hyphens
  std::string_view cases;  ///< what is counted, in a few words
  std::uint64_t full = 0;  ///< cases in a full campaign
  void (*run)(GateRun&) = nullptr;
  /// What a full run takes on two processors with nothing beside it: of a time budget each gate gets that part.
  double seconds_full = 1;
};

// One list a folder.
[[nodiscard]] std::vector<Gate> simulated_gates();  ///< sim/: on the simulated machine
[[nodiscard]] std::vector<Gate> tamper_gates();     ///< tamper/: altered files
[[nodiscard]] std::vector<Gate> process_gates();    ///< process/: real processes and file systems

}  // namespace coffer::campaign
