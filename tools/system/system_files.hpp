// The files in which Linux says things of itself (/proc, /sys), below a root that tests plant.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::tools {

class SystemFiles {
 public:
  explicit SystemFiles(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// The file's text without the last line end; nothing when it cannot be read.  `path` is absolute.
  [[nodiscard]] std::optional<std::string> read(std::string_view path) const;
  [[nodiscard]] std::vector<std::string> lines(std::string_view path) const;
  /// The value behind `name:` in a file of such lines, without blanks around it.
  [[nodiscard]] std::optional<std::string> field(std::string_view path,
                                                 std::string_view name) const;
  [[nodiscard]] bool exists(std::string_view path) const;
  /// The names in a directory, sorted; none when there is no such directory.
  [[nodiscard]] std::vector<std::string> names(std::string_view directory) const;
  /// Where a symbolic link leads in the end, as seen from the root.
  [[nodiscard]] std::filesystem::path resolved(std::string_view path) const;

 private:
  [[nodiscard]] std::filesystem::path place_of(std::string_view path) const;
  std::filesystem::path root_;
};

/// A file's number, "max" and "unlimited" as UINT64_MAX.
[[nodiscard]] std::optional<std::uint64_t> number_in(std::string_view text);

}  // namespace coffer::tools
