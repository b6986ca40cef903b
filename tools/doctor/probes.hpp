// The probes of the diagnostics.  Each looks at one matter and says what it found; none changes
// anything, and none fails: what cannot be looked at is a finding too.
//
// What a probe can try, it tries (locks memory, syncs a file, draws random bytes); the rest it reads
// from where the system says it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "platform/platform.hpp"
#include "tools/doctor/finding.hpp"
#include "tools/system/system_files.hpp"

namespace coffer::tools::doctor {

struct Context {
  platform::Platform& platform;
  SystemFiles system;
  std::uint64_t wanted_locked_bytes;  ///< what a store's budget will be
  std::filesystem::path directory;    ///< where a store is, or would be
  bool proceed_unlocked = false;      ///< MemoryLocking::proceed_unlocked is asked for
};

using Probe = Finding (*)(const Context&);

// Alike everywhere: common_probes.cpp
[[nodiscard]] Finding probe_locking(const Context& context);
[[nodiscard]] Finding probe_policy(const Context& context);
[[nodiscard]] Finding probe_page_size(const Context& context);
[[nodiscard]] Finding probe_free_space(const Context& context);
[[nodiscard]] Finding probe_cipher(const Context& context);
/// What it is worth that libsodium seals and opens so many bytes in a second.
[[nodiscard]] Finding cipher_finding(double bytes_per_second);

/// What it is worth to be able to lock `bytes` when `wanted` are asked for.
[[nodiscard]] Level lock_level_of(std::uint64_t bytes, std::uint64_t wanted);

// What each system has its own of; what it has not, it does not show.

/// How a process comes to be allowed to lock so many bytes.
[[nodiscard]] std::string how_to_raise_lock_limit(std::uint64_t bytes);
[[nodiscard]] Finding probe_lock_limits(const Context& context);
[[nodiscard]] Finding probe_lock_privilege(const Context& context);
// Linux
[[nodiscard]] Finding probe_other_lockers(const Context& context);
[[nodiscard]] Finding probe_cgroup_memory(const Context& context);
[[nodiscard]] Finding probe_map_count(const Context& context);
[[nodiscard]] Finding probe_huge_pages(const Context& context);
[[nodiscard]] Finding probe_ptrace(const Context& context);
[[nodiscard]] Finding probe_direct_io(const Context& context);
// Windows
[[nodiscard]] Finding probe_error_reports(const Context& context);

// Where plaintext could get to
[[nodiscard]] Finding probe_swap(const Context& context);
[[nodiscard]] Finding probe_hibernation(const Context& context);
[[nodiscard]] Finding probe_core_dumps(const Context& context);

// The disk
[[nodiscard]] Finding probe_file_system(const Context& context);
[[nodiscard]] Finding probe_sync(const Context& context);

// The rest
[[nodiscard]] Finding probe_entropy(const Context& context);
[[nodiscard]] Finding probe_virtualisation(const Context& context);

/// Of a store that exists: who may get at its files.
[[nodiscard]] Finding probe_store_access(const Context& context);

/// This system's probes, in the order in which they are shown.
[[nodiscard]] std::span<const Probe> probes();
/// What all of them find, in the order in which they are shown; those of a store when there is one.
[[nodiscard]] std::vector<Finding> examine(const Context& context, bool is_store);

}  // namespace coffer::tools::doctor
