// How long backups and restores take, beside what bounds them: copying the same file, and the cipher's own rate on
// one core.
#pragma once

#include <cstdint>
#include <filesystem>

#include "tools/global_options.hpp"

namespace coffer::tools::bench {

struct BackupBenchOptions {
  std::filesystem::path directory;
  std::uint64_t store_bytes = 0;
  std::uint32_t rounds = 3;
  std::uint64_t seed = 1;
};

/// Makes a store of about that size in a directory of its own, and measures all of it in each round, one task right
/// after the other.  What was restored is compared with the store.
[[nodiscard]] ExitCode run_backup_benchmark(const BackupBenchOptions& options,
                                            const GlobalOptions& global);

}  // namespace coffer::tools::bench
