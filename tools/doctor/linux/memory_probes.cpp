// How much memory can be locked here, and what limits it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>

#include "tools/doctor/probes.hpp"
#include "tools/report.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools::doctor {
namespace {

std::string size_or_unlimited(std::uint64_t bytes) {
  return bytes == UINT64_MAX ? "unlimited" : human_size(bytes);
}

// Version 2's one hierarchy, or version 1's of the memory controller: the group's path.
struct Cgroup {
  std::string mount;
  std::string path;
  bool unified = true;
};
std::optional<Cgroup> memory_cgroup(const SystemFiles& system) {
  for (const std::string& line : system.lines("/proc/self/cgroup")) {
    const auto second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    const std::string path = line.substr(second + 1);
    if (line.starts_with("0::") && system.exists("/sys/fs/cgroup/cgroup.controllers")) {
      return Cgroup{"/sys/fs/cgroup", path, true};
    }
    if (line.find(":memory:") != std::string::npos) {
      return Cgroup{"/sys/fs/cgroup/memory", path, false};
    }
  }
  return std::nullopt;
}

struct Locker {
  std::uint64_t locked_bytes;
  std::uint64_t pid;
  std::string name;
};

/// Bytes of a file's line like `VmLck:  64 kB`.
std::optional<std::uint64_t> kibibytes_in(const SystemFiles& system, const std::string& file,
                                          std::string_view name) {
  const auto kibibytes = number_in(system.field(file, name).value_or(""));
  if (!kibibytes) return std::nullopt;
  return *kibibytes * 1024;
}

/// The other processes with locked memory, those with most of it first.
std::vector<Locker> other_lockers(const SystemFiles& system) {
  // Not getpid(): /proc may be another namespace's.
  const std::string self = system.resolved("/proc/self").filename().string();
  std::vector<Locker> lockers;
  for (const std::string& entry : system.names("/proc")) {
    const auto pid = number_in(entry);
    if (!pid || entry == self) continue;
    const std::string status = "/proc/" + entry + "/status";
    // Kernel threads have no such line, and a process may end meanwhile.
    const std::uint64_t bytes = kibibytes_in(system, status, "VmLck").value_or(0);
    if (bytes == 0) continue;
    // A process names itself as it likes.
    lockers.push_back({.locked_bytes = bytes,
                       .pid = *pid,
                       .name = shown_name(system.field(status, "Name").value_or("unknown"))});
  }
  std::ranges::stable_sort(lockers, std::ranges::greater(), &Locker::locked_bytes);
  return lockers;
}

std::string described(const std::vector<Locker>& lockers) {
  constexpr std::size_t kShown = 3;
  if (lockers.empty()) return "no other process that can be seen has locked memory";
  std::uint64_t sum = 0;
  for (const Locker& locker : lockers) sum += locker.locked_bytes;
  std::string text = fmt::format("{} other process{} locked {}", lockers.size(),
                                 lockers.size() == 1 ? " has" : "es have", human_size(sum));
  const std::size_t shown = std::min(kShown, lockers.size());
  for (std::size_t i = 0; i < shown; ++i) {
    text += fmt::format("{} {} (pid {}) {}", i == 0 ? ":" : ",", lockers[i].name, lockers[i].pid,
                        human_size(lockers[i].locked_bytes));
  }
  if (lockers.size() > shown) text += ", ...";
  return text;
}

}  // namespace

std::string how_to_raise_lock_limit(std::uint64_t bytes) {
  return fmt::format(
      "a service: LimitMEMLOCK={0} in its unit; logins: a line `* - memlock {1}` in "
      "/etc/security/limits.d/coffer.conf; a container: --ulimit memlock={0}:{0}; a running "
      "process: sudo prlimit --pid PID --memlock={0}:{0}",
      bytes, (bytes + 1023) / 1024);
}

Finding probe_lock_limits(const Context& context) {
  const platform::LockAccount account = context.platform.memory().account();
  const auto used_kib = number_in(context.system.field("/proc/self/status", "VmLck").value_or(""));
  Finding finding{.id = "memory.limit", .level = Level::ok, .found = {}, .remedy = {}};
  finding.found = fmt::format("RLIMIT_MEMLOCK: soft {}, hard {}; {} of it in use by this process",
                              size_or_unlimited(account.soft_limit_bytes),
                              size_or_unlimited(account.hard_limit_bytes),
                              used_kib ? human_size(*used_kib * 1024) : "an unknown part");
  if (account.privileged) {
    finding.found += "; CAP_IPC_LOCK lifts it";
    return finding;
  }
  finding.level = lock_level_of(account.hard_limit_bytes, context.wanted_locked_bytes);
  if (finding.level != Level::ok)
    finding.remedy = how_to_raise_lock_limit(context.wanted_locked_bytes);
  return finding;
}

Finding probe_other_lockers(const Context& context) {
  const std::uint64_t wanted = context.wanted_locked_bytes;
  Finding finding{.id = "memory.others", .level = Level::ok, .found = {}, .remedy = {}};
  finding.found = described(other_lockers(context.system));
  const auto available = kibibytes_in(context.system, "/proc/meminfo", "MemAvailable");
  if (!available) {
    finding.level = Level::warn;
    finding.found += "; how much memory is available cannot be read";
    finding.remedy = "let the sandbox show /proc/meminfo";
    return finding;
  }
  finding.found += fmt::format("; {} available to the machine", human_size(*available));
  // What a store locks cannot be reclaimed from it; as much again is for everything else.
  if (wanted > *available) {
    finding.level = Level::fail;
  } else if (wanted > *available / 2) {
    finding.level = Level::warn;
  }
  if (finding.level != Level::ok) {
    finding.found += fmt::format(", {} wanted", human_size(wanted));
    finding.remedy =
        "locked memory cannot be reclaimed: give the store less (--locked-max, "
        "Options::locked_bytes_max), or the machine more memory";
  }
  return finding;
}

Finding probe_lock_privilege(const Context& context) {
  constexpr unsigned kIpcLock = 14;  // CAP_IPC_LOCK of linux/capability.h
  Finding finding{.id = "memory.privilege", .level = Level::ok, .found = {}, .remedy = {}};
  if (context.platform.memory().account().privileged) {
    finding.found = "CAP_IPC_LOCK is there: no limit applies to locked memory";
    return finding;
  }
  const std::string capabilities =
      context.system.field("/proc/self/status", "CapEff").value_or("0");
  const bool of_namespace = (std::strtoull(capabilities.c_str(), nullptr, 16) >> kIpcLock & 1) != 0;
  finding.found = fmt::format(
      "{}: RLIMIT_MEMLOCK applies",
      of_namespace ? "CAP_IPC_LOCK of a user namespace, which lifts no limit" : "no CAP_IPC_LOCK");
  return finding;
}

Finding probe_cgroup_memory(const Context& context) {
  Finding finding{.id = "memory.cgroup", .level = Level::ok, .found = {}, .remedy = {}};
  const auto group = memory_cgroup(context.system);
  if (!group) {
    finding.found = "no control group limits memory";
    return finding;
  }
  const char* const limit_name = group->unified ? "/memory.max" : "/memory.limit_in_bytes";
  const char* const usage_name = group->unified ? "/memory.current" : "/memory.usage_in_bytes";
  // Each group above limits this one too.  Version 1 writes "no limit" as a number near 2^63.
  std::uint64_t least_left = UINT64_MAX;
  std::string narrowest;
  for (std::filesystem::path path = group->path;; path = path.parent_path()) {
    const std::string directory = path == "/" ? group->mount : group->mount + path.string();
    const auto limit = number_in(context.system.read(directory + limit_name).value_or(""));
    const auto usage = number_in(context.system.read(directory + usage_name).value_or(""));
    if (limit && *limit < (std::uint64_t{1} << 62)) {
      const std::uint64_t left = *limit - std::min(*limit, usage.value_or(0));
      if (left < least_left) {
        least_left = left;
        narrowest = fmt::format("{} ({} of {} left)", directory + limit_name, human_size(left),
                                human_size(*limit));
      }
    }
    if (!path.has_relative_path()) break;
  }
  if (narrowest.empty()) {
    finding.found = "no control group limits memory";
    return finding;
  }
  finding.found = "the narrowest limit is " + narrowest;
  // Locked memory cannot be reclaimed: what it takes, everything else in the group has to do without.
  if (least_left < context.wanted_locked_bytes) {
    finding.level = Level::fail;
  } else if (least_left < 4 * context.wanted_locked_bytes) {
    finding.level = Level::warn;
  }
  if (finding.level != Level::ok) {
    finding.remedy = fmt::format(
        "raise it (MemoryMax= of the unit, --memory of the container), or give the store less: "
        "--locked-max, Options::locked_bytes_max (now {})",
        human_size(context.wanted_locked_bytes));
  }
  return finding;
}

Finding probe_map_count(const Context& context) {
  constexpr std::uint64_t kSpare = 4096;
  Finding finding{.id = "memory.maps", .level = Level::ok, .found = {}, .remedy = {}};
  const auto most = number_in(context.system.read("/proc/sys/vm/max_map_count").value_or(""));
  if (!most) {
    finding.level = Level::warn;
    finding.found = "vm.max_map_count cannot be read";
    return finding;
  }
  const std::uint64_t now = context.system.lines("/proc/self/maps").size();
  finding.found =
      fmt::format("{} mappings of {} (vm.max_map_count) in use by this process", now, *most);
  if (*most < now + kSpare) {
    finding.level = Level::warn;
    finding.remedy = "sudo sysctl vm.max_map_count=65530";
  }
  return finding;
}

Finding probe_huge_pages(const Context& context) {
  const auto setting = context.system.read("/sys/kernel/mm/transparent_hugepage/enabled");
  Finding finding{.id = "memory.huge_pages", .level = Level::ok, .found = {}, .remedy = {}};
  if (!setting) {
    finding.found = "transparent huge pages: the kernel has none";
    return finding;
  }
  const auto begin = setting->find('[');
  const auto end = setting->find(']');
  const bool readable = begin != std::string::npos && end != std::string::npos && begin < end;
  finding.found = fmt::format("transparent huge pages: {}",
                              readable ? setting->substr(begin + 1, end - begin - 1) : *setting);
  return finding;
}

}  // namespace coffer::tools::doctor
