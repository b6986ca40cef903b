// Sealing and opening (invariants S1 to S5 in seal.hpp).
//
// `seal` and `open` allocate nothing, lock nothing and call nothing virtual: a point read opens
// three pages, and what they cost is the cipher.  A failed `open` returns false; what that means
// (Tampered, Corrupted, the crash's torn tail) only the caller knows.
#include "crypto/seal.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/aead.hpp"
#include "crypto/plaintext_probe.hpp"
#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::crypto {
namespace {

static_assert(kHashBytes == crypto_generichash_BYTES);
static_assert(kTagBytes >= crypto_generichash_BYTES_MIN);

using aead::raw;

/// BLAKE2b over several parts.  Its state holds key and plaintext: it is wiped when done.
class Blake2b {
 public:
  Blake2b(std::span<const std::byte> key, std::size_t out_bytes) {
    Ensures(crypto_generichash_init(&state_, key.empty() ? nullptr : raw(key.data()), key.size(),
                                    out_bytes) == 0);
  }
  Blake2b(const Blake2b&) = delete;
  Blake2b& operator=(const Blake2b&) = delete;
  ~Blake2b() { sodium_memzero(&state_, sizeof state_); }

  void add(std::span<const std::byte> part) {
    if (!part.empty()) {
      crypto_generichash_update(&state_, raw(part.data()), part.size());
    }
  }
  void finish(std::span<std::byte> out) {
    crypto_generichash_final(&state_, raw(out.data()), out.size());
  }

 private:
  crypto_generichash_state state_;
};

Tag checksum(const seal_format::Encoded& associated, const Nonce& nonce,
             std::span<const std::byte> data) {
  Blake2b blake({}, kTagBytes);
  blake.add(associated);
  blake.add(nonce);
  blake.add(data);
  Tag tag;
  blake.finish(tag);
  return tag;
}

/// The two buffers are the same memory or do not touch: libsodium promises nothing in between.
[[maybe_unused]] bool same_or_apart(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.data() == b.data() || a.data() + a.size() <= b.data() || b.data() + b.size() <= a.data();
}

// Only where it is planted.
bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}
bool zeros_as_they_are(std::span<std::byte> plaintext) {
  std::ranges::fill(plaintext, std::byte{0});
  return true;
}

}  // namespace

NonceRun::NonceRun(NonceRun&& other) noexcept
    : entropy_(other.entropy_),
      prefix_(other.prefix_),
      counter_(other.counter_),
      drawn_(std::exchange(other.drawn_, false)) {}

NonceRun& NonceRun::operator=(NonceRun&& other) noexcept {
  entropy_ = other.entropy_;
  prefix_ = other.prefix_;
  counter_ = other.counter_;
  // The source may go on with another prefix only.  Moved onto itself, a run merely draws anew.
  drawn_ = std::exchange(other.drawn_, false) && this != &other;
  return *this;
}

Nonce NonceRun::next() {
  if (!drawn_) {
    entropy_->fill(prefix_);  // When this throws, nothing was drawn and the next call tries again.
    counter_ = 0;
    drawn_ = true;
  }
  const std::uint32_t mine = counter_;
  if (!planted(Mutation::reuse_nonce)) ++counter_;
  drawn_ = counter_ != 0 || planted(Mutation::reuse_nonce);

  Nonce nonce;
  static_assert(sizeof prefix_ + sizeof mine == kNonceBytes);
  std::copy(prefix_.begin(), prefix_.end(), nonce.begin());
  seal_format::put_little_endian(nonce.data() + prefix_.size(), mine);
  return nonce;
}

Sealer::Sealer(Suite suite, const StoreId& store, std::span<const std::byte> key)
    : suite_(suite), ready_(true), store_(store), key_(key.data()) {
  ensure_ready();
  Expects(suite == Suite::none || suite == Suite::xchacha20poly1305);
  Expects(key.size() == (suite == Suite::none ? 0 : kKeyBytes));
}

Tag Sealer::seal(std::span<std::byte> ciphertext, std::span<const std::byte> plaintext,
                 const AssociatedData& place, const Nonce& nonce) const {
  Expects(ready_);
  Expects(ciphertext.size() == plaintext.size());
  Expects(same_or_apart(ciphertext, plaintext));
  const seal_format::Encoded associated = seal_format::encode(store_, place);

  if (suite_ == Suite::none) {
    if (!plaintext.empty()) {
      std::memmove(ciphertext.data(), plaintext.data(), plaintext.size());
    }
    return checksum(associated, nonce, ciphertext);
  }

#ifndef NDEBUG
  const PlaintextProbe probe(plaintext);
#endif
  const Tag tag = aead::encrypt(ciphertext.data(), plaintext, associated, nonce, key_);
#ifndef NDEBUG
  Ensures(probe.changed_in(ciphertext));
#endif
  return tag;
}

bool Sealer::open(std::span<std::byte> plaintext, std::span<const std::byte> ciphertext,
                  const Tag& tag, const AssociatedData& place, const Nonce& nonce) const {
  Expects(ready_);
  Expects(ciphertext.size() == plaintext.size());
  Expects(same_or_apart(plaintext, ciphertext));
  const seal_format::Encoded associated = seal_format::encode(store_, place);

  bool genuine = false;
  if (suite_ == Suite::none) {
    genuine = equal_secrets(checksum(associated, nonce, ciphertext), tag);
    if (genuine && !plaintext.empty()) {
      std::memmove(plaintext.data(), ciphertext.data(), ciphertext.size());
    }
  } else {
    genuine = aead::decrypt(plaintext.data(), ciphertext, tag, associated, nonce, key_);
    if (planted(Mutation::accept_zeros) && all_zero(ciphertext))
      return zeros_as_they_are(plaintext);
  }
  if (!genuine) {
    wipe(plaintext);
  }
  return genuine;
}

void wipe(std::span<std::byte> bytes) noexcept {
  if (!bytes.empty()) {
    sodium_memzero(bytes.data(), bytes.size());
  }
}

bool equal_secrets(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  Expects(a.size() == b.size());
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void hash_into(std::span<std::byte, kHashBytes> out, std::span<const std::byte> key,
               std::initializer_list<std::span<const std::byte>> parts) {
  ensure_ready();
  Expects(key.empty() || (key.size() >= crypto_generichash_KEYBYTES_MIN &&
                          key.size() <= crypto_generichash_KEYBYTES_MAX));
  Blake2b blake(key, kHashBytes);
  for (const auto part : parts) {
    blake.add(part);
  }
  blake.finish(out);
}

Hash hash(std::span<const std::byte> key, std::initializer_list<std::span<const std::byte>> parts) {
  Hash out;
  hash_into(out, key, parts);
  return out;
}

ShortHash short_hash(std::span<const std::byte, kShortHashKeyBytes> key,
                     std::span<const std::byte> data) {
  static_assert(kShortHashKeyBytes == crypto_shorthash_siphashx24_KEYBYTES);
  static_assert(sizeof(ShortHash) == crypto_shorthash_siphashx24_BYTES);
  ShortHash out;
  crypto_shorthash_siphashx24(raw(out.data()), raw(data.data()), data.size(), raw(key.data()));
  return out;
}

Filler::Filler(platform::Entropy& entropy) {
  ensure_ready();
  entropy.fill(seed_);
}

Filler::~Filler() {
  wipe(seed_);
}

void Filler::fill(std::span<std::byte> out) {
  static_assert(sizeof seed_ == crypto_stream_chacha20_KEYBYTES);
  static_assert(sizeof counter_ == crypto_stream_chacha20_NONCEBYTES);
  // The seed is the key and each call has a nonce of its own.  Plain ChaCha20 suffices: no nonce is
  // random here, and it saves a key derivation on every slot.
  std::array<std::byte, sizeof counter_> nonce;
  seal_format::put_little_endian(nonce.data(), counter_);
  ++counter_;
  if (!out.empty()) {
    crypto_stream_chacha20(raw(out.data()), out.size(), raw(nonce.data()), raw(seed_.data()));
  }
}

void ensure_ready() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) {
    throw Error(
        "libsodium could not start: the system's random number generator gives nothing; check that "
        "/dev/urandom exists and getrandom is allowed");
  }
}

}  // namespace coffer::crypto
