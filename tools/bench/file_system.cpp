#include "tools/bench/file_system.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <system_error>

namespace coffer::tools::bench {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& path, const fs::path& mount) {
  const auto [at, rest] = std::mismatch(mount.begin(), mount.end(), path.begin(), path.end());
  return at == mount.end() || at->empty();
}

}  // namespace

// Linux lists its mounts as "id parent major:minor root mount-point options ... - type source
// options"; the last mount point that contains the directory is the one that counts.
std::string file_system_of(const fs::path& directory) {
  std::error_code ignored;
  const fs::path path = fs::canonical(directory, ignored);
  std::ifstream mounts("/proc/self/mountinfo");
  std::string best = "unknown";
  std::size_t best_length = 0;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string mount;
    for (int i = 0; i < 4; ++i) fields >> skipped;
    fields >> mount;
    while (fields >> skipped && skipped != "-") {
    }
    std::string type;
    if (!(fields >> type) || mount.size() < best_length || !lies_in(path, mount)) continue;
    best = type;
    best_length = mount.size();
  }
  return best;
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  std::random_device random;
  for (int tries = 0; tries < 16; ++tries) {
    path_ = parent / fmt::format("coffer-bench-{:08x}", random());
    if (fs::create_directory(path_)) return;
  }
  throw InvalidArgument(fmt::format(
      "{} holds too many directories named coffer-bench-*; remove them", parent.string()));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace coffer::tools::bench
