#include <windows.h>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {

std::uint64_t space_of(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

void bring_to_disk(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const HANDLE file =
        ::CreateFileW(entry.path().c_str(), GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                      nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) continue;
    (void)::FlushFileBuffers(file);
    ::CloseHandle(file);
  }
}

// The system has no such advice for a file; opening it without buffering is said to do it, and is not relied upon.
void drop_from_memory(const std::filesystem::path&) {}

double bytes_written_by_process() {
  return 0;
}

}  // namespace coffer::tools::bench
