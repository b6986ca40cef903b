// A directory of its own for one test, removed with everything in it.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <string_view>

namespace coffer::test {

class TempDirectory {
 public:
  explicit TempDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::random_device random;
    do {
      path_ = parent / ("coffer-test-" + std::to_string(random()));
    } while (!std::filesystem::create_directory(path_));
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// A name in it.
  [[nodiscard]] std::string operator/(std::string_view name) const {
    // A path made of a std::string would take it for another encoding on Windows.
    return (path_ / std::u8string(name.begin(), name.end())).string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace coffer::test
