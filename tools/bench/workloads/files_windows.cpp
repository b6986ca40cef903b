#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {

std::uint64_t space_of(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

// The system has no such advice for a file; opening it without buffering is said to do it, and is not relied upon.
void drop_from_memory(const std::filesystem::path&) {}

double bytes_written_by_process() {
  return 0;
}

}  // namespace coffer::tools::bench
