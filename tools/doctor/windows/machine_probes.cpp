// Entropy, and what kind of machine this is.
#include <coffer/error.hpp>

#include <cpuid.h>
#include <fmt/format.h>
#include <windows.h>

#include <array>

#include "tools/doctor/probes.hpp"

namespace coffer::tools::doctor {

Finding probe_entropy(const Context& context) {
  Finding finding{.id = "machine.entropy", .level = Level::ok, .found = {}, .remedy = {}};
  try {
    std::array<std::byte, 32> bytes{};
    context.platform.entropy().fill(bytes);
    finding.found = "BCryptGenRandom gives random bytes";
  } catch (const Error& error) {
    finding.level = Level::fail;
    finding.found = error.what();
    finding.remedy = "let the sandbox load bcrypt.dll, or repair the system: sfc /scannow";
  }
  return finding;
}

Finding probe_virtualisation(const Context&) {
  constexpr unsigned kHypervisor = 1u << 31;
  Finding finding{.id = "machine.kind", .level = Level::ok, .found = {}, .remedy = {}};
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  const bool guest = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kHypervisor) != 0;
  finding.found = guest
                      ? "a hypervisor is below: where this is a guest, its host can read its memory"
                      : "no hypervisor is below";
  const HMODULE library = ::GetModuleHandleW(L"ntdll.dll");
  if (library != nullptr && ::GetProcAddress(library, "wine_get_version") != nullptr) {
    finding.level = Level::warn;
    finding.found = "Wine, not Windows: it does not lock memory as Windows does; " + finding.found;
    finding.remedy = "use the program for the system that runs Wine";
  }
  return finding;
}

}  // namespace coffer::tools::doctor
