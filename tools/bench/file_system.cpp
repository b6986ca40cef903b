#include "tools/bench/file_system.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <random>
#include <system_error>

#include "tools/system/mounts.hpp"

namespace coffer::tools::bench {

namespace fs = std::filesystem;

std::string file_system_of(const fs::path& directory) {
  const auto mount = mount_of(SystemFiles(), directory);
  return mount ? mount->type : "unknown";
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
