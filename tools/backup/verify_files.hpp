// Verifying backups, as `backup verify` and `restore --verify-only` do.
#pragma once

#include <string>
#include <vector>

#include "tools/global_options.hpp"

namespace coffer::tools {

/// Looks at all of them, whatever is wrong with some; the first failure's code.
[[nodiscard]] ExitCode verify_files(const GlobalOptions& options,
                                    const std::vector<std::string>& files);

}  // namespace coffer::tools
