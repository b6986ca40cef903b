#include "tools/system/block_devices.hpp"

#include <algorithm>

namespace coffer::tools {
namespace {

/// Devices stand on devices: a volume on a crypt device on a partition.
constexpr int kDepthMax = 8;

bool is_encrypted_below(const SystemFiles& system, const std::string& device, int depth) {
  const std::string directory = "/sys/class/block/" + device;
  if (system.read(directory + "/dm/uuid").value_or("").starts_with("CRYPT-")) return true;
  const auto below = system.names(directory + "/slaves");
  return depth > 0 && !below.empty() && std::ranges::all_of(below, [&](const std::string& name) {
           return is_encrypted_below(system, name, depth - 1);
         });
}

}  // namespace

std::optional<std::string> device_of(const SystemFiles& system, const Mount& mount) {
  const std::string link = "/sys/dev/block/" + mount.device_number;
  if (system.exists(link)) return system.resolved(link).filename().string();
  // Some file systems (btrfs) have a number of their own, which is no device's.
  if (!mount.source.starts_with("/dev/")) return std::nullopt;
  return system.resolved(mount.source).filename().string();
}

bool is_encrypted(const SystemFiles& system, const std::string& device) {
  return is_encrypted_below(system, device, kDepthMax);
}

std::optional<std::string> queue_setting(const SystemFiles& system, const std::string& device,
                                         const std::string& name) {
  const std::string directory = "/sys/class/block/" + device;
  if (auto own = system.read(directory + "/queue/" + name)) return own;
  const std::string disk = system.resolved(directory).parent_path().filename().string();
  return system.read("/sys/class/block/" + disk + "/queue/" + name);
}

}  // namespace coffer::tools
