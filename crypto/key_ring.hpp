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
  std::uint32_t epoch = 0;
  Hash header_hash{};
};

/// Makes the ring of an encrypted store.  `page` holds the derived sub-keys; what only opening
/// needs is wiped here.
[[nodiscard]] std::unique_ptr<KeyRing> make_key_ring(const RingIdentity& identity, KeyPage page);
/// Makes the ring of an unencrypted store, which has no keys.
[[nodiscard]] std::unique_ptr<KeyRing> make_keyless_ring(const RingIdentity& identity);

}  // namespace coffer::crypto
