// Slots: derivation, commitment, wrapping (the layout stands in key_header_format.hpp).
#include "crypto/key_slot.hpp"

#include <sodium.h>

#include <algorithm>
#include <string>

#include <coffer/error.hpp>

#include "crypto/key_secret.hpp"
#include "crypto/seal_format.hpp"
#include "platform/mutation.hpp"

namespace coffer::crypto {
namespace {

namespace layout = key_header_format;
using seal_format::get_little_endian;
using seal_format::put_little_endian;

static_assert(layout::slot::kSaltBytes == crypto_pwhash_argon2id_SALTBYTES);
static_assert(layout::kMemoryMin >= crypto_pwhash_argon2id_MEMLIMIT_MIN);
static_assert(layout::kPassesMin >= crypto_pwhash_argon2id_OPSLIMIT_MIN);

std::uint32_t passes_of(std::span<const std::byte> slot) {
  return get_little_endian<std::uint32_t>(&slot[layout::slot::kPassesAt]);
}

std::uint64_t memory_of(std::span<const std::byte> slot) {
  return get_little_endian<std::uint64_t>(&slot[layout::slot::kMemoryAt]);
}

std::uint32_t slot_epoch(std::span<const std::byte> slot) {
  return get_little_endian<std::uint32_t>(&slot[layout::slot::kEpochAt]);
}

/// Makes `keys.key_encryption` and what follows from it, with the slot's own parameters.
void derive_from_secret(KeyMaterial& keys, const Key::Secret& secret,
                        std::span<const std::byte> slot) {
  const auto bytes = secret.bytes();
  if (secret.kind == Key::Secret::Kind::raw) {
    Expects(bytes.size() == keys.key_encryption.size());
    std::copy(bytes.begin(), bytes.end(), keys.key_encryption.begin());
  } else {
    const std::uint64_t memory = memory_of(slot);
    Expects(cost_allowed(passes_of(slot), memory));
    if (!argon2id(keys.key_encryption, bytes,
                  slot.subspan(layout::slot::kSaltAt, layout::slot::kSaltBytes), passes_of(slot),
                  memory)) {
      keys.wipe_key_encryption();
      throw Error("Argon2id could not have its " + std::to_string(memory) +
                  " bytes of memory: free some, or raise the process's memory limit");
    }
  }
  derive_slot_keys(keys);
}

Hash commitment_of(std::span<const std::byte> copy, const StoreId& store, std::size_t number,
                   const KeyMaterial& keys) {
  const std::array<std::byte, 1> place = {static_cast<std::byte>(number)};
  return hash(keys.commitment,
              {copy.subspan(layout::kVersionAt, layout::kPageBytesAt - layout::kVersionAt), store,
               place, slot_bytes(copy, number).first(layout::slot::kCommitmentAt)});
}

AssociatedData place_of(std::size_t number, std::uint32_t epoch) {
  return {.role = Role::wrapped_key,
          .level = static_cast<std::uint8_t>(number),
          .epoch = epoch,
          .a = epoch,
          .b = 0};
}

}  // namespace

bool argon2id(std::span<std::byte> out, std::span<const std::byte> passphrase,
              std::span<const std::byte> salt, std::uint64_t passes, std::uint64_t memory_bytes) {
  Expects(salt.size() == layout::slot::kSaltBytes);
  ensure_ready();
  return crypto_pwhash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                       reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                       reinterpret_cast<const unsigned char*>(salt.data()), passes,
                       gsl::narrow<std::size_t>(memory_bytes), crypto_pwhash_ALG_ARGON2ID13) == 0;
}

std::span<const std::byte> slot_bytes(std::span<const std::byte> copy, std::size_t number) {
  Expects(number < layout::kSlots && copy.size() == layout::kCopyBytes);
  return copy.subspan(layout::kSlotsAt + number * layout::kSlotBytes, layout::kSlotBytes);
}

std::span<std::byte> slot_bytes(std::span<std::byte> copy, std::size_t number) {
  Expects(number < layout::kSlots && copy.size() == layout::kCopyBytes);
  return copy.subspan(layout::kSlotsAt + number * layout::kSlotBytes, layout::kSlotBytes);
}

SlotKind kind_of(const Key::Secret& secret) {
  return secret.kind == Key::Secret::Kind::raw ? SlotKind::raw_key : SlotKind::passphrase;
}

bool cost_allowed(std::uint32_t passes, std::uint64_t memory_bytes) {
  return passes >= layout::kPassesMin && passes <= layout::kPassesMax &&
         memory_bytes >= layout::kMemoryMin && memory_bytes <= layout::kMemoryMax;
}

std::int64_t base_epoch_of(std::span<const std::byte> copy) {
  return std::int64_t{get_little_endian<std::uint32_t>(&copy[layout::kEpochAt])} -
         std::int64_t{get_little_endian<std::uint32_t>(&copy[layout::kDerivedEpochsAt])};
}

std::optional<SlotChoice> slots_of(std::span<const std::byte> copy, SlotKind kind) {
  SlotChoice choice;
  std::uint64_t work = 0;
  for (std::size_t number = 0; number < layout::kSlots; ++number) {
    const auto slot = slot_bytes(copy, number);
    const auto state = std::to_integer<std::uint8_t>(slot[layout::slot::kStateAt]);
    const auto found = std::to_integer<std::uint8_t>(slot[layout::slot::kKindAt]);
    if (state == static_cast<std::uint8_t>(SlotState::empty)) {
      continue;
    }
    const bool raw = found == static_cast<std::uint8_t>(SlotKind::raw_key);
    const bool passphrase = found == static_cast<std::uint8_t>(SlotKind::passphrase);
    if (state != static_cast<std::uint8_t>(SlotState::used) || (!raw && !passphrase) ||
        slot_epoch(slot) != base_epoch_of(copy)) {
      return std::nullopt;
    }
    if (passphrase) {
      if (!cost_allowed(passes_of(slot), memory_of(slot))) {
        return std::nullopt;
      }
      work += passes_of(slot) * memory_of(slot);  // At most 8 times kWorkMax: no overflow.
    }
    if (found == static_cast<std::uint8_t>(kind)) {
      choice.numbers[choice.count++] = number;
    }
  }
  if (work > layout::kWorkMax) {
    return std::nullopt;
  }
  return choice;
}

void write_slot(std::span<std::byte> copy, const StoreId& store, std::size_t number,
                const Key::Secret& secret, std::uint32_t epoch, KeyMaterial& keys,
                platform::Entropy& entropy) {
  const auto slot = slot_bytes(copy, number);
  std::fill(slot.begin(), slot.end(), std::byte{0});
  slot[layout::slot::kStateAt] = static_cast<std::byte>(SlotState::used);
  slot[layout::slot::kKindAt] = static_cast<std::byte>(kind_of(secret));
  put_little_endian(&slot[layout::slot::kEpochAt], epoch);
  if (secret.kind == Key::Secret::Kind::passphrase) {
    put_little_endian(&slot[layout::slot::kPassesAt], secret.cost.passes);
    put_little_endian(&slot[layout::slot::kMemoryAt], secret.cost.memory_bytes);
    entropy.fill(slot.subspan(layout::slot::kSaltAt, layout::slot::kSaltBytes));
  }
  derive_from_secret(keys, secret, slot);

  const Nonce nonce = NonceRun(entropy).next();
  std::copy(nonce.begin(), nonce.end(), &slot[layout::slot::kNonceAt]);
  const Tag tag = Sealer(Suite::xchacha20poly1305, store, keys.wrapping)
                      .seal(slot.subspan(layout::slot::kWrappedAt, kKeyBytes), keys.data,
                            place_of(number, epoch), nonce);
  std::copy(tag.begin(), tag.end(), &slot[layout::slot::kTagAt]);
  const Hash commitment = commitment_of(copy, store, number, keys);
  std::copy(commitment.begin(), commitment.end(), &slot[layout::slot::kCommitmentAt]);
  keys.wipe_key_encryption();
}

SlotOutcome open_slot(std::span<const std::byte> copy, const StoreId& store, std::size_t number,
                      const Key::Secret& secret, KeyMaterial& keys) {
  const auto slot = slot_bytes(copy, number);
  derive_from_secret(keys, secret, slot);

  SlotOutcome outcome = SlotOutcome::not_ours;
  if (equal_secrets(commitment_of(copy, store, number, keys),
                    slot.subspan(layout::slot::kCommitmentAt, kHashBytes)) ||
      planted(Mutation::skip_commitment)) {
    Nonce nonce;
    std::copy_n(&slot[layout::slot::kNonceAt], nonce.size(), nonce.begin());
    Tag tag;
    std::copy_n(&slot[layout::slot::kTagAt], tag.size(), tag.begin());
    const bool opened = Sealer(Suite::xchacha20poly1305, store, keys.wrapping)
                            .open(keys.data, slot.subspan(layout::slot::kWrappedAt, kKeyBytes), tag,
                                  place_of(number, slot_epoch(slot)), nonce);
    outcome = opened ? SlotOutcome::opened : SlotOutcome::forged;
  }
  keys.wipe_key_encryption();
  return outcome;
}

}  // namespace coffer::crypto
