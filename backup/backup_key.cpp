// See backup_key.hpp.
#include "backup/backup_key.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>

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

}  // namespace

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

BackupHeader new_header(txn::Engine& engine, Label label, BackupEncryptionMode mode,
                        const Key* provided, platform::LockedHeap& heap,
                        platform::LockPolicy policy) {
  BackupHeader header;
  header.bytes.resize(format::kHeaderBytes);
  const std::span<std::byte> bytes(header.bytes);
  label.key_origin = origin_of(mode);
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

BackupHeader open_header(platform::Platform& platform, std::vector<std::byte> bytes, const Key* key,
                         platform::LockedHeap& heap, platform::LockPolicy policy,
                         const platform::Path& name) {
  const Label label = decode_label(bytes, name);
  if (label.kind != format::Kind::logical) {
    throw VersionUnsupported(fmt::format(
        "{} says that it is a {} backup, which cannot be read as a logical one: use the Coffer "
        "that wrote it",
        name.string(), name_of(label.kind)));
  }
  if (bytes.size() < format::kHeaderBytes) {
    throw Corrupted(
        fmt::format("{}: the backup ends after {} bytes, within its header: it was cut; use "
                    "another one",
                    name.string(), bytes.size()));
  }
  // One copy of the header travels; what opens headers wants two.
  const auto copy = std::span(bytes).subspan(format::kKeyHeaderAt, format::kKeyHeaderBytes);
  std::vector<std::byte> both(copy.begin(), copy.end());
  both.insert(both.end(), copy.begin(), copy.end());
  const auto opened = open_key_header_of(platform, both, key, policy, name);
  BackupHeader header;
  header.suite = opened.keys->suite();
  header.key = stream_key(*opened.keys, bytes, heap);
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
