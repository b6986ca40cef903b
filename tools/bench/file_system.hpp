// What a directory lies on, for the record.
#pragma once

#include <filesystem>
#include <string>

namespace coffer::tools::bench {

/// The name of the directory's file system ("ext4", "tmpfs"), "unknown" where the system does not
/// say.
[[nodiscard]] std::string file_system_of(const std::filesystem::path& directory);

/// A new directory in `parent`, removed with everything in it when the guard ends.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& parent);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace coffer::tools::bench
