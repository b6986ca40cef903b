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

std::string spread(const std::vector<double>& all, int digits) {
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  return fmt::format("{:.{}f} to {:.{}f}", *least, digits, *most, digits);
}

// Of each round one value, and of those the median.
template <class Value>
std::vector<double> of_rounds(const std::vector<Measurement>& rounds, const Value& value) {
  std::vector<double> all;
  for (const Measurement& measurement : rounds) all.push_back(value(measurement));
  return all;
}

std::vector<double> processor_microseconds(const std::vector<Measurement>& rounds) {
  return of_rounds(rounds, [](const Measurement& measurement) {
    return measurement.processor_seconds * 1e6 / static_cast<double>(measurement.operations);
  });
}

std::map<std::string, double> medians(const std::vector<Measurement>& rounds,
                                      std::map<std::string, double> Measurement::*which) {
  std::map<std::string, std::vector<double>> all;
  for (const Measurement& measurement : rounds) {
    for (const auto& [name, value] : measurement.*which) all[name].push_back(value);
  }
  std::map<std::string, double> middle;
  for (const auto& [name, values] : all) middle[name] = median(values);
  return middle;
}

std::string line_of(const Result& result, const Result::Row& row,
                    const Result::Contestant& engine) {
  const std::vector<Measurement>& rounds = row.measured.at(engine.name);
  std::string line =
      fmt::format("  {:<22}{:>14}", engine.name, grouped(median(figures(row, engine.name))));
  if (row.workload->better == Better::faster) {
    line += fmt::format("{:>10.2f}", median(processor_microseconds(rounds)));
    const auto latency = medians(rounds, &Measurement::latency);
    for (const char* const name : {"p50", "p99", "p99.9", "p99.99"}) {
      const auto found = latency.find(name);
      line += found == latency.end() ? fmt::format("{:>9}", "-")
                                     : fmt::format(" {:>8.1f}", found->second);
    }
  } else {
    line += fmt::format("{:>46}", "");
  }
  const std::vector<double> shares = shares_of_limit(result, row, engine);
  line += shares.empty() ? fmt::format("{:>8}", "-") : fmt::format("{:>8.2f}", median(shares));
  if (&engine != &result.engines.front()) {
    const std::vector<double> all = ratios(result, row, engine.name);
    line += fmt::format("{:>8.2f}{:>16}", median(all), spread(all, 2));
  }
  return line + "\n";
}

std::string limits_as_text(const Result& result) {
  std::string text = "limits:";
  for (const auto& [name, rounds] : result.limits) {
    const double middle = median(rounds);
    text += name == "sync" ? fmt::format(" {} {:.0f} us", name, middle * 1e6)
                           : fmt::format(" {} {:.0f} MB/s", name, middle / 1e6);
  }
  return text + "\n";
}

}  // namespace

double median(std::vector<double> values) {
  Expects(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> figures(const Result::Row& row, const std::string& engine) {
  const bool faster = row.workload->better == Better::faster;
  return of_rounds(row.measured.at(engine), [&](const Measurement& measurement) {
    const auto operations = static_cast<double>(measurement.operations);
    return faster ? operations / std::max(measurement.seconds, 1e-9) : operations;
  });
}

std::vector<double> ratios(const Result& result, const Result::Row& row,
                           const std::string& engine) {
  const std::vector<double> ours = figures(row, result.engines.front().name);
  const std::vector<double> theirs = figures(row, engine);
  Expects(ours.size() == theirs.size());
  std::vector<double> all;
  for (std::size_t round = 0; round < ours.size(); ++round) {
    all.push_back(ours[round] / theirs[round]);
  }
  return all;
}

std::vector<double> shares_of_limit(const Result& result, const Result::Row& row,
                                    const Result::Contestant& engine) {
  const std::string& name = row.workload->name;
  const auto cipher = std::ranges::find(engine.profile.settings, "cipher",
                                        [](const auto& setting) { return setting.first; });
  const bool plain = cipher != engine.profile.settings.end() && cipher->second == "none";
  std::string limit;
  if (name.starts_with("scan")) limit = plain ? "memcpy" : "cipher_4k";
  if (name.starts_with("large_")) limit = plain ? "memcpy" : "cipher_64k";
  if (name == "commit_sync") limit = "sync";
  const auto rates = result.limits.find(limit);
  if (rates == result.limits.end()) return {};
  std::vector<double> all;
  const std::vector<Measurement>& rounds = row.measured.at(engine.name);
  for (std::size_t round = 0; round < rounds.size(); ++round) {
    const Measurement& measured = rounds[round];
    const double least = limit == "sync"
                             ? static_cast<double>(measured.operations) * rates->second[round]
                             : static_cast<double>(measured.bytes) / rates->second[round];
    all.push_back(least / std::max(measured.seconds, 1e-9));
  }
  return all;
}

std::string result_as_text(const Result& result) {
  std::string text = settings_as_text(result.settings) + "\n" + limits_as_text(result);
  for (const Result::Contestant& engine : result.engines) {
    text += fmt::format("{} ({}): {}\n", engine.name, engine.profile.version,
                        settings_as_text(engine.profile.settings));
  }
  for (const auto& [name, why] : result.missing) text += fmt::format("no {}: {}\n", name, why);
  text += fmt::format("\n{:<24}{:>14}{:>10}{:>9}{:>9}{:>9}{:>9}{:>8}{:>8}{:>16}\n", "workload",
                      "a second", "cpu us", "p50 us", "p99", "p99.9", "p99.99", "limit", "ratio",
                      "of rounds");
  for (const Result::Row& row : result.rows) {
    const Measurement& first = row.measured.at(result.engines.front().name).front();
    text += fmt::format("{} ({}", row.workload->title, row.workload->name);
    text += row.workload->better == Better::faster
                ? fmt::format("; {} {})\n", grouped(static_cast<double>(first.operations)),
                              row.workload->unit)
                : fmt::format("; {})\n", row.workload->unit);
    for (const Result::Contestant& engine : result.engines) text += line_of(result, row, engine);
  }
  text += fmt::format(
      "\na second, percentiles: medians of the rounds; cpu us: processor time of an operation, all "
      "threads;\n"
      "limit: share of the speed that cipher, memory or sync alone allows; ratio: {}'s figure over "
      "this "
      "one's in the same round, the median\n",
      result.engines.front().name);
  return text;
}

std::string result_as_json(const Result& result) {
  ordered_json json;
  json["settings"] = settings_as_json(result.settings);
  for (const Result::Contestant& engine : result.engines) {
    json["engines"][engine.name] = {{"description", engine.description},
                                    {"version", engine.profile.version},
                                    {"settings", settings_as_json(engine.profile.settings)}};
  }
  json["missing"] = settings_as_json(result.missing);
  for (const auto& [name, rounds] : result.limits) {
    json["limits"][name] = {{"unit", name == "sync" ? "seconds" : "bytes a second"},
                            {"median", median(rounds)},
                            {"rounds", rounds}};
  }
  for (const Result::Row& row : result.rows) {
    ordered_json entry = {
        {"workload", row.workload->name},
        {"title", row.workload->title},
        {"unit", row.workload->unit},
        {"better", row.workload->better == Better::faster ? "faster" : "smaller"}};
    for (const Result::Contestant& engine : result.engines) {
      const std::vector<Measurement>& rounds = row.measured.at(engine.name);
      const std::vector<double> all = figures(row, engine.name);
      ordered_json one = {{"operations", rounds.front().operations},
                          {"bytes", rounds.front().bytes},
                          {"median", median(all)},
                          {"rounds", all}};
      if (row.workload->better == Better::faster) {
        one["processor_microseconds"] = median(processor_microseconds(rounds));
      }
      one["seconds"] =
          of_rounds(rounds, [](const Measurement& measured) { return measured.seconds; });
      one["latency_microseconds"] = medians(rounds, &Measurement::latency);
      one["others"] = medians(rounds, &Measurement::others);
      if (const auto shares = shares_of_limit(result, row, engine); !shares.empty()) {
        one["share_of_limit"] = median(shares);
      }
      if (&engine != &result.engines.front()) {
        const std::vector<double> of = ratios(result, row, engine.name);
        one["ratio"] = {{"median", median(of)}, {"rounds", of}};
      }
      entry["engines"][engine.name] = std::move(one);
    }
    json["workloads"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

}  // namespace coffer::tools::bench
