// Names of files as the command is given them: UTF-8 on every system.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace coffer::tools {

/// Not path's own constructor: on Windows libstdc++ takes each plain char for one of the C locale's characters.
[[nodiscard]] inline std::filesystem::path path_of(std::string_view utf8) {
  return std::u8string(utf8.begin(), utf8.end());
}

}  // namespace coffer::tools
