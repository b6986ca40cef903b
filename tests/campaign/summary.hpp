// What a campaign showed, as a table and as JSON.
#pragma once

#include <string>
#include <vector>

#include "tests/campaign/runner.hpp"

namespace coffer::campaign {

[[nodiscard]] std::string table_of(const std::vector<Outcome>& outcomes);
[[nodiscard]] std::string json_of(const std::vector<Outcome>& outcomes, const RunOptions& options);

}  // namespace coffer::campaign
