// Creating, opening and renewing the `keys` file (invariants H1 to H6 in key_header.hpp).
//
// Opening goes through the copies in three steps, each of which may only narrow:
//
//   1  inspect   magic, checksum, version, suite: what a copy claims to be, without any key
//   2  unlock    highest generation first: slots, commitment, unwrapping, MAC
//   3  decide    the first copy that verifies wholly is written to both places
//
//   no copy has its checksum            Corrupted (all zero, no magic, or damaged: three texts)
//   a copy with its checksum is newer   VersionUnsupported
//   key given, no copy is encrypted     InvalidArgument; the same for no key and any encrypted copy
//   a slot's bytes cannot be            Tampered, unless the other copy verifies
//   a slot opens and the MAC fails      Tampered, unless the other copy verifies
//                                       (suite none: Corrupted)
//   no slot commits to the key          WrongKey
//   authentic, with a page size or      VersionUnsupported
//   epochs that cannot be
#include "crypto/key_header.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/key_header_format.hpp"
#include "crypto/key_ring.hpp"
#include "crypto/key_secret.hpp"
#include "crypto/key_slot.hpp"
#include "crypto/seal_format.hpp"
#include "platform/mutation.hpp"

namespace coffer::crypto {
namespace {

namespace layout = key_header_format;
using seal_format::get_little_endian;
using seal_format::put_little_endian;
using CopyView = std::span<const std::byte>;

// ---- One copy

enum class Claim { blank, foreign, damaged, newer, intact };

std::uint32_t version_of(CopyView copy) {
  return get_little_endian<std::uint32_t>(&copy[layout::kVersionAt]);
}
std::uint16_t suite_of(CopyView copy) {
  return get_little_endian<std::uint16_t>(&copy[layout::kSuiteAt]);
}
std::uint32_t page_bytes_of(CopyView copy) {
  return get_little_endian<std::uint32_t>(&copy[layout::kPageBytesAt]);
}
std::uint32_t epoch_of(CopyView copy) {
  return get_little_endian<std::uint32_t>(&copy[layout::kEpochAt]);
}
std::uint64_t generation_of(CopyView copy) {
  return get_little_endian<std::uint64_t>(&copy[layout::kGenerationAt]);
}
std::uint32_t derived_epochs_of(CopyView copy) {
  return get_little_endian<std::uint32_t>(&copy[layout::kDerivedEpochsAt]);
}
/// The salt of the `index`-th derived epoch, from 1.
std::span<const std::byte, layout::kEpochSaltBytes> epoch_salt(CopyView copy, std::size_t index) {
  Expects(index >= 1 && index <= layout::kDerivedEpochsMax);
  return copy.subspan(layout::kEpochSaltsAt + (index - 1) * layout::kEpochSaltBytes)
      .first<layout::kEpochSaltBytes>();
}
StoreId store_of(CopyView copy) {
  StoreId store;
  std::copy_n(&copy[layout::kStoreIdAt], store.size(), store.begin());
  return store;
}

bool encrypted(CopyView copy) {
  return suite_of(copy) != static_cast<std::uint16_t>(Suite::none);
}

Hash checksum_of(CopyView copy) {
  return hash({}, {copy.first(layout::kChecksumAt)});
}

bool mac_fits(CopyView copy, std::span<const std::byte> header_key) {
  return planted(Mutation::skip_header_mac) ||
         equal_secrets(hash(header_key, {copy.first(layout::kMacAt)}),
                       copy.subspan(layout::kMacAt, kHashBytes));
}

Claim inspect(CopyView copy) {
  if (std::all_of(copy.begin(), copy.end(), [](std::byte b) { return b == std::byte{0}; })) {
    return Claim::blank;
  }
  if (!std::equal(layout::kMagic.begin(), layout::kMagic.end(), copy.begin(),
                  [](char c, std::byte b) { return static_cast<std::byte>(c) == b; })) {
    return Claim::foreign;
  }
  // The checksum goes first: a version or suite that a flipped bit has changed is damage.
  if (!equal_secrets(checksum_of(copy), copy.subspan(layout::kChecksumAt, kHashBytes))) {
    return Claim::damaged;
  }
  const bool known = version_of(copy) == layout::kVersion &&
                     (suite_of(copy) == static_cast<std::uint16_t>(Suite::none) ||
                      suite_of(copy) == static_cast<std::uint16_t>(Suite::xchacha20poly1305));
  return known ? Claim::intact : Claim::newer;
}

bool page_bytes_allowed(std::uint32_t page_bytes) {
  return page_bytes >= layout::kPageBytesMin && page_bytes <= layout::kPageBytesMax &&
         std::has_single_bit(page_bytes);
}

/// Epochs begin with 1, and the base epoch is one.
bool epochs_allowed(CopyView copy) {
  return derived_epochs_of(copy) <= layout::kDerivedEpochsMax && base_epoch_of(copy) >= 1;
}

/// Derives the sub-keys of every epoch of `copy`, which is authentic; the data key and the epochs
/// key are in `keys`.
void derive_all_epochs(CopyView copy, KeyMaterial& keys) {
  Expects(epochs_allowed(copy));
  const std::uint32_t derived = derived_epochs_of(copy);
  derive_base_epoch(keys);
  for (std::uint32_t i = 1; i <= derived; ++i) {
    derive_further_epoch(keys, i, epoch_of(copy) - derived + i, epoch_salt(copy, i));
  }
}

enum class Verdict { verified, not_ours, tampered };

/// Verifies an unencrypted copy, which is damage control only.
Verdict unlock_keyless(CopyView copy) {
  return mac_fits(copy, {}) ? Verdict::verified : Verdict::tampered;
}

/// Looks for the slot that `secret` opens and verifies the MAC with what it holds.  Verified: the
/// data key and what the header needs are in `keys`.
Verdict unlock(CopyView copy, const Key::Secret& secret, KeyMaterial& keys) {
  const auto slots = slots_of(copy, kind_of(secret));
  if (!slots) {
    return Verdict::tampered;
  }
  for (std::size_t i = 0; i < slots->count; ++i) {
    switch (open_slot(copy, store_of(copy), slots->numbers[i], secret, keys)) {
      case SlotOutcome::not_ours:
        break;
      case SlotOutcome::forged:
        return Verdict::tampered;
      case SlotOutcome::opened:
        derive_header_keys(keys);
        return mac_fits(copy, keys.header) ? Verdict::verified : Verdict::tampered;
    }
  }
  return Verdict::not_ours;
}

// ---- Both copies

/// Refuses what cannot be a header, and gives the copies that have their checksum, newest first.
std::vector<CopyView> intact_copies(std::span<const std::byte> file, const std::string& name) {
  const std::string restore = "restore the store from a backup";
  if (file.size() != layout::kFileBytes) {
    throw Corrupted(name + ": the key header is " + std::to_string(file.size()) + " bytes, not " +
                    std::to_string(layout::kFileBytes) + ": truncated or damaged; " + restore);
  }
  std::vector<CopyView> intact;
  std::size_t blank = 0;
  std::size_t foreign = 0;
  for (std::size_t i = 0; i < layout::kCopies; ++i) {
    const CopyView copy = file.subspan(i * layout::kCopyBytes, layout::kCopyBytes);
    switch (inspect(copy)) {
      case Claim::blank:
        ++blank;
        break;
      case Claim::foreign:
        ++foreign;
        break;
      case Claim::damaged:
        break;
      case Claim::newer:
        throw VersionUnsupported(name + ": key header of format " +
                                 std::to_string(version_of(copy)) + " with cipher suite " +
                                 std::to_string(suite_of(copy)) +
                                 ", written by a newer Coffer: open it with that version");
      case Claim::intact:
        intact.push_back(copy);
        break;
    }
  }
  if (intact.empty()) {
    if (blank == layout::kCopies) {
      throw Corrupted(name + ": the key header is all zero bytes, so it was destroyed; " + restore);
    }
    if (blank + foreign == layout::kCopies) {
      throw Corrupted(name +
                      ": not a Coffer store: the key header does not begin with its magic; " +
                      "give another path, or " + restore);
    }
    throw Corrupted(name + ": the checksums of both copies of the key header fail: damaged; " +
                    restore);
  }
  std::stable_sort(intact.begin(), intact.end(),
                   [](CopyView a, CopyView b) { return generation_of(a) > generation_of(b); });
  return intact;
}

/// Keeps the copies of the kind that the caller expects (H4).
void keep_expected(std::vector<CopyView>& copies, bool key_given, const std::string& name) {
  const auto sealed = std::count_if(copies.begin(), copies.end(), encrypted);
  if (!key_given && sealed != 0) {
    throw InvalidArgument(name + ": the store is encrypted and no key was given: give its key");
  }
  if (key_given && sealed == 0) {
    throw InvalidArgument(
        name +
        ": a key was given, but the store says that it is not encrypted: if it should be, it was "
        "replaced; otherwise open it without a key");
  }
  if (key_given) {
    copies.erase(std::remove_if(copies.begin(), copies.end(),
                                [](CopyView copy) { return !encrypted(copy); }),
                 copies.end());
  }
}

[[noreturn]] void refuse(bool tampered, bool key_given, const Key* key, const std::string& name) {
  if (tampered && !key_given) {
    throw Corrupted(name +
                    ": the key header's hash fails: damaged; restore the store from a backup");
  }
  if (tampered) {
    throw Tampered(name +
                   ": the key header was changed by somebody else than Coffer (its authentication "
                   "fails); restore the store from a backup");
  }
  throw WrongKey(name + (key->is_passphrase()
                             ? ": the passphrase opens no passphrase slot of this store; give the "
                               "right passphrase, or the store's key"
                             : ": the key opens no key slot of this store; give the right key, or "
                               "the store's passphrase"));
}

/// True when `newer`, which the key does not open, is nevertheless authentic under the data key
/// that `older` has given, or names another base epoch, whose data key we have not: then the slot
/// was taken away.  Current epochs say nothing here: derived ones share the wrapped data key, so
/// that the MAC decides, and a new data key's epoch may be one that `older` has derived.
bool locked_out(CopyView newer, CopyView older, const KeyMaterial& keys) {
  return base_epoch_of(newer) != base_epoch_of(older) || mac_fits(newer, keys.header);
}

/// Picks the copy that holds; its data key and what the header needs are in `keys` (nullptr: no key
/// was given).
CopyView choose(const std::vector<CopyView>& copies, const Key* key, KeyMaterial* keys,
                const std::string& name) {
  bool tampered = false;
  std::vector<CopyView> not_ours;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const CopyView copy = copies[i];
    if (i > 0 && std::equal(copy.begin(), copy.end(), copies[0].begin())) {
      break;  // The same bytes fail in the same way, and Argon2id may have cost seconds.
    }
    const Verdict verdict =
        keys == nullptr ? unlock_keyless(copy) : unlock(copy, key->secret(), *keys);
    if (verdict == Verdict::verified) {
      const bool revoked = std::any_of(not_ours.begin(), not_ours.end(), [&](CopyView newer) {
        return locked_out(newer, copy, *keys);
      });
      if (!revoked) {
        return copy;
      }
      not_ours.push_back(copy);
    } else if (verdict == Verdict::tampered) {
      tampered = true;
    } else {
      not_ours.push_back(copy);
    }
  }
  refuse(tampered, keys != nullptr, key, name);
}

OpenedKeyHeader finish(CopyView copy, std::unique_ptr<KeyRing> ring, bool repaired) {
  OpenedKeyHeader opened;
  opened.parameters.page_bytes = page_bytes_of(copy);
  opened.keys = std::move(ring);
  opened.repaired = repaired;
  opened.bytes.reserve(layout::kFileBytes);
  for (std::size_t i = 0; i < layout::kCopies; ++i) {
    opened.bytes.insert(opened.bytes.end(), copy.begin(), copy.end());
  }
  return opened;
}

RingIdentity identity_of(CopyView copy) {
  return {.suite = static_cast<Suite>(suite_of(copy)),
          .store = store_of(copy),
          .base_epoch = gsl::narrow<std::uint32_t>(base_epoch_of(copy)),
          .epoch = epoch_of(copy),
          .header_hash = hash({}, {copy})};
}

template <typename Bytes>
void put(std::span<std::byte> out, std::size_t at, const Bytes& bytes) {
  Expects(at + bytes.size() <= out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

void put_checks(std::span<std::byte> copy, std::span<const std::byte> header_key) {
  put(copy, layout::kChecksumAt, checksum_of(copy));
  put(copy, layout::kMacAt, hash(header_key, {copy.first(layout::kMacAt)}));
}

}  // namespace

std::uint64_t key_header_file_bytes() {
  return layout::kFileBytes;
}

OpenedKeyHeader create_key_header(platform::Platform& platform, const Key* key,
                                  const KeyHeaderParameters& parameters,
                                  platform::LockPolicy policy) {
  ensure_ready();
  if (!page_bytes_allowed(parameters.page_bytes)) {
    throw InvalidArgument("page size " + std::to_string(parameters.page_bytes) +
                          ": must be a power of two from " + std::to_string(layout::kPageBytesMin) +
                          " to " + std::to_string(layout::kPageBytesMax));
  }
  constexpr std::uint32_t kFirstEpoch = 1;
  StoreId store;
  platform.entropy().fill(store);

  std::array<std::byte, layout::kCopyBytes> copy{};
  for (std::size_t i = 0; i < layout::kMagic.size(); ++i) {
    copy[layout::kMagicAt + i] = static_cast<std::byte>(layout::kMagic[i]);
  }
  put_little_endian(&copy[layout::kVersionAt], layout::kVersion);
  const Suite suite = key == nullptr ? Suite::none : Suite::xchacha20poly1305;
  put_little_endian(&copy[layout::kSuiteAt], static_cast<std::uint16_t>(suite));
  put_little_endian(&copy[layout::kPageBytesAt], parameters.page_bytes);
  put_little_endian(&copy[layout::kEpochAt], kFirstEpoch);
  put_little_endian(&copy[layout::kGenerationAt], std::uint64_t{1});
  put(copy, layout::kStoreIdAt, store);

  if (key == nullptr) {
    put_checks(copy, {});
    return finish(copy, make_keyless_ring(identity_of(copy)), false);
  }
  KeyPage page(platform.memory(), policy);
  platform.entropy().fill(page->data);
  write_slot(copy, store, 0, key->secret(), kFirstEpoch, *page, platform.entropy());
  derive_header_keys(*page);
  derive_all_epochs(copy, *page);
  put_checks(copy, page->header);
  return finish(copy, make_key_ring(identity_of(copy), std::move(page)), false);
}

OpenedKeyHeader open_key_header(platform::Platform& platform, std::span<const std::byte> file,
                                const Key* key, platform::LockPolicy policy,
                                const platform::Path& name) {
  ensure_ready();
  const std::string where = name.string();
  std::vector<CopyView> copies = intact_copies(file, where);
  if (planted(Mutation::trust_suite_in_file) && std::ranges::none_of(copies, encrypted))
    key = nullptr;
  keep_expected(copies, key != nullptr, where);

  std::optional<KeyPage> page;
  if (key != nullptr) {
    page.emplace(platform.memory(), policy);
  }
  const CopyView copy = choose(copies, key, page ? &**page : nullptr, where);

  // From here on the copy is authentic: what does not fit was written so.
  if (!page_bytes_allowed(page_bytes_of(copy)) || !epochs_allowed(copy)) {
    throw VersionUnsupported(where + ": page size " + std::to_string(page_bytes_of(copy)) +
                             " and key epoch " + std::to_string(epoch_of(copy)) + ", " +
                             std::to_string(derived_epochs_of(copy)) +
                             " of them derived, are not of this version: open the store with a "
                             "newer Coffer");
  }
  if (page) {
    derive_all_epochs(copy, **page);
  }
  const bool repaired = !std::equal(copy.begin(), copy.end(), file.begin()) ||
                        !std::equal(copy.begin(), copy.end(), file.begin() + layout::kCopyBytes);
  auto ring = page ? make_key_ring(identity_of(copy), std::move(*page))
                   : make_keyless_ring(identity_of(copy));
  return finish(copy, std::move(ring), repaired);
}

OpenedKeyHeader renew_key_header(platform::Platform& platform, const KeyRing& keys,
                                 std::span<const std::byte> copy, platform::LockPolicy policy) {
  ensure_ready();
  Expects(copy.size() == layout::kCopyBytes && hash({}, {copy}) == keys.header_hash());
  // What a ring was made of is authentic and was checked then.
  const std::uint32_t derived = derived_epochs_of(copy);
  if (derived >= layout::kDerivedEpochsMax ||
      epoch_of(copy) == std::numeric_limits<std::uint32_t>::max() ||
      generation_of(copy) == std::numeric_limits<std::uint64_t>::max()) {
    throw InvalidArgument("the store's key header has " + std::to_string(derived) +
                          " derived key epochs and can take no further one (the most are " +
                          std::to_string(layout::kDerivedEpochsMax) +
                          "): move the contents to a new store by a logical backup");
  }
  const std::uint32_t index = derived + 1;
  const std::uint32_t epoch = epoch_of(copy) + 1;

  std::array<std::byte, layout::kCopyBytes> renewed;
  std::copy(copy.begin(), copy.end(), renewed.begin());
  put_little_endian(&renewed[layout::kEpochAt], epoch);
  put_little_endian(&renewed[layout::kGenerationAt], generation_of(copy) + 1);
  put_little_endian(&renewed[layout::kDerivedEpochsAt], index);
  std::array<std::byte, layout::kEpochSaltBytes> salt;
  platform.entropy().fill(salt);
  put(renewed, layout::kEpochSaltsAt + derived * layout::kEpochSaltBytes, salt);

  const KeyMaterial* const old = key_material_of(keys);
  if (old == nullptr) {
    put_checks(renewed, {});
    return finish(renewed, make_keyless_ring(identity_of(renewed)), false);
  }
  KeyPage page(platform.memory(), policy);
  copy_for_further_epoch(*page, *old, index);
  derive_further_epoch(*page, index, epoch, salt);
  put_checks(renewed, page->header);
  return finish(renewed, make_key_ring(identity_of(renewed), std::move(page)), false);
}

}  // namespace coffer::crypto
