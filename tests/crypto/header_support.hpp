// Headers made to measure: known keys, known entropy, and the means to alter a header as somebody
// would who knows the data key, or who does not.
#pragma once

#include <sodium.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <coffer/error.hpp>
#include <coffer/key.hpp>

#include "crypto/key_header.hpp"
#include "crypto/key_header_format.hpp"
#include "support.hpp"

namespace coffer::test {

namespace layout = crypto::key_header_format;
inline constexpr auto kPolicy = platform::LockPolicy::abort;
inline constexpr std::size_t kSecond = layout::kCopyBytes;  ///< where the second copy begins

/// The key of golden_values.py.
inline Key golden_key() {
  return Key::from_bytes(counting(32, 0x40));
}
inline Key filled_key(unsigned value) {
  return Key::from_bytes(ByteVector(32, static_cast<std::byte>(value)));
}

/// Created with counting entropy: store id 00.., data key 10.., nonce 30...
inline crypto::OpenedKeyHeader create_golden(const Key* key, std::uint32_t page_bytes = 4096) {
  CountingPlatform platform;
  return crypto::create_key_header(platform, key, {.page_bytes = page_bytes}, kPolicy);
}

inline crypto::OpenedKeyHeader open_header(const ByteVector& file, const Key* key) {
  return crypto::open_key_header(platform::native_platform(), file, key, kPolicy, "store/keys");
}

/// How opening ended.
enum class Outcome { opened, repaired, wrong_key, tampered, corrupted, unsupported, invalid };

inline std::ostream& operator<<(std::ostream& out, Outcome outcome) {
  static const char* const names[] = {"opened",    "repaired",    "wrong_key", "tampered",
                                      "corrupted", "unsupported", "invalid"};
  return out << names[static_cast<int>(outcome)];
}

struct Attempt {
  Outcome outcome{};
  std::string text;
  ByteVector bytes;
};

inline Attempt attempt(const ByteVector& file, const Key* key) {
  try {
    auto opened = open_header(file, key);
    return {opened.repaired ? Outcome::repaired : Outcome::opened, "", std::move(opened.bytes)};
  } catch (const WrongKey& error) {
    return {Outcome::wrong_key, error.what(), {}};
  } catch (const Tampered& error) {
    return {Outcome::tampered, error.what(), {}};
  } catch (const Corrupted& error) {
    return {Outcome::corrupted, error.what(), {}};
  } catch (const VersionUnsupported& error) {
    return {Outcome::unsupported, error.what(), {}};
  } catch (const InvalidArgument& error) {
    return {Outcome::invalid, error.what(), {}};
  }
}

/// BLAKE2b-256 by libsodium directly.
inline void blake(std::byte* out, const std::byte* data, std::size_t size,
                  const ByteVector& key = {}) {
  crypto_generichash(
      reinterpret_cast<unsigned char*>(out), 32, reinterpret_cast<const unsigned char*>(data), size,
      key.empty() ? nullptr : reinterpret_cast<const unsigned char*>(key.data()), key.size());
}

/// Makes the checksum of the copy at `at` fit, which anybody can.
inline void fix_checksum(ByteVector& file, std::size_t at) {
  blake(&file[at + 4032], &file[at], 4032);
}

/// Makes checksum and MAC fit: only who knows the data key (here: of the golden header) can.
inline void fix_all(ByteVector& file, std::size_t at) {
  fix_checksum(file, at);
  const ByteVector data_key = counting(32, 0x10);
  ByteVector header_key(32);
  crypto_kdf_derive_from_key(reinterpret_cast<unsigned char*>(header_key.data()), 32, 4, "cofferDK",
                             reinterpret_cast<const unsigned char*>(data_key.data()));
  blake(&file[at + 4064], &file[at], 4064, header_key);
}

/// Makes checksum and hash of an unencrypted copy fit.
inline void fix_keyless(ByteVector& file, std::size_t at) {
  fix_checksum(file, at);
  blake(&file[at + 4064], &file[at], 4064);
}

inline ByteVector part(const ByteVector& file, std::size_t at, std::size_t size) {
  return to_vector(std::span(file).subspan(at, size));
}

inline void put(ByteVector& file, std::size_t at, const ByteVector& bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace coffer::test
