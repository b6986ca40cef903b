// What a benchmark found, and how it is shown.
//
// The figure of a workload is a ratio: the first engine's speed over another's in the same round, and of the
// rounds' ratios the median.  Speeds vary from machine to machine and from minute to minute; those of a round are measured
// one right after the other.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {

struct Result {
  struct Contestant {
    std::string name;
    std::string description;
    Profile profile;
  };
  struct Row {
    const Workload* workload = nullptr;
    std::map<std::string, std::vector<Measurement>> measured;  ///< by engine, by round
  };
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<Contestant> engines;  ///< the one that is compared first
  std::vector<std::pair<std::string, std::string>>
      missing;                                        ///< engines that were not to be had, and why
  std::map<std::string, std::vector<double>> limits;  ///< see limits.hpp; by round
  std::vector<Row> rows;
};

/// The middle one, or the mean of the two in the middle.  `values` is not empty.
[[nodiscard]] double median(std::vector<double> values);
/// Operations a second, or where smaller is better, what there was of it; by round.
[[nodiscard]] std::vector<double> figures(const Result::Row& row, const std::string& engine);
/// The first engine's figure over another's, by round.
[[nodiscard]] std::vector<double> ratios(const Result& result, const Result::Row& row,
                                         const std::string& engine);
/// How near an engine comes to what binds it, by round: the time that the cipher (memory, where there is none) or the sync
/// alone would have taken, over the time it took.  Empty where no single limit binds.
[[nodiscard]] std::vector<double> shares_of_limit(const Result& result, const Result::Row& row,
                                                  const Result::Contestant& engine);

[[nodiscard]] std::string result_as_text(const Result& result);
[[nodiscard]] std::string result_as_json(const Result& result);

}  // namespace coffer::tools::bench
