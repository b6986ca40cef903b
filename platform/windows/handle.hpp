// A handle that is closed once.
#pragma once

#include <cstdint>
#include <utility>

#include "platform/windows/winapi.hpp"

namespace coffer::platform::windows_os {

class Handle {
 public:
  Handle() = default;
  /// INVALID_HANDLE_VALUE and null are both "none".
  explicit Handle(HANDLE handle) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (handle_ != nullptr) ::CloseHandle(handle_);
  }
  [[nodiscard]] HANDLE get() const { return handle_; }
  [[nodiscard]] bool valid() const { return handle_ != nullptr; }

 private:
  HANDLE handle_ = nullptr;
};

/// Where a transfer begins.  With it a handle that is not for overlapped use is read and written by position.
inline OVERLAPPED position_of(std::uint64_t offset) {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset & MAXDWORD);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  return at;
}

}  // namespace coffer::platform::windows_os
