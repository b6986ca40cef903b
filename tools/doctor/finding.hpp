// What the diagnostics say: one finding a row, and how the rows are shown.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace coffer::tools::doctor {

enum class Level {
  ok,    ///< nothing to do
  warn,  ///< it works, with less safety or less speed than it could have
  fail,  ///< a store cannot be used here, or its promises do not hold
};

struct Finding {
  std::string id;  ///< stays the same between versions: scripts look for it
  Level level = Level::ok;
  std::string found;   ///< what was probed or read, with its numbers
  std::string remedy;  ///< what to do, with the command; empty when nothing
  /// Does it, where that needs no privilege; says what it did.  Empty where it does.
  std::function<std::string()> fix = {};
};

[[nodiscard]] Level worst_of(const std::vector<Finding>& findings);
/// A line for each finding, its remedy below it, and a line that sums up.
[[nodiscard]] std::string findings_as_text(const std::vector<Finding>& findings, bool coloured);
[[nodiscard]] std::string findings_as_json(const std::vector<Finding>& findings);

}  // namespace coffer::tools::doctor
