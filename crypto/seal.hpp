// Sealing and opening: the only place where an AEAD is called.
//
// A sealed unit is ciphertext of the plaintext's length, a 24-byte nonce and a 16-byte tag.  Where
// the three stand is the caller's format; the rule is that a unit is opened with the tag from its
// *reference*, never with one found beside it (docs/format.md).
//
// Invariants
//   S1  A nonce is used once: NonceRun advances before it hands one out, whatever happens then.
//   S2  Every sealed thing is bound to its place by AssociatedData, which is never stored: it is
//       built again from where the reader found the reference.
//   S3  `open` writes nothing to `plaintext` that did not verify: on failure `plaintext` is wiped.
//   S4  No mapped address reaches libsodium: callers pass private copies (an AEAD reads its input
//       twice).
//   S5  There is no way to seal in the clear by mistake: a Sealer that was made without a suite ends
//       the process when used, and in builds with assertions `seal` checks that an encrypted suite
//       changed what it was given.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "platform/platform.hpp"

namespace coffer::crypto {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 24;
inline constexpr std::size_t kTagBytes = 16;
inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kStoreIdBytes = 16;

/// Units are best padded to a multiple of this.  libsodium's ChaCha20 works on several blocks of 64 bytes at a time, and
/// takes longer for what is left over than for whole steps: 2,943 bytes take 2.87 us, and 3,072 take 2.75 (libsodium 1.0.18
/// with AVX2).  And how much a unit holds shows less exactly.
inline constexpr std::size_t kSealStepBytes = 256;

/// `bytes` rounded up to whole steps, unless there is only room for fewer.
[[nodiscard]] constexpr std::size_t padded_to_step(std::size_t bytes, std::size_t room) {
  return std::min((bytes + kSealStepBytes - 1) / kSealStepBytes * kSealStepBytes, room);
}

using Nonce = std::array<std::byte, kNonceBytes>;
using Tag = std::array<std::byte, kTagBytes>;
using Hash = std::array<std::byte, kHashBytes>;
using StoreId = std::array<std::byte, kStoreIdBytes>;

/// Cipher suites, as the key header names them.  Never read per record.
enum class Suite : std::uint16_t {
  none = 0,               ///< unencrypted: a keyless BLAKE2b-128 checksum in the tag's place
  xchacha20poly1305 = 1,  ///< XChaCha20-Poly1305 (IETF), libsodium
};

/// What a sealed unit is; part of its associated data, so that none can stand in for another.
enum class Role : std::uint8_t {
  page = 1,            ///< a logical page in a slot: a = page number
  table_node = 2,      ///< a page-table node: level, a = index
  free_node = 3,       ///< a free-map node: level, a = index
  superblock = 4,      ///< level = copy index (0, 1)
  journal_header = 5,  ///< a = position (lsn)
  journal_body = 6,    ///< a = position (lsn), b = commit number
  value_chunk = 7,     ///< a = value id, b = chunk index
  wrapped_key = 8,     ///< the data key in a key slot: level = slot number, a = epoch
  backup_chunk = 9,    ///< reserved for backup/
};

/// Binds a sealed unit to its place.  Encoded as 48 bytes (crypto/seal_format.hpp).
struct AssociatedData {
  Role role{};
  std::uint8_t level = 0;
  std::uint32_t epoch = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

/// Nonces for one sealing run (a commit, a spill, a checkpoint, a recovery, a run of chunks): 20
/// fresh bytes from the operating system's generator and a 4-byte counter, drawn anew on
/// wrap-around. Move-only, one thread at a time, kept outside of anything that rolls back.
class NonceRun {
 public:
  /// Draws from `entropy` on first use, not here.  `entropy` outlives the run.
  explicit NonceRun(platform::Entropy& entropy) : entropy_(&entropy) {}
  NonceRun(NonceRun&& other) noexcept;
  NonceRun& operator=(NonceRun&& other) noexcept;
  NonceRun(const NonceRun&) = delete;
  NonceRun& operator=(const NonceRun&) = delete;

  [[nodiscard]] Nonce next();
  /// Forces fresh bytes before the next nonce (a new run).
  void renew() noexcept { drawn_ = false; }

 private:
  friend struct NonceRunProbe;  // tests set the counter: 2^32 calls are too many to make
  platform::Entropy* entropy_;
  std::array<std::byte, 20> prefix_{};
  std::uint32_t counter_ = 0;
  bool drawn_ = false;
};

/// Seals and opens under one sub-key.  Holds a pointer to key bytes in locked memory that outlive
/// it. Thread-safe (const).
class Sealer {
 public:
  /// Good for nothing but being assigned to.
  Sealer() = default;
  /// `key` must stay where it is (locked memory) while the sealer is used; empty for Suite::none.
  Sealer(Suite suite, const StoreId& store, std::span<const std::byte> key);

  /// Encrypts `plaintext` into `ciphertext` (same size; may be the same memory) and gives the tag.
  [[nodiscard]] Tag seal(std::span<std::byte> ciphertext, std::span<const std::byte> plaintext,
                         const AssociatedData& place, const Nonce& nonce) const;
  /// Verifies and decrypts `ciphertext` into `plaintext` (same size; may be the same memory).
  /// False, and `plaintext` wiped, when the tag does not fit.
  [[nodiscard]] bool open(std::span<std::byte> plaintext, std::span<const std::byte> ciphertext,
                          const Tag& tag, const AssociatedData& place, const Nonce& nonce) const;

  [[nodiscard]] Suite suite() const { return suite_; }

 private:
  Suite suite_ = Suite::none;
  bool ready_ = false;
  StoreId store_{};
  const std::byte* key_ = nullptr;
};

/// Wipes memory in a way that the compiler cannot drop (sodium_memzero).
void wipe(std::span<std::byte> bytes) noexcept;
/// Constant-time comparison of secrets and tags; sizes must be equal.
[[nodiscard]] bool equal_secrets(std::span<const std::byte> a,
                                 std::span<const std::byte> b) noexcept;
/// BLAKE2b-256, keyed when `key` is not empty, of the concatenation of `parts`.
[[nodiscard]] Hash hash(std::span<const std::byte> key,
                        std::initializer_list<std::span<const std::byte>> parts);
/// The same, into `out`: for keys, which are in locked memory only.
void hash_into(std::span<std::byte, kHashBytes> out, std::span<const std::byte> key,
               std::initializer_list<std::span<const std::byte>> parts);
/// SipHash-2-4 with 128 bits, under a secret key of the process (never a store's): for tables in memory.
inline constexpr std::size_t kShortHashKeyBytes = 16;
using ShortHash = std::array<std::byte, 16>;
[[nodiscard]] ShortHash short_hash(std::span<const std::byte, kShortHashKeyBytes> key,
                                   std::span<const std::byte> data);
/// Fills `out` with bytes that cannot be told from ciphertext, from an ephemeral random seed that
/// is used with no store key and for nothing else: what pads the rest of a slot.  One thread at a
/// time.
class Filler {
 public:
  explicit Filler(platform::Entropy& entropy);
  ~Filler();
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;
  void fill(std::span<std::byte> out);

 private:
  std::array<std::byte, 32> seed_{};
  std::uint64_t counter_ = 0;
};

/// Calls sodium_init once; throws Error when the library cannot start.
void ensure_ready();

}  // namespace coffer::crypto
