// Which mount a path lies on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tools/system/system_files.hpp"

namespace coffer::tools {

struct Mount {
  std::filesystem::path point;
  std::string type;           ///< "ext4", "tmpfs"
  std::string source;         ///< what is mounted, as it was named: "/dev/sda1", "tmpfs"
  std::string device_number;  ///< "major:minor"
  std::string options;        ///< of the mount and of the file system, with commas
};

/// The mount that contains `path`, which need not exist; nothing where the system does not say.
[[nodiscard]] std::optional<Mount> mount_of(const SystemFiles& system,
                                            const std::filesystem::path& path);

}  // namespace coffer::tools
