// Bytes of locked memory of which a part is in use.
#pragma once

#include <algorithm>
#include <span>

#include <coffer/bytes.hpp>

#include "platform/locked_heap.hpp"

namespace coffer::backup {

struct HeldBytes {
  platform::LockedBuffer buffer;
  std::size_t size = 0;

  [[nodiscard]] std::span<std::byte> take(std::size_t bytes) {
    size = bytes;
    return buffer.bytes().first(bytes);
  }
  void copy(Bytes bytes) { std::ranges::copy(bytes, take(bytes.size()).begin()); }
  [[nodiscard]] Bytes bytes() const {
    return std::span<const std::byte>(buffer.bytes()).first(size);
  }
};

}  // namespace coffer::backup
