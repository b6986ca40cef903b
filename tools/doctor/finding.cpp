#include "tools/doctor/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace coffer::tools::doctor {
namespace {

const char* word_of(Level level) {
  switch (level) {
    case Level::ok:
      return "OK";
    case Level::warn:
      return "WARN";
    case Level::fail:
      break;
  }
  return "FAIL";
}

// Green, yellow, red.
const char* colour_of(Level level) {
  switch (level) {
    case Level::ok:
      return "\033[32m";
    case Level::warn:
      return "\033[33m";
    case Level::fail:
      break;
  }
  return "\033[31m";
}

std::size_t count_of(const std::vector<Finding>& findings, Level level) {
  return static_cast<std::size_t>(
      std::ranges::count_if(findings, [level](const Finding& f) { return f.level == level; }));
}

std::string summary_of(const std::vector<Finding>& findings) {
  const std::size_t warnings = count_of(findings, Level::warn);
  const std::size_t failures = count_of(findings, Level::fail);
  return fmt::format("{} checked: {} failure{}, {} warning{}", findings.size(), failures,
                     failures == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
}

}  // namespace

Level worst_of(const std::vector<Finding>& findings) {
  Level worst = Level::ok;
  for (const Finding& finding : findings) worst = std::max(worst, finding.level);
  return worst;
}

std::string findings_as_text(const std::vector<Finding>& findings, bool coloured) {
  std::size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.id.size());
  std::string text;
  for (const Finding& finding : findings) {
    const std::string level = fmt::format("{:<4}", word_of(finding.level));
    text += coloured ? fmt::format("{}{}\033[0m", colour_of(finding.level), level) : level;
    text += fmt::format("  {:<{}}  {}\n", finding.id, width, finding.found);
    if (!finding.remedy.empty()) {
      text += fmt::format("      {:<{}}  -> {}\n", "", width, finding.remedy);
    }
  }
  return text + summary_of(findings) + "\n";
}

std::string findings_as_json(const std::vector<Finding>& findings) {
  auto rows = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    nlohmann::ordered_json row{
        {"id", finding.id}, {"level", word_of(finding.level)}, {"found", finding.found}};
    if (!finding.remedy.empty()) row["remedy"] = finding.remedy;
    rows.push_back(std::move(row));
  }
  const nlohmann::ordered_json all{{"findings", std::move(rows)},
                                   {"warnings", count_of(findings, Level::warn)},
                                   {"failures", count_of(findings, Level::fail)}};
  return all.dump() + "\n";
}

}  // namespace coffer::tools::doctor
