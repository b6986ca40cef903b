// What a benchmark found, and how it is shown.
//
// The figure of a workload is a ratio: Coffer's speed over LMDB's in the same round, and of the
// rounds' ratios the median.  Speeds vary from machine to machine and from minute to minute; the
// two of a round are measured one right after the other.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/workloads.hpp"

namespace coffer::tools::bench {

struct Result {
  struct Row {
    Workload workload{};
    std::uint32_t operations = 0;                    ///< in a round
    std::map<std::string, std::vector<Time>> times;  ///< by contender, by round
  };
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<Profile> profiles;  ///< Coffer first
  std::vector<Row> rows;
};

/// The middle one, or the mean of the two in the middle.  `values` is not empty.
[[nodiscard]] double median(std::vector<double> values);
/// Operations a second, by round.
[[nodiscard]] std::vector<double> speeds(const Result::Row& row, const std::string& contender);
/// Microseconds of processor time that an operation takes, by round.
[[nodiscard]] std::vector<double> processor_microseconds(const Result::Row& row,
                                                         const std::string& contender);
/// Coffer's speed over the other's, by round; empty when there is no other.
[[nodiscard]] std::vector<double> ratios(const Result& result, const Result::Row& row);

[[nodiscard]] std::string result_as_text(const Result& result);
[[nodiscard]] std::string result_as_json(const Result& result);

}  // namespace coffer::tools::bench
