// What is behind a coffer::Key: the secret's bytes in a locked page of their own.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <coffer/key.hpp>

#include "platform/platform.hpp"

namespace coffer {

struct Key::Secret {
  enum class Kind { raw, passphrase };
  static constexpr std::size_t kBytesMax = 1024;      ///< the longest passphrase
  static constexpr std::size_t kScratchBytes = 2048;  ///< room for a secret's text before decoding

  /// Locks a page; MemoryLockError when that cannot be, unless the policy says to go on.
  Secret(platform::Memory& memory, Kind kind, MemoryLocking locking = MemoryLocking::abort);
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  /// The secret: 32 bytes, or the passphrase.
  [[nodiscard]] std::span<const std::byte> bytes() const { return storage().first(size); }
  /// Where the makers put it.
  [[nodiscard]] std::span<std::byte> storage() const { return region->bytes().first(kBytesMax); }
  /// Locked room for what is not the secret yet.  Whoever uses it wipes it.
  [[nodiscard]] std::span<std::byte> scratch() const {
    return region->bytes().subspan(kBytesMax, kScratchBytes);
  }

  std::unique_ptr<platform::LockableRegion> region;  ///< wiped, unlocked and unmapped when it goes
  std::size_t size = 0;
  Kind kind;
  MemoryLocking locking;  ///< as asked for; whatever else is made of this secret follows it
  PassphraseCost cost;    ///< counts when a store is created
};

}  // namespace coffer
