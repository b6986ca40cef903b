// Verifying backups, as `backup verify` and `restore --verify-only` do.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/global_options.hpp"

namespace coffer::tools {

[[nodiscard]] std::vector<std::filesystem::path> paths_of(const std::vector<std::string>& files);

/// Looks at all of them, whatever is wrong with some; the first failure's code.  Increments that follow their full
/// backup are one chain with it.
[[nodiscard]] ExitCode verify_files(const GlobalOptions& options,
                                    const std::vector<std::string>& files);

}  // namespace coffer::tools
