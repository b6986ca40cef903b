// How much memory can be locked here, and what limits it.
#include <fmt/format.h>
#include <windows.h>

#include <vector>

#include "platform/windows/handle.hpp"
#include "tools/doctor/probes.hpp"
#include "tools/report.hpp"

namespace coffer::tools::doctor {
namespace {

using platform::windows_os::Handle;

enum class Privilege { absent, disabled, enabled };

Privilege privilege_of_process(const wchar_t* name) {
  LUID wanted{};
  HANDLE opened = nullptr;
  if (::LookupPrivilegeValueW(nullptr, name, &wanted) == 0 ||
      ::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &opened) == 0) {
    return Privilege::absent;
  }
  const Handle token(opened);
  DWORD bytes = 0;
  ::GetTokenInformation(token.get(), TokenPrivileges, nullptr, 0, &bytes);
  std::vector<char> memory(bytes);
  if (::GetTokenInformation(token.get(), TokenPrivileges, memory.data(), bytes, &bytes) == 0) {
    return Privilege::absent;
  }
  const auto* held = reinterpret_cast<const TOKEN_PRIVILEGES*>(memory.data());
  for (DWORD i = 0; i < held->PrivilegeCount; ++i) {
    const LUID_AND_ATTRIBUTES& one = held->Privileges[i];
    if (one.Luid.LowPart == wanted.LowPart && one.Luid.HighPart == wanted.HighPart) {
      return (one.Attributes & SE_PRIVILEGE_ENABLED) != 0 ? Privilege::enabled
                                                          : Privilege::disabled;
    }
  }
  return Privilege::absent;
}

const char* text_of(Privilege privilege) {
  switch (privilege) {
    case Privilege::absent:
      return "absent";
    case Privilege::disabled:
      return "held, not enabled";
    case Privilege::enabled:
      break;
  }
  return "enabled";
}

}  // namespace

std::string how_to_raise_lock_limit(std::uint64_t bytes) {
  return fmt::format(
      "Coffer grows the working set by itself where it may: give the account "
      "SeIncreaseWorkingSetPrivilege "
      "(secpol.msc, Local Policies, User Rights Assignment, 'Increase a process working set'), "
      "free {} of "
      "memory, and lift a job object's working-set limit if there is one",
      human_size(bytes));
}

Finding probe_lock_limits(const Context& context) {
  const platform::LockAccount account = context.platform.memory().account();
  return {.id = "memory.limit",
          .level = Level::ok,
          .found = fmt::format(
              "working set: minimum {}, maximum {}; {} locked by this process; the minimum grows "
              "as memory is locked",
              human_size(account.soft_limit_bytes), human_size(account.hard_limit_bytes),
              human_size(account.locked_bytes)),
          .remedy = {}};
}

Finding probe_lock_privilege(const Context&) {
  const Privilege increase = privilege_of_process(L"SeIncreaseWorkingSetPrivilege");
  const Privilege lock = privilege_of_process(L"SeLockMemoryPrivilege");
  Finding finding{.id = "memory.privilege", .level = Level::ok, .found = {}, .remedy = {}};
  finding.found = fmt::format(
      "SeIncreaseWorkingSetPrivilege: {} (needed to grow); SeLockMemoryPrivilege: {} (for large "
      "pages, which Coffer does not use)",
      text_of(increase), text_of(lock));
  if (increase == Privilege::absent) {
    finding.level = Level::warn;
    finding.remedy =
        "secpol.msc, Local Policies, User Rights Assignment: add the account to 'Increase a "
        "process "
        "working set', and sign in again";
  }
  return finding;
}

}  // namespace coffer::tools::doctor
