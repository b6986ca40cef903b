// What is probed alike on every system.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <vector>

#include "tools/doctor/probes.hpp"
#include "tools/report.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::tools::doctor {
namespace {

/// Locks up to `wanted` bytes, piece by piece, and lets go of them again.
std::uint64_t lockable_bytes(platform::Memory& memory, std::uint64_t wanted) {
  const std::uint64_t page = memory.page_bytes();
  const std::uint64_t most = (wanted + page - 1) / page * page;
  const auto region = memory.reserve(most, platform::LockPolicy::abort, "the diagnosis");
  std::uint64_t locked = 0;
  // Halving steps find the end within a page.
  for (std::uint64_t step = std::bit_floor(most); step >= page; step /= 2) {
    while (step <= most - locked) {
      try {
        region->commit(locked, step);
      } catch (const MemoryLockError&) {
        break;
      }
      locked += step;
    }
  }
  return locked;
}

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

Level lock_level_of(std::uint64_t bytes, std::uint64_t wanted) {
  return bytes >= wanted ? Level::ok : bytes >= txn::kLeastLockedBytes ? Level::warn : Level::fail;
}

Finding probe_locking(const Context& context) {
  const std::uint64_t wanted = context.wanted_locked_bytes;
  Finding finding{.id = "memory.lock", .level = Level::ok, .found = {}, .remedy = {}};
  std::uint64_t locked = 0;
  try {
    locked = lockable_bytes(context.platform.memory(), wanted);
  } catch (const Error& error) {
    finding.level = Level::fail;
    finding.found = fmt::format("no memory to lock can be had: {}", error.what());
    finding.remedy = "raise the limit on address space (ulimit -v), or free memory";
    return finding;
  }
  finding.level = lock_level_of(locked, wanted);
  if (finding.level == Level::ok) {
    finding.found = fmt::format("{} locked and let go of again", human_size(locked));
    return finding;
  }
  finding.found =
      fmt::format("{} of the wanted {} could be locked; a store needs {} at the least",
                  human_size(locked), human_size(wanted), human_size(txn::kLeastLockedBytes));
  finding.remedy = how_to_raise_lock_limit(wanted);
  return finding;
}

Finding probe_page_size(const Context& context) {
  constexpr std::uint64_t kLargest = 64 * 1024;
  const std::uint64_t bytes = context.platform.memory().page_bytes();
  Finding finding{.id = "memory.page_size", .level = Level::ok, .found = {}, .remedy = {}};
  finding.found = fmt::format("the system's pages have {}", human_size(bytes));
  if (bytes > kLargest) {
    finding.level = Level::warn;
    finding.remedy = "memory is locked in whole pages: give stores a larger --locked-max";
  }
  return finding;
}

Finding probe_policy(const Context& context) {
  if (!context.proceed_unlocked) {
    return {.id = "memory.policy",
            .level = Level::ok,
            .found = "abort: what cannot be locked is not used",
            .remedy = {}};
  }
  return {.id = "memory.policy",
          .level = Level::warn,
          .found = "proceed_unlocked: plaintext may reach swap where memory cannot be locked",
          .remedy = "leave out --proceed-unlocked (MemoryLocking::proceed_unlocked)"};
}

Finding probe_free_space(const Context& context) {
  constexpr std::uint64_t kLittle = 1ull << 30;
  constexpr std::uint64_t kTooLittle = 64ull << 20;
  Finding finding{.id = "disk.space", .level = Level::ok, .found = {}, .remedy = {}};
  try {
    const std::uint64_t bytes = context.platform.files().free_bytes(context.directory);
    finding.found =
        fmt::format("{} free where {} is", human_size(bytes), context.directory.string());
    finding.level = bytes < kTooLittle ? Level::fail : bytes < kLittle ? Level::warn : Level::ok;
  } catch (const Error& error) {
    finding.level = Level::warn;
    finding.found = error.what();
  }
  if (finding.level != Level::ok) {
    finding.remedy = "free space: a commit without room for the next checkpoint fails with NoSpace";
  }
  return finding;
}

Finding probe_cipher(const Context&) {
  Finding finding{.id = "machine.cipher", .level = Level::ok, .found = {}, .remedy = {}};
  if (sodium_init() < 0) {
    finding.level = Level::fail;
    finding.found = "libsodium does not start";
    finding.remedy = "reinstall libsodium (Debian: libsodium23)";
    return finding;
  }
  return cipher_finding(cipher_speed());
}

Finding cipher_finding(double bytes_per_second) {
  constexpr double kSlow = 100e6;
  Finding finding{.id = "machine.cipher", .level = Level::ok, .found = {}, .remedy = {}};
  finding.found = fmt::format(
      "libsodium {}{}: XChaCha20-Poly1305 at {:.0f} MB/s on one core", sodium_version_string(),
      sodium_runtime_has_avx2() != 0 ? " with AVX2" : "", bytes_per_second / 1e6);
  if (bytes_per_second == 0) {
    finding.level = Level::fail;
    finding.found = "libsodium does not open what it sealed";
    finding.remedy = "reinstall libsodium; then suspect the processor or the memory";
  } else if (bytes_per_second < kSlow) {
    finding.level = Level::warn;
    finding.remedy = "expect slow reads; a libsodium built for this processor may do better";
  }
  return finding;
}

}  // namespace coffer::tools::doctor
