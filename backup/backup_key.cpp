// See backup_key.hpp.
#include "backup/backup_key.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>

#include "backup/ancestor.hpp"
#include "crypto/key_header_format.hpp"
#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

format::KeyOrigin origin_of(BackupEncryptionMode mode) {
  switch (mode) {
    case BackupEncryptionMode::none:
      return format::KeyOrigin::none;
    case BackupEncryptionMode::use_provided_key:
      return format::KeyOrigin::provided;
    case BackupEncryptionMode::use_database_key:
      break;
  }
  return format::KeyOrigin::store;
}

/// The stream's key, for the salt in `header`.
platform::LockedBuffer stream_key(const crypto::KeyRing& keys, std::span<const std::byte> header,
                                  platform::LockedHeap& heap) {
  if (keys.suite() == crypto::Suite::none) return {};
  platform::LockedBuffer key = heap.allocate(crypto::kKeyBytes);
  keys.derive_backup_key(header.subspan<format::kSaltAt, crypto::kBackupSaltBytes>(),
                         key.bytes().first<crypto::kKeyBytes>());
  return key;
}

/// crypto::open_key_header, with texts that speak of a backup where the key is the matter.
crypto::OpenedKeyHeader open_key_header_of(platform::Platform& platform,
                                           std::span<const std::byte> both, const Key* key,
                                           platform::LockPolicy policy,
                                           const platform::Path& name) {
  try {
    return crypto::open_key_header(platform, both, key, policy, name);
  } catch (const WrongKey&) {
    throw WrongKey(
        fmt::format("{}: {} does not open this backup; give what it was made with: the store's key "
                    "or passphrase "
                    "at that time, or the backup's own",
                    name.string(), key->is_passphrase() ? "the passphrase" : "the key"));
  } catch (const InvalidArgument&) {
    if (key == nullptr) {
      throw InvalidArgument(fmt::format(
          "{}: the backup is encrypted and no key was given: give its key", name.string()));
    }
    throw InvalidArgument(
        fmt::format("{}: a key was given, but the backup says that it is not encrypted: if it "
                    "should be, it was "
                    "replaced; otherwise open it without a key",
                    name.string()));
  }
}

[[noreturn]] void raise_cut_header(std::size_t bytes, const platform::Path& name) {
  throw Corrupted(
      fmt::format("{}: the backup ends after {} bytes, within its header: it was cut; use "
                  "another one",
                  name.string(), bytes));
}

}  // namespace

BackupEncryptionMode mode_of(format::KeyOrigin origin) {
  switch (origin) {
    case format::KeyOrigin::none:
      return BackupEncryptionMode::none;
    case format::KeyOrigin::provided:
      return BackupEncryptionMode::use_provided_key;
    case format::KeyOrigin::store:
      break;
  }
  return BackupEncryptionMode::use_database_key;
}

BackupEncryptionMode settle_mode(const BackupEncryption& encryption, bool store_is_encrypted) {
  using enum BackupEncryptionMode;
  const BackupEncryptionMode mode =
      encryption.mode.value_or(store_is_encrypted ? use_database_key : none);
  if (mode == use_provided_key && encryption.key == nullptr) {
    throw InvalidArgument(
        "encryption with a provided key was asked for and no key was given: give one, or another "
        "mode");
  }
  if (mode != use_provided_key && encryption.key != nullptr) {
    throw InvalidArgument(
        "a key for the backup was given, but the mode is not use_provided_key: say that mode, or "
        "leave out the key");
  }
  if (mode == use_database_key && !store_is_encrypted) {
    throw InvalidArgument(
        "the store is not encrypted, so that it has no key to encrypt a backup with: use "
        "use_provided_key with a key, or none");
  }
  return mode;
}

void expect_own_encryption(const BackupEncryption& encryption, bool store_is_encrypted) {
  using enum BackupEncryptionMode;
  const BackupEncryptionMode own = store_is_encrypted ? use_database_key : none;
  if (encryption.key == nullptr && encryption.mode.value_or(own) == own) return;
  throw InvalidArgument(
      store_is_encrypted
          ? "a snapshot of an encrypted store is encrypted under the store's own key, and under no "
            "other: leave out mode and key, or make a logical backup"
          : "a snapshot of an unencrypted store is unencrypted: leave out mode and key, or make a "
            "logical backup, which can be encrypted");
}

BackupHeader new_header(txn::Engine& engine, Label label, BackupEncryptionMode mode,
                        const Key* provided, platform::LockedHeap& heap,
                        platform::LockPolicy policy) {
  BackupHeader header;
  header.bytes.resize(format::kHeaderBytes);
  const std::span<std::byte> bytes(header.bytes);
  label.key_origin = origin_of(mode);
  header.label = label;
  encode_label(bytes, label);
  if (mode != BackupEncryptionMode::none) {
    engine.platform().entropy().fill(bytes.subspan(format::kSaltAt, crypto::kBackupSaltBytes));
  }
  const auto put_key_header = [&](std::span<const std::byte> copy) {
    std::ranges::copy(copy.first(format::kKeyHeaderBytes), &bytes[format::kKeyHeaderAt]);
  };
  if (mode == BackupEncryptionMode::use_database_key) {
    put_key_header(engine.key_header_copy());
    header.suite = engine.keys().suite();
    header.key = stream_key(engine.keys(), bytes, heap);
  } else {
    const auto own = crypto::create_key_header(engine.platform(), provided, {}, policy);
    put_key_header(own.bytes);
    header.suite = own.keys->suite();
    header.key = stream_key(*own.keys, bytes, heap);
  }
  return header;
}

std::vector<std::byte> read_header(platform::File& file) {
  std::vector<std::byte> bytes(format::kHeaderBytes);
  bytes.resize(file.read_at(0, bytes));
  return bytes;
}

BackupHeader open_header(platform::Platform& platform, std::vector<std::byte> bytes, const Key* key,
                         platform::LockedHeap& heap, platform::LockPolicy policy,
                         const platform::Path& name, const BackupHeader* known) {
  const Label label = decode_label(bytes, name);
  if (bytes.size() < format::kHeaderBytes) raise_cut_header(bytes.size(), name);
  const auto copy = std::span(bytes).subspan(format::kKeyHeaderAt, format::kKeyHeaderBytes);
  BackupHeader header;
  header.label = label;
  if (known != nullptr &&
      std::ranges::equal(
          copy, std::span(known->bytes).subspan(format::kKeyHeaderAt, format::kKeyHeaderBytes))) {
    header.keys = known->keys;
  } else {
    // One copy of the header travels; what opens headers wants two.
    std::vector<std::byte> both(copy.begin(), copy.end());
    both.insert(both.end(), copy.begin(), copy.end());
    header.keys = open_key_header_of(platform, both, key, policy, name).keys;
  }
  header.suite = header.keys->suite();
  header.key = stream_key(*header.keys, bytes, heap);
  header.bytes = std::move(bytes);
  return header;
}

BackupHeader next_header(platform::Platform& platform, const crypto::KeyRing& keys,
                         std::span<const std::byte> key_header, const Label& label,
                         platform::LockedHeap& heap) {
  BackupHeader header;
  header.bytes.resize(format::kHeaderBytes);
  const std::span<std::byte> bytes(header.bytes);
  header.suite = keys.suite();
  header.label = label;
  encode_label(bytes, label);
  if (header.suite != crypto::Suite::none) {
    platform.entropy().fill(bytes.subspan(format::kSaltAt, crypto::kBackupSaltBytes));
  }
  std::ranges::copy(key_header.first(format::kKeyHeaderBytes), &bytes[format::kKeyHeaderAt]);
  header.key = stream_key(keys, bytes, heap);
  return header;
}

BackupHeader new_snapshot_header(platform::Platform& platform, const txn::StoreImage& image,
                                 Label label, platform::LockedHeap& heap) {
  label.key_origin = image.keys().suite() == crypto::Suite::none ? format::KeyOrigin::none
                                                                 : format::KeyOrigin::store;
  return next_header(platform, image.keys(), image.key_header(), label, heap);
}

BackupHeader header_of_parent(const crypto::KeyRing& keys, std::vector<std::byte> bytes,
                              platform::LockedHeap& heap, const platform::Path& name) {
  BackupHeader header;
  header.label = decode_label(bytes, name);
  if (bytes.size() < format::kHeaderBytes) raise_cut_header(bytes.size(), name);
  const auto id = std::span(bytes).subspan(
      format::kKeyHeaderAt + crypto::key_header_format::kStoreIdAt, crypto::kStoreIdBytes);
  if (!std::ranges::equal(id, keys.store_id())) {
    throw InvalidArgument(
        fmt::format("{} is a backup of another store: an increment follows a backup of its own; "
                    "name that one",
                    name.string()));
  }
  // A copy that goes its own way has a key epoch of its own, and other keys.
  if (crypto::seal_format::get_little_endian<std::uint32_t>(
          &bytes[format::kKeyHeaderAt + crypto::key_header_format::kEpochAt]) !=
      keys.current_epoch()) {
    raise_other_copy(name);
  }
  header.suite = keys.suite();
  header.key = stream_key(keys, bytes, heap);
  header.bytes = std::move(bytes);
  return header;
}

crypto::Hash context_of(const BackupHeader& header) {
  Expects(header.bytes.size() == format::kHeaderBytes);
  return crypto::hash({}, {header.bytes});
}

void raise_damaged_backup(crypto::Suite suite, const platform::Path& file,
                          const std::string& what) {
  const std::string text = fmt::format("{}: {}; the backup was damaged or changed: use another one",
                                       file.string(), what);
  if (suite == crypto::Suite::none) throw Corrupted(text);
  throw Tampered(text);
}

}  // namespace coffer::backup
