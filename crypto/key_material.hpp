// Every key of an open store, in one locked page.
//
// Invariants
//   M1  Key bytes are written to this page by the derivation itself and are never copied elsewhere
//       but to another such page (a ring's successor with one more epoch).
//   M2  What only opening needs (key-encryption key, data keys) is wiped when it is done.  What
//       stays are the sub-keys in use, and two that a further epoch needs, since that is made when
//       no caller's secret is at hand: the epochs key, from which its data key is derived, and the
//       header key, which authenticates the new header.  Neither gives the wrapped data key or the
//       base epoch's sub-keys away; the epochs key gives those of every derived epoch, also to come.
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

/// The base epoch and those derived from it.
inline constexpr std::size_t kEpochsMax = 1 + key_header_format::kDerivedEpochsMax;

/// Lies in locked memory only.
struct KeyMaterial {
  // Needed while opening.
  KeyBytes key_encryption;
  KeyBytes commitment;
  KeyBytes wrapping;
  KeyBytes data;     ///< the wrapped one: of the base epoch
  KeyBytes derived;  ///< a derived epoch's data key, while its sub-keys are made
  // Needed for a further epoch.
  KeyBytes header;
  KeyBytes epochs;
  // Needed while the store is open.
  std::array<KeyBytes, kEpochsMax> pages;  ///< of the base epoch, and of derived epoch 1, 2, ...
  // Of the newest epoch that was derived.
  KeyBytes journal;
  KeyBytes superblock;
  KeyBytes anchor;
  KeyBytes backup;

  /// Wipes the keys that come from the caller's secret.
  void wipe_key_encryption() noexcept;
  /// Wipes all that only opening needs.
  void wipe_opening() noexcept;
};

static_assert(sizeof(KeyMaterial) <= 4096, "must fit the smallest page of memory");

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
/// Derives from `keys.data` what comes from the wrapped data key only: header key and epochs key.
void derive_header_keys(KeyMaterial& keys);
/// Derives the base epoch's sub-keys from `keys.data`.
void derive_base_epoch(KeyMaterial& keys);
/// Derives the sub-keys of `epoch`, the `index`-th (from 1) after the base epoch, from the epochs key
/// and its salt.  Journal, superblock, anchor and backup keys are its from then on.
void derive_further_epoch(KeyMaterial& keys, std::size_t index, std::uint32_t epoch,
                          std::span<const std::byte, key_header_format::kEpochSaltBytes> salt);
/// Copies what a ring with `epochs` epochs passes on to one with a further epoch.
void copy_for_further_epoch(KeyMaterial& to, const KeyMaterial& from, std::size_t epochs);

}  // namespace coffer::crypto
