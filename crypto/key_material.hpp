// Every key of an open store, in one locked page.
//
// Invariants
//   M1  Key bytes are written to this page by the derivation itself and are never copied elsewhere.
//   M2  What only opening needs (key-encryption key, data key, header key) is wiped when it is done;
//       what stays are the sub-keys in use.
//   M3  The page's region has guard pages and is missing from dumps and forked children, so that a
//       forked child can seal nothing.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "crypto/key_header_format.hpp"
#include "crypto/seal.hpp"
#include "platform/platform.hpp"

namespace coffer::crypto {

using KeyBytes = std::array<std::byte, kKeyBytes>;

/// Lies in locked memory only.
struct KeyMaterial {
  // Needed while opening.
  KeyBytes key_encryption;
  KeyBytes commitment;
  KeyBytes wrapping;
  KeyBytes data;
  KeyBytes header;
  // Needed while the store is open.
  KeyBytes pages;
  KeyBytes journal;
  KeyBytes superblock;
  KeyBytes anchor;
  KeyBytes backup;

  /// Wipes the keys that come from the caller's secret.
  void wipe_key_encryption() noexcept;
  /// Wipes all that only opening needs.
  void wipe_opening() noexcept;
};

/// A locked page that holds one KeyMaterial; wiped and given back by its destructor.
class KeyPage {
 public:
  /// MemoryLockError when the page cannot be locked.
  KeyPage(platform::Memory& memory, platform::LockPolicy policy);
  [[nodiscard]] KeyMaterial& operator*() const { return *keys_; }
  [[nodiscard]] KeyMaterial* operator->() const { return keys_; }

 private:
  std::unique_ptr<platform::LockableRegion> region_;
  KeyMaterial* keys_ = nullptr;
};

/// Derives commitment and wrapping keys from `keys.key_encryption`.
void derive_slot_keys(KeyMaterial& keys);
/// Derives the header key and all sub-keys from `keys.data`.
void derive_data_keys(KeyMaterial& keys);

}  // namespace coffer::crypto
