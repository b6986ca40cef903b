// See summary.hpp.
#include "tests/campaign/summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace coffer::campaign {

namespace {

std::string remarks(const Outcome& outcome) {
  std::vector<std::string> words;
  if (!outcome.skipped.empty()) words.push_back("skipped: " + outcome.skipped);
  if (outcome.out_of_time) words.emplace_back("out of time");
  if (outcome.interrupted) words.emplace_back("interrupted");
  words.insert(words.end(), outcome.notes.begin(), outcome.notes.end());
  return fmt::format("{}", fmt::join(words, "; "));
}

}  // namespace

std::string table_of(const std::vector<Outcome>& outcomes) {
  constexpr auto kRow = "{:<22} {:>12} {:>12} {:>12} {:>10} {:>9} {:>11}  {}\n";
  std::string table = fmt::format(fmt::runtime(kRow), "gate", "cases", "of", "faults", "violations",
                                  "seconds", "a second", "");
  for (const Outcome& outcome : outcomes) {
    table +=
        fmt::format(fmt::runtime(kRow), outcome.gate->name, outcome.cases, outcome.wanted,
                    outcome.faults, outcome.violation_count, fmt::format("{:.1f}", outcome.seconds),
                    fmt::format("{:.0f}", outcome.rate()), remarks(outcome));
  }
  for (const Outcome& outcome : outcomes) {
    for (const Violation& violation : outcome.violations) {
      table += fmt::format("\n{}: {}\n  tools/campaign {}\n", outcome.gate->name, violation.what,
                           violation.replay);
    }
  }
  return table;
}

std::string json_of(const std::vector<Outcome>& outcomes, const RunOptions& options) {
  nlohmann::json gates = nlohmann::json::array();
  std::uint64_t violation_count = 0;
  for (const Outcome& outcome : outcomes) {
    nlohmann::json violations = nlohmann::json::array();
    for (const Violation& violation : outcome.violations) {
      violations.push_back({{"what", violation.what}, {"replay", violation.replay}});
    }
    violation_count += outcome.violation_count;
    gates.push_back({{"gate", outcome.gate->name},
                     {"counted", outcome.gate->cases},
                     {"full", outcome.gate->full},
                     {"wanted", outcome.wanted},
                     {"cases", outcome.cases},
                     {"faults", outcome.faults},
                     {"violations", outcome.violation_count},
                     {"found", std::move(violations)},
                     {"seconds", outcome.seconds},
                     {"rate", outcome.rate()},
                     {"skipped", outcome.skipped},
                     {"out_of_time", outcome.out_of_time},
                     {"interrupted", outcome.interrupted},
                     {"notes", outcome.notes}});
  }
  const nlohmann::json whole = {{"seed", options.seed},
                                {"share", options.share},
                                {"violations", violation_count},
                                {"gates", std::move(gates)}};
  // A message may hold bytes of a damaged file's name: those that are no text are replaced.
  return whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace coffer::campaign
