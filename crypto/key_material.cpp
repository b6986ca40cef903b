// Derivation of sub-keys with crypto_kdf; contexts and numbers stand in key_header_format.hpp.
#include "crypto/key_material.hpp"

#include <sodium.h>

#include <algorithm>
#include <new>
#include <type_traits>

#include "crypto/seal_format.hpp"
#include "platform/mutation.hpp"

namespace coffer::crypto {
namespace {

using key_header_format::kDataContext;
using DataNumber = key_header_format::DataKeyNumber;

static_assert(kKeyBytes == crypto_kdf_KEYBYTES);
static_assert(std::is_trivially_destructible_v<KeyMaterial>);

template <typename Number>
void derive(KeyBytes& out, const KeyBytes& from, const std::array<char, 8>& context,
            Number number) {
  static_assert(std::tuple_size_v<std::array<char, 8>> == crypto_kdf_CONTEXTBYTES);
  Ensures(crypto_kdf_derive_from_key(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                     static_cast<std::uint64_t>(number), context.data(),
                                     reinterpret_cast<const unsigned char*>(from.data())) == 0);
}

/// Derives an epoch's sub-keys from its data key.
void derive_epoch(KeyMaterial& keys, std::size_t index, const KeyBytes& data) {
  derive(keys.pages.at(index), data, kDataContext, DataNumber::pages);
  derive(keys.journal, data, kDataContext, DataNumber::journal);
  derive(keys.superblock, data, kDataContext, DataNumber::superblock);
  derive(keys.anchor, data, kDataContext, DataNumber::anchor);
  derive(keys.backup, data, kDataContext, DataNumber::backup);
}

}  // namespace

void KeyMaterial::wipe_key_encryption() noexcept {
  if (planted(Mutation::forget_key_wipe)) return;
  wipe(key_encryption);
  wipe(commitment);
  wipe(wrapping);
}

void KeyMaterial::wipe_opening() noexcept {
  wipe_key_encryption();
  wipe(data);
  wipe(derived);
}

KeyPage::KeyPage(platform::Memory& memory, platform::LockPolicy policy)
    : region_(memory.reserve(memory.page_bytes(), policy, "the store's keys")) {
  ensure_ready();
  Expects(memory.page_bytes() >= sizeof(KeyMaterial));
  region_->commit(0, memory.page_bytes());
  keys_ = new (region_->bytes().data()) KeyMaterial{};
}

void derive_slot_keys(KeyMaterial& keys) {
  using key_header_format::kKeyEncryptionContext;
  using Number = key_header_format::KeyEncryptionKeyNumber;
  derive(keys.commitment, keys.key_encryption, kKeyEncryptionContext, Number::commitment);
  derive(keys.wrapping, keys.key_encryption, kKeyEncryptionContext, Number::wrapping);
}

void derive_header_keys(KeyMaterial& keys) {
  derive(keys.header, keys.data, kDataContext, DataNumber::header);
  derive(keys.epochs, keys.data, kDataContext, DataNumber::epochs);
}

void derive_base_epoch(KeyMaterial& keys) {
  derive_epoch(keys, 0, keys.data);
}

void derive_further_epoch(KeyMaterial& keys, std::size_t index, std::uint32_t epoch,
                          std::span<const std::byte, key_header_format::kEpochSaltBytes> salt) {
  Expects(index > 0 && index < kEpochsMax);
  std::array<std::byte, sizeof epoch> number;
  seal_format::put_little_endian(number.data(), epoch);
  hash_into(keys.derived, keys.epochs,
            {std::as_bytes(std::span(key_header_format::kEpochText)), number, salt});
  derive_epoch(keys, index, keys.derived);
  wipe(keys.derived);
}

void copy_for_further_epoch(KeyMaterial& to, const KeyMaterial& from, std::size_t epochs) {
  Expects(epochs > 0 && epochs < kEpochsMax);
  to.header = from.header;
  to.epochs = from.epochs;
  std::copy_n(from.pages.begin(), epochs, to.pages.begin());
}

}  // namespace coffer::crypto
