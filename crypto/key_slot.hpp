// One key slot: the data key wrapped under a key-encryption key, and the commitment to that key.
//
// XChaCha20-Poly1305 does not commit to its key: somebody who knows two keys can make one wrapped
// data key that both open, to different contents.  So a slot is first compared with its keyed
// commitment, and unwrapped only when that fits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <coffer/key.hpp>

#include "crypto/key_header_format.hpp"
#include "crypto/key_material.hpp"
#include "crypto/seal.hpp"
#include "platform/platform.hpp"

namespace coffer::crypto {

enum class SlotState : std::uint8_t { empty = 0, used = 1 };
enum class SlotKind : std::uint8_t { raw_key = 1, passphrase = 2 };

/// Argon2id version 1.3, one lane: fills `out` from `passphrase`.  False when its memory cannot be
/// had, or a parameter is none that libsodium takes.  The caller has checked the caps.
[[nodiscard]] bool argon2id(std::span<std::byte> out, std::span<const std::byte> passphrase,
                            std::span<const std::byte> salt, std::uint64_t passes,
                            std::uint64_t memory_bytes);

/// The bytes of slot `number` in `copy`.
[[nodiscard]] std::span<const std::byte> slot_bytes(std::span<const std::byte> copy,
                                                    std::size_t number);
[[nodiscard]] std::span<std::byte> slot_bytes(std::span<std::byte> copy, std::size_t number);

/// The kind of slot that `secret` opens.
[[nodiscard]] SlotKind kind_of(const Key::Secret& secret);

/// The epoch whose data key the slots of `copy` wrap.  Works on bytes that nothing has verified yet:
/// below 1 in a copy that cannot be.
[[nodiscard]] std::int64_t base_epoch_of(std::span<const std::byte> copy);

/// Slot numbers, in the order in which they are tried.
struct SlotChoice {
  std::array<std::size_t, key_header_format::kSlots> numbers{};
  std::size_t count = 0;
};

/// The used slots of `kind`; nullopt when a slot is of no known state or kind or of another epoch
/// than the copy's base epoch, or asks more or less of Argon2id than the caps allow, alone or together.  Runs
/// nothing.
[[nodiscard]] std::optional<SlotChoice> slots_of(std::span<const std::byte> copy, SlotKind kind);

/// True when `cost` is within the caps.
[[nodiscard]] bool cost_allowed(std::uint32_t passes, std::uint64_t memory_bytes);

/// Fills slot `number` of `copy`, whose version, suite and store id are in place: wraps `keys.data`
/// under `secret`; `epoch` is the base epoch.  Throws Error when Argon2id cannot have its memory.
void write_slot(std::span<std::byte> copy, const StoreId& store, std::size_t number,
                const Key::Secret& secret, std::uint32_t epoch, KeyMaterial& keys,
                platform::Entropy& entropy);

enum class SlotOutcome {
  opened,    ///< `keys.data` is the data key
  not_ours,  ///< the commitment is another key's
  forged,    ///< committed to, and yet it does not unwrap
};

/// Tries `secret` on slot `number`, whose parameters `slots_of` has accepted.
[[nodiscard]] SlotOutcome open_slot(std::span<const std::byte> copy, const StoreId& store,
                                    std::size_t number, const Key::Secret& secret,
                                    KeyMaterial& keys);

}  // namespace coffer::crypto
