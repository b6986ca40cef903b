// The KeyRing of an open store: sealers over a locked page of sub-keys.
#pragma once

#include <memory>

#include "crypto/key_header.hpp"
#include "crypto/key_material.hpp"

namespace coffer::crypto {

/// What a ring knows besides keys.
struct RingIdentity {
  Suite suite = Suite::none;
  StoreId store{};
  std::uint32_t base_epoch = 0;
  std::uint32_t epoch = 0;  ///< the current one
  Hash header_hash{};
};

/// Makes the ring of an encrypted store.  `page` holds the sub-keys of all its epochs; what only
/// opening needs is wiped here.
[[nodiscard]] std::unique_ptr<KeyRing> make_key_ring(const RingIdentity& identity, KeyPage page);
/// Makes the ring of an unencrypted store, which has no keys.
[[nodiscard]] std::unique_ptr<KeyRing> make_keyless_ring(const RingIdentity& identity);
/// The keys of a ring that one of these has made; nullptr for an unencrypted store's.
[[nodiscard]] const KeyMaterial* key_material_of(const KeyRing& ring);

}  // namespace coffer::crypto
