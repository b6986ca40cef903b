// Byte buffers for records on their way through a text format.  They grow to whatever a record
// needs, so that they cannot come from the bounded locked memory; they are wiped before their
// memory goes back.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::tools {

/// Wipes what it gives back, also when a container grows out of it.
template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  explicit(false) WipingAllocator(const WipingAllocator<U>&) noexcept {}
  [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) noexcept {
    sodium_memzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

using WipedBytes = std::vector<std::byte, WipingAllocator<std::byte>>;

inline void append(WipedBytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
inline void append(WipedBytes& out, std::string_view text) {
  append(out, std::as_bytes(std::span(text)));
}
inline void append(WipedBytes& out, char c) {
  out.push_back(static_cast<std::byte>(c));
}

}  // namespace coffer::tools
