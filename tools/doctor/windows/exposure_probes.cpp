// Where memory could get to: the paging file, hibernation, dumps.
#include <fmt/format.h>
#include <windows.h>

#include <filesystem>
#include <string>
#include <vector>

#include "platform/contracts.hpp"
#include "tools/doctor/probes.hpp"
#include "tools/system/registry.hpp"

namespace coffer::tools::doctor {
namespace {

constexpr const wchar_t* kMemoryManagement =
    LR"(SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management)";
constexpr const wchar_t* kLocalDumps =
    LR"(SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps)";

/// A key that has error reporting write all memory of a program that crashes.
struct FullDump {
  std::wstring key;
  std::string program;
};

/// Of every program, and of those with a key of their own: one of them may be the one with the store.
std::vector<FullDump> full_dumps() {
  constexpr std::uint32_t kFull = 2;
  std::vector<FullDump> dumps;
  const auto look_at = [&](const std::wstring& key, std::string program) {
    if (registry::number(key.c_str(), L"DumpType") == kFull)
      dumps.push_back({.key = key, .program = std::move(program)});
  };
  look_at(kLocalDumps, "any program");
  for (const std::wstring& name : registry::subkeys(kLocalDumps)) {
    look_at(std::wstring(kLocalDumps) + L'\\' + name, std::filesystem::path(name).string());
  }
  return dumps;
}

std::string programs_of(const std::vector<FullDump>& dumps) {
  std::string text;
  for (const FullDump& dump : dumps) text += (text.empty() ? "" : " or ") + dump.program;
  return text;
}

std::string how_to_shorten(const std::vector<FullDump>& dumps) {
  std::string commands;
  for (const FullDump& dump : dumps) {
    commands +=
        fmt::format(R"({}reg add "HKLM\{}" /v DumpType /t REG_DWORD /d 1 /f)",
                    commands.empty() ? "" : " & ", std::filesystem::path(dump.key).string());
  }
  return commands;
}

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
  Finding finding{.id = "exposure.error_reports", .level = Level::ok, .found = {}, .remedy = {}};
  const HMODULE library = ::GetModuleHandleW(L"kernel32.dll");
  const bool excludes =
      library != nullptr && ::GetProcAddress(library, "WerRegisterExcludedMemoryBlock") != nullptr;
  finding.found =
      excludes ? "error reporting can leave locked memory out of its dumps"
               : "this system cannot leave memory out of error reports (Windows 10 1703 can)";
  if (const std::vector<FullDump> dumps = full_dumps(); !dumps.empty()) {
    finding.level = Level::warn;
    finding.found += fmt::format(
        "; a crash of {} writes a full dump of it (LocalDumps, DumpType 2)", programs_of(dumps));
    finding.remedy = how_to_shorten(dumps);
  } else if (!excludes) {
    finding.level = Level::warn;
    finding.remedy = "update Windows, or turn error reporting off for the service";
  }
  return finding;
}

}  // namespace coffer::tools::doctor
