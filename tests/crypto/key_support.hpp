// What the tests of keys share: a known key in its forms, and files for it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <coffer/error.hpp>
#include <coffer/key.hpp>

#include "crypto/key_secret.hpp"
#include "support.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {

// 32 bytes 00 01 ... 1f: by hand, and by `base64` of coreutils.
inline const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
inline const std::string kBase64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

inline ByteVector secret_of(const Key& key) {
  return to_vector(key.secret().bytes());
}

/// A folder that goes with its test.
class KeyFolder {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path at(const std::string& name) const {
    return directory_.path() / name;
  }
  [[nodiscard]] std::filesystem::path write(const std::string& content) const {
    std::ofstream(at("file"), std::ios::binary | std::ios::trunc) << content;
    return at("file");
  }

 private:
  TempDirectory directory_;
};

inline std::string raw_text() {
  std::string raw;
  for (int i = 0; i < 32; ++i) {
    raw.push_back(static_cast<char>(i));
  }
  return raw;
}

template <typename Call>
std::string message_of(Call call) {
  try {
    static_cast<void>(call());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace coffer::test
