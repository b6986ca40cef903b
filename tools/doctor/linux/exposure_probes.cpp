// Where plaintext could get to outside of the memory that Coffer locks.
//
// Coffer's own plaintext is locked and excluded from dumps; what these look at is what the process
// around it copies out, and what no locking reaches (hibernation, other processes).
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "tools/doctor/probes.hpp"
#include "tools/system/block_devices.hpp"

namespace coffer::tools::doctor {
namespace {

struct SwapArea {
  std::string name;
  bool is_file = false;
};

std::vector<SwapArea> swap_areas(const SystemFiles& system) {
  std::vector<SwapArea> areas;
  for (const std::string& line : system.lines("/proc/swaps")) {
    std::istringstream words(line);
    SwapArea area;
    std::string type;
    if (words >> area.name >> type && area.name.starts_with('/')) {
      area.is_file = type == "file";
      areas.push_back(area);
    }
  }
  return areas;
}

enum class SwapKind { in_memory, encrypted, plain };

SwapKind kind_of(const SystemFiles& system, const SwapArea& area) {
  if (area.is_file) {
    const auto mount = mount_of(system, area.name);
    const auto device = mount ? device_of(system, *mount) : std::nullopt;
    return device && is_encrypted(system, *device) ? SwapKind::encrypted : SwapKind::plain;
  }
  const std::string device = system.resolved(area.name).filename().string();
  if (device.starts_with("zram")) {
    const std::string backing =
        system.read("/sys/class/block/" + device + "/backing_dev").value_or("none");
    return backing == "none" ? SwapKind::in_memory : SwapKind::plain;
  }
  return is_encrypted(system, device) ? SwapKind::encrypted : SwapKind::plain;
}

const char* words_for(SwapKind kind) {
  switch (kind) {
    case SwapKind::in_memory:
      return "zram, in memory";
    case SwapKind::encrypted:
      return "encrypted";
    case SwapKind::plain:
      break;
  }
  return "not encrypted";
}

/// The soft limit that programs started from here have on core dumps: this command sets its own to 0.
std::optional<std::uint64_t> core_limit_of_parent(const SystemFiles& system) {
  const std::string file = fmt::format("/proc/{}/limits", ::getppid());
  constexpr std::string_view kName = "Max core file size";
  for (const std::string& line : system.lines(file)) {
    if (line.starts_with(kName)) return number_in(line.substr(kName.size(), 21));
  }
  return std::nullopt;
}

}  // namespace

Finding probe_swap(const Context& context) {
  Finding finding{.id = "exposure.swap", .level = Level::ok, .found = {}, .remedy = {}};
  std::string off;
  for (const SwapArea& area : swap_areas(context.system)) {
    const SwapKind kind = kind_of(context.system, area);
    finding.found +=
        fmt::format("{}{} ({})", finding.found.empty() ? "" : ", ", area.name, words_for(kind));
    if (kind == SwapKind::plain) off += " " + area.name;
  }
  if (finding.found.empty()) finding.found = "no swap";
  if (!off.empty()) {
    finding.level = Level::warn;
    finding.found += "; what the application copies out of Coffer's memory can get there";
    finding.remedy = "encrypt it (the `swap` option of crypttab), or: sudo swapoff" + off;
  }
  return finding;
}

Finding probe_hibernation(const Context& context) {
  Finding finding{.id = "exposure.hibernation", .level = Level::ok, .found = {}, .remedy = {}};
  const std::string states = context.system.read("/sys/power/state").value_or("");
  const std::string how = context.system.read("/sys/power/disk").value_or("");
  if (states.find("disk") == std::string::npos || how.find("[disabled]") != std::string::npos) {
    finding.found = "the kernel does not hibernate";
  } else if (swap_areas(context.system).empty()) {
    finding.found = "possible, but there is no swap to write an image to";
  } else {
    finding.level = Level::warn;
    finding.found = "possible: an image on disk would hold locked memory too";
    finding.remedy =
        "sudo systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target";
  }
  return finding;
}

Finding probe_core_dumps(const Context& context) {
  Finding finding{.id = "exposure.core_dumps", .level = Level::ok, .found = {}, .remedy = {}};
  const std::string pattern =
      context.system.read("/proc/sys/kernel/core_pattern").value_or("unknown");
  const auto limit = core_limit_of_parent(context.system);
  const bool piped = pattern.starts_with('|');
  const bool dumped = piped || !limit || *limit != 0;
  finding.found = fmt::format("pattern `{}`, limit of programs started from here {}", pattern,
                              !limit                 ? "unknown"
                              : *limit == UINT64_MAX ? "unlimited"
                                                     : fmt::format("{} bytes", *limit));
  if (!dumped) {
    finding.found += ": no dumps";
    return finding;
  }
  finding.level = Level::warn;
  finding.found +=
      ": a dump leaves out Coffer's locked memory, not what the application copied out of it";
  finding.remedy =
      piped ? "the limit does not stop a program that dumps are piped to: configure it (for "
              "systemd-coredump Storage=none in /etc/systemd/coredump.conf)"
            : "LimitCORE=0 in the service's unit, or ulimit -c 0";
  return finding;
}

Finding probe_ptrace(const Context& context) {
  Finding finding{.id = "exposure.ptrace", .level = Level::ok, .found = {}, .remedy = {}};
  const auto scope =
      number_in(context.system.read("/proc/sys/kernel/yama/ptrace_scope").value_or(""));
  if (scope && *scope > 0) {
    finding.found = fmt::format(
        "ptrace_scope is {}: other processes may not look into this one's memory", *scope);
    return finding;
  }
  finding.level = Level::warn;
  finding.found =
      fmt::format("{}: every process of the same user can read another's memory, locked or not",
                  scope ? "ptrace_scope is 0" : "the kernel has no Yama");
  finding.remedy =
      scope ? "sudo sysctl kernel.yama.ptrace_scope=1" : "give the service a user of its own";
  return finding;
}

}  // namespace coffer::tools::doctor
