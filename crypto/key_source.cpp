// Keys from files and commands.  The text is read into locked memory, decoded there and wiped; it
// passes through no buffer of the C++ library.
//
// Forms of a key: exactly 32 bytes are the key itself; otherwise one line end is taken off the end,
// and 64 bytes are hexadecimal, 44 bytes base64 (RFC 4648 section 4, with its padding).
#include <sodium.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <coffer/error.hpp>
#include <coffer/key.hpp>

#include "crypto/key_command.hpp"
#include "crypto/key_secret.hpp"
#include "crypto/seal.hpp"

namespace coffer {
namespace {

constexpr std::size_t kHexBytes = 2 * Key::kBytes;
constexpr std::size_t kBase64Bytes = 44;
static_assert(sodium_base64_ENCODED_LEN(Key::kBytes, sodium_base64_VARIANT_ORIGINAL) ==
              kBase64Bytes + 1);

std::span<const std::byte> without_line_end(std::span<const std::byte> text) {
  if (!text.empty() && text.back() == std::byte{'\n'}) {
    text = text.first(text.size() - 1);
    if (!text.empty() && text.back() == std::byte{'\r'}) {
      text = text.first(text.size() - 1);
    }
  }
  return text;
}

/// Decodes one of the forms into `out`; false when it is none of them.
bool decode(std::span<const std::byte> text, std::span<std::byte> out) {
  if (text.size() == out.size()) {
    std::copy(text.begin(), text.end(), out.begin());
    return true;
  }
  text = without_line_end(text);
  auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
  const auto* const letters = reinterpret_cast<const char*>(text.data());
  std::size_t length = 0;
  if (text.size() == kHexBytes) {
    return sodium_hex2bin(bytes, out.size(), letters, text.size(), nullptr, &length, nullptr) ==
               0 &&
           length == out.size();
  }
  if (text.size() == kBase64Bytes) {
    return sodium_base642bin(bytes, out.size(), letters, text.size(), nullptr, &length, nullptr,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           length == out.size();
  }
  return false;
}

/// Reads all of a small file into `out`, one byte less than `out` holds at most.
std::size_t read_secret_file(const std::filesystem::path& file, std::span<std::byte> out,
                             const char* what) {
  const std::string name = file.string();
  std::error_code code;
  // Secrets are often mounted as symbolic links, which FileSystem::open does not follow by design.
  const std::filesystem::path target = std::filesystem::canonical(file, code);
  if (code) {
    throw IoError(name + ": the " + what + " file cannot be found: " + code.message(),
                  "finding a file", file, code.value());
  }
  if (!std::filesystem::is_regular_file(target, code)) {
    throw InvalidArgument(name + ": a " + what +
                          " file is a regular file; for a pipe, a device or a program give a key "
                          "command instead");
  }
  const auto opened =
      platform::native_platform().files().open(target, platform::OpenMode::read_only);
  const std::size_t size = opened->read_at(0, out);
  if (size == out.size()) {
    throw InvalidArgument(name + ": more than " + std::to_string(out.size() - 1) +
                          " bytes, which is no " + what);
  }
  return size;
}

/// Fills `secret` from the key's text at the beginning of its scratch room.
void decode_scratch(Key::Secret& secret, std::size_t size, const std::string& source) {
  const bool decoded = decode(secret.scratch().first(size), secret.storage().first(Key::kBytes));
  if (!decoded) {
    throw InvalidArgument(source + ": " + std::to_string(size) +
                          " bytes that are none of: 32 raw bytes, 64 hexadecimal digits, base64 of "
                          "32 bytes (44 characters)");
  }
  secret.size = Key::kBytes;
}

std::unique_ptr<Key::Secret> new_secret(Key::Secret::Kind kind, const KeyOptions& options) {
  return std::make_unique<Key::Secret>(platform::native_platform().memory(), kind,
                                       options.memory_locking);
}

}  // namespace

Key Key::from_file(const std::filesystem::path& file, KeyOptions options) {
  auto secret = new_secret(Secret::Kind::raw, options);
  const auto wipe_text = gsl::finally([scratch = secret->scratch()] { crypto::wipe(scratch); });
  const std::size_t size = read_secret_file(file, secret->scratch(), "key");
  decode_scratch(*secret, size, file.string());
  return Key(std::move(secret));
}

Key Key::from_command(const std::vector<std::string>& command, KeyOptions options) {
  auto secret = new_secret(Secret::Kind::raw, options);
  const auto wipe_text = gsl::finally([scratch = secret->scratch()] { crypto::wipe(scratch); });
  const std::size_t size =
      crypto::run_key_command(command, secret->scratch(), options.command_time_max);
  decode_scratch(*secret, size, "key command '" + command[0] + "'");
  return Key(std::move(secret));
}

Key Key::from_passphrase_file(const std::filesystem::path& file, PassphraseCost cost,
                              KeyOptions options) {
  // A second locked page for the text: from_passphrase copies from it and checks the limits.
  const auto text = new_secret(Secret::Kind::passphrase, options);
  const std::size_t size = read_secret_file(file, text->scratch(), "passphrase");
  return from_passphrase(without_line_end(text->scratch().first(size)), cost, options);
}

}  // namespace coffer
