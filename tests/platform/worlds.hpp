// The platforms that the shared tests run on, each with an empty directory to work in.
#pragma once

#include <catch2/catch.hpp>
#include <cerrno>
#include <optional>
#include <string>

#include "platform/simulated/simulated.hpp"
#include "tests/platform/native_platform.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {

/// Why a call is refused.
enum class Refused {
  absent,
  no_directory_above,
  file_above,
  exists,
  file_exists,
  not_empty,
  is_directory
};

class World {
 public:
  explicit World(const std::string& kind) : native_(kind == "native") {
    if (kind == "native") {
      directory_.emplace();
      platform_ = make_native_platform();
      root_ = directory_->path();
    } else {
      platform_ = platform::SimulatedPlatform::make(1);
      root_ = "/root";
      platform_->files().make_directory(root_);
    }
  }
  [[nodiscard]] platform::Platform& platform() { return *platform_; }
  [[nodiscard]] platform::FileSystem& files() { return platform_->files(); }
  [[nodiscard]] platform::Path path(const std::string& name) const { return root_ / name; }
  [[nodiscard]] const platform::Path& root() const { return root_; }
  /// IoError's code is a number of winerror.h here, and errno elsewhere.
  [[nodiscard]] bool by_winerror() const {
#ifdef _WIN32
    return native_;
#else
    return false;
#endif
  }
  /// The code that an IoError has for it.
  [[nodiscard]] int code(Refused why) const {
    switch (why) {
      case Refused::absent:
        return by_winerror() ? 2 : ENOENT;
      case Refused::no_directory_above:
        return by_winerror() ? 3 : ENOENT;
      case Refused::file_above:
        return by_winerror() ? 3 : ENOTDIR;
      case Refused::exists:
        return by_winerror() ? 183 : EEXIST;
      case Refused::file_exists:
        return by_winerror() ? 80 : EEXIST;
      case Refused::not_empty:
        return by_winerror() ? 145 : ENOTEMPTY;
      case Refused::is_directory:
        break;
    }
    return by_winerror() ? 336 : EISDIR;
  }

 private:
  const bool native_;
  std::optional<TempDirectory> directory_;
  std::unique_ptr<platform::Platform> platform_;
  platform::Path root_;
};

inline std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

inline std::vector<std::byte> filled(std::size_t count, int value) {
  return std::vector<std::byte>(count, static_cast<std::byte>(value));
}

inline std::vector<std::byte> read_all(const platform::File& file) {
  std::vector<std::byte> bytes(file.size());
  bytes.resize(file.read_at(0, bytes));
  return bytes;
}

inline std::string text_of(const platform::File& file) {
  const auto bytes = read_all(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// errno in the IoError that `call` raises; -1 when it raises none.
template <class Call>
int io_error_code(Call&& call) {
  try {
    call();
  } catch (const IoError& refused) {
    return refused.code();
  }
  return -1;
}

}  // namespace coffer::test
