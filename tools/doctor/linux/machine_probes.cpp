// Entropy, the cipher, and what kind of machine this is.
#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tools/doctor/probes.hpp"

namespace coffer::tools::doctor {
Finding probe_entropy(const Context&) {
  Finding finding{.id = "machine.entropy", .level = Level::ok, .found = {}, .remedy = {}};
  std::array<unsigned char, 32> bytes{};
  const ssize_t got = ::getrandom(bytes.data(), bytes.size(), GRND_NONBLOCK);
  if (got == ssize_t{bytes.size()}) {
    finding.found = "getrandom gives random bytes at once";
    return finding;
  }
  finding.level = Level::fail;
  finding.found = errno == EAGAIN ? "the kernel's generator has not been seeded yet"
                                  : fmt::format("getrandom failed: {}", std::strerror(errno));
  finding.remedy = errno == EAGAIN ? "wait, or give the machine a source (virtio-rng for a guest)"
                                   : "let the sandbox pass the system call getrandom";
  return finding;
}

Finding probe_virtualisation(const Context& context) {
  Finding finding{.id = "machine.kind", .level = Level::ok, .found = {}, .remedy = {}};
  std::string container = context.system.read("/run/systemd/container").value_or("");
  if (container.empty() && context.system.exists("/.dockerenv")) container = "docker";
  if (container.empty() && context.system.exists("/run/.containerenv")) container = "podman";
  bool guest = false;
  for (const std::string& line : context.system.lines("/proc/cpuinfo")) {
    if (line.starts_with("flags")) {
      guest = (line + " ").find(" hypervisor ") != std::string::npos;
      break;
    }
  }
  const std::string vendor =
      context.system.read("/sys/class/dmi/id/sys_vendor").value_or("of an unknown make");
  finding.found = container.empty() ? "no container" : "a container (" + container + ")";
  finding.found +=
      guest ? fmt::format(", on a virtual machine ({}): its host can read its memory", vendor)
            : fmt::format(", on a machine {}", vendor);
  return finding;
}

}  // namespace coffer::tools::doctor
