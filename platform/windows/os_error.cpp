// See os_error.hpp.
#include "platform/windows/os_error.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/windows/winapi.hpp"

namespace coffer::platform::windows_os {

namespace {

/// ERROR_DISK_QUOTA_EXCEEDED, which older headers lack.
constexpr ErrorCode kDiskQuotaExceeded = 1295;
/// Longest that may go without the prefix: directories must leave room for a name of 8.3 in MAX_PATH.
constexpr std::size_t kPlainPathMax = 247;

bool no_space(ErrorCode code) {
  return code == ERROR_DISK_FULL || code == ERROR_HANDLE_DISK_FULL || code == kDiskQuotaExceeded ||
         code == ERROR_FILE_TOO_LARGE;
}

}  // namespace

ErrorCode last_error() noexcept {
  return ::GetLastError();
}

std::string text_of(ErrorCode code) {
  wchar_t text[512];
  const DWORD length = ::FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
      nullptr, code, 0, text, static_cast<DWORD>(std::size(text)), nullptr);
  std::wstring_view line(text, length);
  while (!line.empty() && (line.back() == L' ' || line.back() == L'.')) line.remove_suffix(1);
  if (line.empty()) return "unknown error";
  return Path(line).string();
}

void raise(const std::string& operation, const Path& path, ErrorCode code) {
  if (no_space(code)) {
    throw NoSpace(
        fmt::format("cannot {} '{}': {} (error {}); free space on its volume, or raise the quota, "
                    "and repeat the operation",
                    operation, path.string(), text_of(code), code));
  }
  throw IoError(
      fmt::format("cannot {} '{}': {} (error {})", operation, path.string(), text_of(code), code),
      operation, path, static_cast<int>(code));
}

std::wstring native_path(const Path& path) {
  const std::wstring& given = path.native();
  if (given.starts_with(LR"(\\?\)") || given.starts_with(LR"(\\.\)")) return given;
  if (given.empty()) return L".";
  const DWORD room = ::GetFullPathNameW(given.c_str(), 0, nullptr, nullptr);
  std::wstring full(room, L'\0');
  const DWORD length = ::GetFullPathNameW(given.c_str(), room, full.data(), nullptr);
  if (length == 0 || length >= room) return given;  // let the call itself say what is wrong with it
  full.resize(length);
  if (full.size() <= kPlainPathMax) return full;
  if (full.starts_with(LR"(\\)")) return LR"(\\?\UNC)" + full.substr(1);
  return LR"(\\?\)" + full;
}

}  // namespace coffer::platform::windows_os
