// See registry.hpp.
#include "tools/system/registry.hpp"

#include <windows.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

namespace coffer::tools::registry {

std::optional<std::uint32_t> number(const wchar_t* key, const wchar_t* name) {
  DWORD value = 0;
  DWORD bytes = sizeof value;
  if (::RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_DWORD, nullptr, &value, &bytes) !=
      ERROR_SUCCESS) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> strings(const wchar_t* key, const wchar_t* name) {
  constexpr DWORD kTypes = RRF_RT_REG_MULTI_SZ | RRF_RT_REG_SZ;
  DWORD bytes = 0;
  if (::RegGetValueW(HKEY_LOCAL_MACHINE, key, name, kTypes, nullptr, nullptr, &bytes) !=
      ERROR_SUCCESS)
    return {};
  std::wstring text(bytes / sizeof(wchar_t), L'\0');
  if (::RegGetValueW(HKEY_LOCAL_MACHINE, key, name, kTypes, nullptr, text.data(), &bytes) !=
      ERROR_SUCCESS) {
    return {};
  }
  text.resize(bytes / sizeof(wchar_t));
  std::vector<std::string> result;
  for (std::wstring_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find(L'\0'), rest.size());
    if (end > 0) result.push_back(std::filesystem::path(rest.substr(0, end)).string());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return result;
}

std::vector<std::wstring> subkeys(const wchar_t* key) {
  constexpr DWORD kLongestName = 255;  // the registry's own limit
  std::vector<std::wstring> result;
  HKEY opened = nullptr;
  if (::RegOpenKeyExW(HKEY_LOCAL_MACHINE, key, 0, KEY_READ, &opened) != ERROR_SUCCESS)
    return result;
  for (DWORD index = 0;; ++index) {
    std::array<wchar_t, kLongestName + 1> name{};
    auto length = static_cast<DWORD>(name.size());
    if (::RegEnumKeyExW(opened, index, name.data(), &length, nullptr, nullptr, nullptr, nullptr) !=
        ERROR_SUCCESS) {
      break;
    }
    result.emplace_back(name.data(), length);
  }
  ::RegCloseKey(opened);
  return result;
}

}  // namespace coffer::tools::registry
