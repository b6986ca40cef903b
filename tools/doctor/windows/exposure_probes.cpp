// Where memory could get to: the paging file, hibernation, dumps.
#include <fmt/format.h>
#include <windows.h>

#include "platform/contracts.hpp"
#include "tools/doctor/probes.hpp"
#include "tools/system/registry.hpp"

namespace coffer::tools::doctor {
namespace {

constexpr const wchar_t* kMemoryManagement =
    LR"(SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management)";

}  // namespace

Finding probe_swap(const Context&) {
  Finding finding{.id = "exposure.swap", .level = Level::ok, .found = {}, .remedy = {}};
  const auto files = registry::strings(kMemoryManagement, L"PagingFiles");
  if (files.empty()) {
    finding.found = "no paging file";
    return finding;
  }
  const bool encrypted =
      registry::number(LR"(SYSTEM\CurrentControlSet\Policies)", L"NtfsEncryptPagingFile")
          .value_or(0) == 1;
  const bool cleared =
      registry::number(kMemoryManagement, L"ClearPageFileAtShutdown").value_or(0) == 1;
  finding.found =
      fmt::format("paging file {}: {}{}", files.front(), encrypted ? "encrypted" : "not encrypted",
                  cleared ? ", cleared at shutdown" : "");
  if (!encrypted) {
    // Locked memory does not get there; everything else of a service does, and all of it under proceed_unlocked.
    finding.level = Level::warn;
    finding.remedy =
        "fsutil behavior set EncryptPagingFile 1, and restart (or BitLocker on its volume)";
  }
  return finding;
}

Finding probe_hibernation(const Context&) {
  Finding finding{.id = "exposure.hibernation", .level = Level::ok, .found = {}, .remedy = {}};
  const auto enabled =
      registry::number(LR"(SYSTEM\CurrentControlSet\Control\Power)", L"HibernateEnabled");
  if (enabled.value_or(0) == 0) {
    finding.found = "hibernation is off";
    return finding;
  }
  finding.level = Level::warn;
  finding.found = "hibernation is on: it writes all memory, locked or not, to hiberfil.sys";
  finding.remedy = "powercfg /hibernate off (or BitLocker on the system volume)";
  return finding;
}

Finding probe_core_dumps(const Context&) {
  constexpr std::uint32_t kNone = 0;
  constexpr std::uint32_t kComplete = 1;
  constexpr std::uint32_t kSmall = 3;
  Finding finding{.id = "exposure.core_dumps", .level = Level::ok, .found = {}, .remedy = {}};
  const auto kind =
      registry::number(LR"(SYSTEM\CurrentControlSet\Control\CrashControl)", L"CrashDumpEnabled");
  if (!kind || *kind == kNone) {
    finding.found = "a system crash writes no dump";
  } else if (*kind == kComplete) {
    finding.level = Level::warn;
    finding.found = "a system crash writes all memory to MEMORY.DMP";
    finding.remedy =
        "set a small dump: SystemPropertiesAdvanced, Startup and Recovery, 'Small memory dump'";
  } else {
    finding.found = fmt::format("a system crash writes the kernel's memory{}",
                                *kind == kSmall ? " in small" : "");
  }
  return finding;
}

Finding probe_error_reports(const Context&) {
  constexpr std::uint32_t kFullDump = 2;
  constexpr const wchar_t* kLocalDumps =
      LR"(SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps)";
  Finding finding{.id = "exposure.error_reports", .level = Level::ok, .found = {}, .remedy = {}};
  const HMODULE library = ::GetModuleHandleW(L"kernel32.dll");
  const bool excludes =
      library != nullptr && ::GetProcAddress(library, "WerRegisterExcludedMemoryBlock") != nullptr;
  finding.found =
      excludes ? "error reporting can leave locked memory out of its dumps"
               : "this system cannot leave memory out of error reports (Windows 10 1703 can)";
  if (registry::exists(kLocalDumps) &&
      registry::number(kLocalDumps, L"DumpType").value_or(1) == kFullDump) {
    finding.level = Level::warn;
    finding.found += "; a crash of a program writes a full dump of it (LocalDumps, DumpType 2)";
    finding.remedy =
        R"(reg add "HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps" /v DumpType /t )"
        "REG_DWORD /d 1 /f";
  } else if (!excludes) {
    finding.level = Level::warn;
    finding.remedy = "update Windows, or turn error reporting off for the service";
  }
  return finding;
}

}  // namespace coffer::tools::doctor
