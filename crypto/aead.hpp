// The two calls of libsodium's AEAD, with nothing around them, so that published vectors can be run
// through the very calls that seal and open a store.  Everybody else uses Sealer (crypto/seal.hpp).
#pragma once

#include <sodium.h>

#include <span>

#include "crypto/seal.hpp"

namespace coffer::crypto::aead {

static_assert(kKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kNonceBytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kTagBytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

inline unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
inline const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

/// Encrypts `plaintext` to `ciphertext` (same size, the same memory or apart).  `key` is kKeyBytes.
inline Tag encrypt(std::byte* ciphertext, std::span<const std::byte> plaintext,
                   std::span<const std::byte> associated, const Nonce& nonce,
                   const std::byte* key) {
  Tag tag;
  if (plaintext.empty()) {  // libsodium takes no null pointer, not even for nothing.
    ciphertext = tag.data();
  }
  crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
      raw(ciphertext), raw(tag.data()), nullptr, raw(plaintext.data()), plaintext.size(),
      raw(associated.data()), associated.size(), nullptr, raw(nonce.data()), raw(key));
  return tag;
}

/// Decrypts when the tag fits, else returns false.  The tag is verified before a byte is written.
[[nodiscard]] inline bool decrypt(std::byte* plaintext, std::span<const std::byte> ciphertext,
                                  const Tag& tag, std::span<const std::byte> associated,
                                  const Nonce& nonce, const std::byte* key) {
  if (ciphertext.empty()) {
    ciphertext = std::span(tag).first(0);
  }
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
             raw(plaintext), nullptr, raw(ciphertext.data()), ciphertext.size(), raw(tag.data()),
             raw(associated.data()), associated.size(), raw(nonce.data()), raw(key)) == 0;
}

}  // namespace coffer::crypto::aead
