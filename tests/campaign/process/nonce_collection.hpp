// Nonces by the million, and which of them occur twice.
//
// A nonce that was drawn counts once for each time that it was drawn.  One that was found on its way to the disk
// comes with what it sealed: the same unit may be seen again, in a copy of a store or in a backup, but not another one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/seal.hpp"

namespace coffer::campaign::process {

class NonceCollection {
 public:
  NonceCollection();

  /// A nonce's place in the collection: a digest of 128 bits under a key of this object's own, so that two nonces are
  /// taken for one with a chance of 2^-76 among 50 million, and one for two never.
  using Digest = std::array<std::uint64_t, 2>;
  [[nodiscard]] Digest digest(std::span<const std::byte> bytes) const;

  /// Drawn nonces, as they were digested.  Thread-safe, as are the others.
  void add_drawn(std::span<const Digest> digests);
  /// A unit that was sealed under `nonce`; nothing when the nonce is all zero, which is no unit.
  void add_sealed(std::span<const std::byte> nonce, std::span<const std::byte> unit);
  /// What is written, or stands, at `offset` of a file of a store or of a backup of this name.
  void add_from(std::string_view name, std::uint64_t offset, std::span<const std::byte> bytes);

  [[nodiscard]] std::uint64_t drawn() const;
  [[nodiscard]] std::uint64_t sealed() const;

  /// How many nonces there are too many.  Takes the collection apart: to be called once, last.
  [[nodiscard]] std::uint64_t repeats();

 private:
  struct Sealed {
    Digest nonce;
    std::uint64_t unit;
    friend auto operator<=>(const Sealed&, const Sealed&) = default;
  };

  std::array<std::byte, crypto::kShortHashKeyBytes> key_{};
  mutable std::mutex mutex_;
  std::vector<Digest> drawn_;
  std::vector<Sealed> sealed_;
};

}  // namespace coffer::campaign::process
