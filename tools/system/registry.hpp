// Where Windows says things of itself.  Read only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coffer::tools::registry {

/// A number under HKEY_LOCAL_MACHINE; nothing when it is not there or may not be read.
[[nodiscard]] std::optional<std::uint32_t> number(const wchar_t* key, const wchar_t* name);
/// A list of strings (REG_MULTI_SZ), or one (REG_SZ), in UTF-8; empty when not there.
[[nodiscard]] std::vector<std::string> strings(const wchar_t* key, const wchar_t* name);
/// The names of the keys below one; none when it is not there.
[[nodiscard]] std::vector<std::wstring> subkeys(const wchar_t* key);

}  // namespace coffer::tools::registry
