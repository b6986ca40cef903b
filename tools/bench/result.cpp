#include "tools/bench/result.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "platform/contracts.hpp"

namespace coffer::tools::bench {
namespace {

using nlohmann::ordered_json;

/// 1234567.8 as "1,234,568".
std::string grouped(double number) {
  std::string digits = fmt::format("{:.0f}", number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string settings_as_text(const std::vector<std::pair<std::string, std::string>>& settings) {
  std::string text;
  for (const auto& [name, value] : settings) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

ordered_json settings_as_json(const std::vector<std::pair<std::string, std::string>>& settings) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, value] : settings) json[name] = value;
  return json;
}

std::string row_as_text(const Result& result, const Result::Row& row) {
  std::string line = fmt::format("{:<38}{:>10}", title_of(row.workload), grouped(row.operations));
  for (const Profile& profile : result.profiles) {
    line += fmt::format("{:>13}", grouped(median(speeds(row, profile.name))));
  }
  for (const Profile& profile : result.profiles) {
    line += fmt::format("{:>13.2f}", median(processor_microseconds(row, profile.name)));
  }
  if (const std::vector<double> all = ratios(result, row); !all.empty()) {
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    line +=
        fmt::format("{:>8.2f}{:>16}", median(all), fmt::format("{:.2f} to {:.2f}", *least, *most));
  }
  return line + "\n";
}

}  // namespace

double median(std::vector<double> values) {
  Expects(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> speeds(const Result::Row& row, const std::string& contender) {
  std::vector<double> all;
  for (const Time& time : row.times.at(contender)) {
    all.push_back(row.operations / std::max(time.seconds, 1e-9));
  }
  return all;
}

std::vector<double> processor_microseconds(const Result::Row& row, const std::string& contender) {
  std::vector<double> all;
  for (const Time& time : row.times.at(contender)) {
    all.push_back(time.processor_seconds * 1e6 / row.operations);
  }
  return all;
}

std::vector<double> ratios(const Result& result, const Result::Row& row) {
  if (result.profiles.size() < 2) return {};
  const auto ours = speeds(row, result.profiles[0].name);
  const auto theirs = speeds(row, result.profiles[1].name);
  Expects(ours.size() == theirs.size());
  std::vector<double> all;
  for (std::size_t round = 0; round < ours.size(); ++round) {
    all.push_back(ours[round] / theirs[round]);
  }
  return all;
}

std::string result_as_text(const Result& result) {
  std::string text = settings_as_text(result.settings) + "\n";
  for (const Profile& profile : result.profiles) {
    text += fmt::format("{} {}: {}\n", profile.name, profile.version,
                        settings_as_text(profile.settings));
  }
  text += fmt::format("\n{:<38}{:>10}", "workload", "operations");
  for (const Profile& profile : result.profiles) text += fmt::format("{:>13}", profile.name + "/s");
  for (const Profile& profile : result.profiles) {
    text += fmt::format("{:>13}", profile.name + " us");
  }
  if (result.profiles.size() > 1) text += fmt::format("{:>8}{:>16}", "ratio", "of rounds");
  text += "\n";
  for (const Result::Row& row : result.rows) text += row_as_text(result, row);
  text +=
      "\nus: processor time of an operation, all threads; ratio: of speeds, the rounds' median\n";
  if (result.profiles.size() < 2) text += "no comparison: built without LMDB, or --only-coffer\n";
  return text;
}

std::string result_as_json(const Result& result) {
  ordered_json json;
  json["settings"] = settings_as_json(result.settings);
  for (const Profile& profile : result.profiles) {
    json["contenders"][profile.name] = {{"version", profile.version},
                                        {"settings", settings_as_json(profile.settings)}};
  }
  for (const Result::Row& row : result.rows) {
    ordered_json entry = {{"workload", name_of(row.workload)}, {"operations", row.operations}};
    for (const Profile& profile : result.profiles) {
      const auto speed = speeds(row, profile.name);
      const auto processor = processor_microseconds(row, profile.name);
      entry["per_second"][profile.name] = {{"median", median(speed)}, {"rounds", speed}};
      entry["processor_microseconds"][profile.name] = {{"median", median(processor)},
                                                       {"rounds", processor}};
    }
    if (const auto all = ratios(result, row); !all.empty()) {
      entry["ratio"] = {{"median", median(all)}, {"rounds", all}};
    }
    json["workloads"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

}  // namespace coffer::tools::bench
