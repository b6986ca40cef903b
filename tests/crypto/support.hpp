// What the crypto tests share: bytes from hexadecimal text, and a platform with known entropy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "platform/platform.hpp"

namespace coffer::test {

using ByteVector = std::vector<std::byte>;

inline ByteVector from_hex(std::string_view text) {
  const auto digit = [](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    throw std::invalid_argument("not hexadecimal");
  };
  if (text.size() % 2 != 0) throw std::invalid_argument("odd number of digits");
  ByteVector out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    out.push_back(static_cast<std::byte>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return out;
}

inline ByteVector to_vector(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

/// `size` bytes that count up from `first`.
inline ByteVector counting(std::size_t size, unsigned first = 0) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::byte>(first + i);
  }
  return out;
}

template <typename Array>
Array to_array(std::span<const std::byte> bytes) {
  Array out{};
  if (bytes.size() != out.size()) throw std::invalid_argument("wrong size");
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

/// Entropy that counts: 00 01 02 ... over all calls.
class CountingEntropy final : public platform::Entropy {
 public:
  void fill(std::span<std::byte> out) override {
    ++calls;
    for (std::byte& b : out) {
      b = static_cast<std::byte>(next++);
    }
  }
  unsigned next = 0;
  std::size_t calls = 0;
};

/// This machine, but for its entropy.
class CountingPlatform final : public platform::Platform {
 public:
  platform::FileSystem& files() override { return platform::native_platform().files(); }
  platform::Memory& memory() override { return platform::native_platform().memory(); }
  platform::Clock& clock() override { return platform::native_platform().clock(); }
  platform::Entropy& entropy() override { return counting; }
  [[nodiscard]] bool forked() const noexcept override {
    return platform::native_platform().forked();
  }
  CountingEntropy counting;
};

}  // namespace coffer::test
