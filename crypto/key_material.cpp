// Derivation of sub-keys with crypto_kdf; contexts and numbers stand in key_header_format.hpp.
#include "crypto/key_material.hpp"

#include <sodium.h>

#include <new>
#include <type_traits>

namespace coffer::crypto {
namespace {

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

}  // namespace

void KeyMaterial::wipe_key_encryption() noexcept {
  wipe(key_encryption);
  wipe(commitment);
  wipe(wrapping);
}

void KeyMaterial::wipe_opening() noexcept {
  wipe_key_encryption();
  wipe(data);
  wipe(header);
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

void derive_data_keys(KeyMaterial& keys) {
  using key_header_format::kDataContext;
  using Number = key_header_format::DataKeyNumber;
  derive(keys.header, keys.data, kDataContext, Number::header);
  derive(keys.pages, keys.data, kDataContext, Number::pages);
  derive(keys.journal, keys.data, kDataContext, Number::journal);
  derive(keys.superblock, keys.data, kDataContext, Number::superblock);
  derive(keys.anchor, keys.data, kDataContext, Number::anchor);
  derive(keys.backup, keys.data, kDataContext, Number::backup);
}

}  // namespace coffer::crypto
