// What stat, trees and check print, as text and as JSON.  Each ends with a line end.
//
// JSON names are those of the public structs' fields, so that the header documents them.
#pragma once

#include <coffer/options.hpp>
#include <coffer/statistics.hpp>

#include <string>
#include <vector>

namespace coffer::tools {

[[nodiscard]] std::string trees_as_text(const std::vector<TreeInfo>& trees);
[[nodiscard]] std::string trees_as_json(const std::vector<TreeInfo>& trees);
[[nodiscard]] std::string statistics_as_text(const Statistics& statistics, const Anchor& anchor);
[[nodiscard]] std::string statistics_as_json(const Statistics& statistics, const Anchor& anchor);
[[nodiscard]] std::string check_as_text(const CheckReport& report);
[[nodiscard]] std::string check_as_json(const CheckReport& report);

/// "512 B", "4.0 KiB", "1.5 GiB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);

}  // namespace coffer::tools
