// Entropy, the cipher, and what kind of machine this is.
#include <fmt/format.h>
#include <sodium.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "tools/doctor/probes.hpp"

namespace coffer::tools::doctor {
namespace {

/// Bytes sealed and opened in a second, in pages as the engine does it.
double cipher_speed() {
  constexpr std::size_t kPage = 4096;
  constexpr auto kLong = std::chrono::milliseconds(60);
  std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_KEYBYTES> key{};
  std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> nonce{};
  std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_ABYTES> tag{};
  std::vector<unsigned char> page(kPage);
  std::size_t bytes = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::duration<double> taken{};
  do {
    ++nonce[0];
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(page.data(), tag.data(), nullptr,
                                                        page.data(), kPage, nullptr, 0, nullptr,
                                                        nonce.data(), key.data());
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(page.data(), nullptr, page.data(),
                                                            kPage, tag.data(), nullptr, 0,
                                                            nonce.data(), key.data()) != 0) {
      return 0;
    }
    bytes += 2 * kPage;
    taken = std::chrono::steady_clock::now() - begin;
  } while (taken < kLong);
  return static_cast<double>(bytes) / taken.count();
}

}  // namespace

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

Finding probe_cipher(const Context&) {
  constexpr double kSlow = 100e6;
  Finding finding{.id = "machine.cipher", .level = Level::ok, .found = {}, .remedy = {}};
  if (sodium_init() < 0) {
    finding.level = Level::fail;
    finding.found = "libsodium does not start";
    finding.remedy = "reinstall libsodium (Debian: libsodium23)";
    return finding;
  }
  const double speed = cipher_speed();
  finding.found = fmt::format("libsodium {}{}: XChaCha20-Poly1305 at {:.0f} MB/s on one core",
                              sodium_version_string(),
                              sodium_runtime_has_avx2() != 0 ? " with AVX2" : "", speed / 1e6);
  if (speed == 0) {
    finding.level = Level::fail;
    finding.found = "libsodium does not open what it sealed";
    finding.remedy = "reinstall libsodium; then suspect the processor or the memory";
  } else if (speed < kSlow) {
    finding.level = Level::warn;
    finding.remedy = "expect slow reads; a libsodium built for this processor may do better";
  }
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
