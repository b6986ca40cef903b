// What the tests of sealing share: a place in a store, and sealers of a known key.
#pragma once

#include <algorithm>
#include <span>

#include "crypto/seal.hpp"
#include "golden_values.hpp"
#include "support.hpp"

namespace coffer::test {

inline const crypto::AssociatedData kPlace = {.role = crypto::Role::journal_body,
                                              .level = 2,
                                              .epoch = 3,
                                              .a = 0x1122334455667788,
                                              .b = 0x99AABBCCDDEEFF00};

inline crypto::StoreId store_id() {
  return to_array<crypto::StoreId>(counting(crypto::kStoreIdBytes));
}
inline crypto::Nonce nonce() {
  crypto::Nonce out{};
  const ByteVector prefix = counting(20, 0x30);
  std::copy(prefix.begin(), prefix.end(), out.begin());
  return out;
}

/// A sealer of either suite; its key outlives it.
inline crypto::Sealer sealer(crypto::Suite suite) {
  static const ByteVector key = from_hex(golden::kSealKey);
  return {suite, store_id(),
          suite == crypto::Suite::none ? std::span<const std::byte>()
                                       : std::span<const std::byte>(key)};
}

}  // namespace coffer::test
