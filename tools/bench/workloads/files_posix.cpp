#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {

std::uint64_t space_of(const std::filesystem::path& directory) {
  constexpr std::uint64_t kStatBlockBytes = 512;
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) == 0) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
    }
  }
  return bytes;
}

namespace {

template <class Visit>
void for_each_file(const std::filesystem::path& directory, const Visit& visit) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    visit(file);
    ::close(file);
  }
}

}  // namespace

void bring_to_disk(const std::filesystem::path& directory) {
  for_each_file(directory, [](int file) { (void)::fsync(file); });
}

void drop_from_memory(const std::filesystem::path& directory) {
  for_each_file(directory, [](int file) {
    (void)::fsync(file);  // what is not on the disk cannot be dropped
    (void)::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  });
}

double bytes_written_by_process() {
  std::ifstream io("/proc/self/io");
  for (std::string name; io >> name;) {
    double value = 0;
    io >> value;
    if (name == "write_bytes:") return value;
  }
  return 0;
}

}  // namespace coffer::tools::bench
