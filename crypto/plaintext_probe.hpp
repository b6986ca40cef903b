// Seal, then check that what goes to disk is not what came in.  A peer wrote plaintext for a while
// because a library call did nothing; in builds with assertions this catches that wherever tests
// run.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "crypto/seal.hpp"

namespace coffer::crypto {

/// Remembers both ends of a plaintext, which sealing in place overwrites, and wipes them.
class PlaintextProbe {
 public:
  explicit PlaintextProbe(std::span<const std::byte> plaintext) {
    if (plaintext.size() >= kProbeBytes) {
      std::copy_n(plaintext.begin(), kProbeBytes, head_.begin());
      std::copy_n(plaintext.end() - kProbeBytes, kProbeBytes, tail_.begin());
    }
  }
  PlaintextProbe(const PlaintextProbe&) = delete;
  PlaintextProbe& operator=(const PlaintextProbe&) = delete;
  ~PlaintextProbe() {
    wipe(head_);
    wipe(tail_);
  }

  /// False when either end of `ciphertext` is still the plaintext.  True for less than 16 bytes,
  /// which may be equal by chance.
  [[nodiscard]] bool changed_in(std::span<const std::byte> ciphertext) const {
    return ciphertext.size() < kProbeBytes ||
           (!std::equal(head_.begin(), head_.end(), ciphertext.begin()) &&
            !std::equal(tail_.begin(), tail_.end(), ciphertext.end() - kProbeBytes));
  }

 private:
  static constexpr std::ptrdiff_t kProbeBytes = 16;
  std::array<std::byte, kProbeBytes> head_{};
  std::array<std::byte, kProbeBytes> tail_{};
};

}  // namespace coffer::crypto
