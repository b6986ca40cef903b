// Block devices by their names in /sys ("sda1", "dm-0").
#pragma once

#include <optional>
#include <string>

#include "tools/system/mounts.hpp"
#include "tools/system/system_files.hpp"

namespace coffer::tools {

/// The device that a file system lies on; nothing for those without one (tmpfs, NFS).
[[nodiscard]] std::optional<std::string> device_of(const SystemFiles& system, const Mount& mount);
/// Whether all that is written to the device passes dm-crypt, here or further down.
[[nodiscard]] bool is_encrypted(const SystemFiles& system, const std::string& device);
/// A setting of the device's queue ("rotational", "write_cache"); a partition has its disk's.
[[nodiscard]] std::optional<std::string> queue_setting(const SystemFiles& system,
                                                       const std::string& device,
                                                       const std::string& name);

}  // namespace coffer::tools
