// coffer::Key: a secret in a locked page of its own.  Where it comes from is in key_source.cpp.
#include <coffer/key.hpp>

#include <sodium.h>

#include <algorithm>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/key_header_format.hpp"
#include "crypto/key_secret.hpp"
#include "crypto/key_slot.hpp"
#include "crypto/seal.hpp"

namespace coffer {

Key::Secret::Secret(platform::Memory& memory, Kind secret_kind, MemoryLocking secret_locking)
    : region(memory.reserve(memory.page_bytes(),
                            secret_locking == MemoryLocking::proceed_unlocked
                                ? platform::LockPolicy::proceed_unlocked
                                : platform::LockPolicy::abort,
                            "a key")),
      kind(secret_kind),
      locking(secret_locking) {
  Expects(memory.page_bytes() >= kBytesMax + kScratchBytes);
  crypto::ensure_ready();
  region->commit(0, memory.page_bytes());
}

Key::Key(std::unique_ptr<Secret> secret) : secret_(std::move(secret)) {}
Key::Key(Key&& other) noexcept = default;
Key& Key::operator=(Key&& other) noexcept = default;
Key::~Key() = default;

bool Key::is_passphrase() const {
  return secret().kind == Secret::Kind::passphrase;
}

const Key::Secret& Key::secret() const {
  Expects(secret_ != nullptr);  // A moved-from key opens nothing.
  return *secret_;
}

Key Key::from_bytes(Bytes raw, KeyOptions options) {
  if (raw.size() != kBytes) {
    throw InvalidArgument("a key is 32 bytes, and " + std::to_string(raw.size()) + " were given");
  }
  auto secret = std::make_unique<Secret>(platform::native_platform().memory(), Secret::Kind::raw,
                                         options.memory_locking);
  std::copy(raw.begin(), raw.end(), secret->storage().begin());
  secret->size = kBytes;
  return Key(std::move(secret));
}

Key Key::generate(KeyOptions options) {
  platform::Platform& platform = platform::native_platform();
  auto secret =
      std::make_unique<Secret>(platform.memory(), Secret::Kind::raw, options.memory_locking);
  platform.entropy().fill(secret->storage().first(kBytes));
  secret->size = kBytes;
  return Key(std::move(secret));
}

Key Key::from_passphrase(Bytes passphrase, PassphraseCost cost, KeyOptions options) {
  if (passphrase.empty() || passphrase.size() > Secret::kBytesMax) {
    throw InvalidArgument("a passphrase is 1 to " + std::to_string(Secret::kBytesMax) +
                          " bytes, and " + std::to_string(passphrase.size()) + " were given");
  }
  if (!crypto::cost_allowed(cost.passes, cost.memory_bytes)) {
    throw InvalidArgument("a passphrase costs 1 to 64 passes over 8 MiB to 4 GiB, and " +
                          std::to_string(cost.passes) + " over " +
                          std::to_string(cost.memory_bytes) + " bytes were asked");
  }
  auto secret = std::make_unique<Secret>(platform::native_platform().memory(),
                                         Secret::Kind::passphrase, options.memory_locking);
  std::copy(passphrase.begin(), passphrase.end(), secret->storage().begin());
  secret->size = passphrase.size();
  secret->cost = cost;
  return Key(std::move(secret));
}

void Key::save(const std::filesystem::path& new_file) const {
  if (is_passphrase()) {
    throw InvalidArgument("a passphrase is not written to a key file");
  }
  platform::FileSystem& files = platform::native_platform().files();
  if (files.exists(new_file)) {
    throw InvalidArgument(new_file.string() +
                          ": exists already and is not overwritten; choose another name");
  }
  // A page of its own: the key itself is const, and other threads may be opening stores with it.
  const Secret page(platform::native_platform().memory(), Secret::Kind::raw, secret().locking);
  const auto text = page.scratch().first(2 * kBytes + 1);
  sodium_bin2hex(reinterpret_cast<char*>(text.data()), text.size(),
                 reinterpret_cast<const unsigned char*>(secret().bytes().data()), kBytes);
  text.back() = std::byte{'\n'};  // In the place of sodium_bin2hex's terminating zero.

  const auto file = files.create(new_file);
  bool written = false;
  const auto remove_partial = gsl::finally([&]() noexcept {
    if (!written) {
      try {
        files.remove(new_file);
      } catch (const Error&) {
        // The failure that brought us here is the one to report.
      }
    }
  });
  file->write_at(0, text);
  file->sync();
  files.sync_directory(new_file.has_parent_path() ? new_file.parent_path() : ".");
  written = true;
}

}  // namespace coffer
