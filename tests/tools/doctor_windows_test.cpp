// Windows only: the registry, and a process's privileges
//
// Rows against a registry that is arranged so, under Wine, whose registry is a file of the tests' own.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/windows/handle.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/doctor_support.hpp"

namespace coffer::tools::test {
namespace {

using doctor::Finding;
using doctor::Level;
using platform::windows_os::Handle;

constexpr const wchar_t* kMemory =
    LR"(SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management)";
constexpr const wchar_t* kPolicies = LR"(SYSTEM\CurrentControlSet\Policies)";
constexpr const wchar_t* kPower = LR"(SYSTEM\CurrentControlSet\Control\Power)";
constexpr const wchar_t* kCrash = LR"(SYSTEM\CurrentControlSet\Control\CrashControl)";
constexpr const wchar_t* kDumps =
    LR"(SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps)";
constexpr const char* kNotWine = "a registry that is not Wine's is left alone";

bool on_wine() {
  const HMODULE library = ::GetModuleHandleW(L"ntdll.dll");
  return library != nullptr && ::GetProcAddress(library, "wine_get_version") != nullptr;
}

/// A value under HKEY_LOCAL_MACHINE, put back as it was in the end; so is the absence of its key.
class PlantedValue {
 public:
  PlantedValue(std::wstring key, std::wstring name)
      : path_(std::move(key)), name_(std::move(name)) {
    DWORD how = 0;
    REQUIRE(::RegCreateKeyExW(HKEY_LOCAL_MACHINE, path_.c_str(), 0, nullptr, 0, KEY_ALL_ACCESS,
                              nullptr, &key_, &how) == ERROR_SUCCESS);
    key_is_new_ = how == REG_CREATED_NEW_KEY;
    DWORD bytes = 0;
    if (::RegQueryValueExW(key_, name_.c_str(), nullptr, &old_type_, nullptr, &bytes) !=
        ERROR_SUCCESS) {
      return;
    }
    std::vector<BYTE> old(bytes);
    REQUIRE(::RegQueryValueExW(key_, name_.c_str(), nullptr, &old_type_, old.data(), &bytes) ==
            ERROR_SUCCESS);
    old_ = std::move(old);
  }
  ~PlantedValue() {
    if (old_) {
      ::RegSetValueExW(key_, name_.c_str(), 0, old_type_, old_->data(),
                       static_cast<DWORD>(old_->size()));
    } else {
      ::RegDeleteValueW(key_, name_.c_str());
    }
    ::RegCloseKey(key_);
    if (key_is_new_) ::RegDeleteKeyW(HKEY_LOCAL_MACHINE, path_.c_str());
  }
  PlantedValue(const PlantedValue&) = delete;
  PlantedValue& operator=(const PlantedValue&) = delete;

  void set(DWORD number) const { set(REG_DWORD, &number, sizeof number); }
  void set(const std::vector<std::wstring>& strings) const {
    std::wstring all;
    for (const std::wstring& one : strings) all += one + L'\0';
    all += L'\0';
    set(REG_MULTI_SZ, all.data(), all.size() * sizeof(wchar_t));
  }
  void remove() const { ::RegDeleteValueW(key_, name_.c_str()); }

 private:
  void set(DWORD type, const void* data, std::size_t bytes) const {
    REQUIRE(::RegSetValueExW(key_, name_.c_str(), 0, type, static_cast<const BYTE*>(data),
                             static_cast<DWORD>(bytes)) == ERROR_SUCCESS);
  }

  std::wstring path_;
  std::wstring name_;
  HKEY key_ = nullptr;
  bool key_is_new_ = false;
  DWORD old_type_ = 0;
  std::optional<std::vector<BYTE>> old_;
};

Finding found_by(doctor::Probe probe) {
  return probe(context_on(platform::native_platform()));
}

class RefusingEntropy final : public platform::Entropy {
 public:
  void fill(std::span<std::byte>) override { throw Error("no random bytes: planted"); }
};

/// As the token's own checks say it, where the row has what is listed in it.
struct HeldPrivilege {
  bool held = false;
  bool enabled = false;
};
HeldPrivilege held_privilege(const wchar_t* name) {
  HANDLE opened = nullptr;
  REQUIRE(::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES,
                             &opened) != 0);
  const Handle token(opened);
  PRIVILEGE_SET asked{};
  asked.PrivilegeCount = 1;
  asked.Control = PRIVILEGE_SET_ALL_NECESSARY;
  if (::LookupPrivilegeValueW(nullptr, name, &asked.Privilege[0].Luid) == 0) return {};
  BOOL enabled = FALSE;
  REQUIRE(::PrivilegeCheck(token.get(), &asked, &enabled) != 0);
  // Only one that is held can be enabled.
  TOKEN_PRIVILEGES wanted{};
  wanted.PrivilegeCount = 1;
  wanted.Privileges[0].Luid = asked.Privilege[0].Luid;
  wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
  TOKEN_PRIVILEGES before{};
  DWORD bytes = 0;
  REQUIRE(::AdjustTokenPrivileges(token.get(), FALSE, &wanted, sizeof before, &before, &bytes) !=
          0);
  const bool held = ::GetLastError() != ERROR_NOT_ALL_ASSIGNED;
  if (before.PrivilegeCount != 0)
    ::AdjustTokenPrivileges(token.get(), FALSE, &before, 0, nullptr, nullptr);
  return {.held = held, .enabled = enabled != FALSE};
}
std::string words_of(const HeldPrivilege& privilege) {
  return !privilege.held ? "absent" : privilege.enabled ? "enabled" : "held, not enabled";
}

}  // namespace

TEST_CASE("doctor: the paging file as the registry has it") {
  if (!on_wine()) return coffer::test::skip(kNotWine);
  const PlantedValue files(kMemory, L"PagingFiles");
  const PlantedValue encrypted(kPolicies, L"NtfsEncryptPagingFile");
  const PlantedValue cleared(kMemory, L"ClearPageFileAtShutdown");
  encrypted.remove();
  cleared.remove();
  files.remove();
  CHECK(found_by(doctor::probe_swap).level == Level::ok);
  CHECK(found_by(doctor::probe_swap).found == "no paging file");
  files.set(std::vector<std::wstring>{});
  CHECK(found_by(doctor::probe_swap).found == "no paging file");

  files.set({LR"(D:\pagefile.sys 16 32)"});
  const Finding plain = found_by(doctor::probe_swap);
  CHECK(plain.level == Level::warn);
  CHECK(plain.found == R"(paging file D:\pagefile.sys 16 32: not encrypted)");
  CHECK_THAT(plain.remedy, Catch::StartsWith("fsutil behavior set EncryptPagingFile 1"));
  cleared.set(1);
  CHECK_THAT(found_by(doctor::probe_swap).found,
             Catch::EndsWith(": not encrypted, cleared at shutdown"));
  CHECK(found_by(doctor::probe_swap).level == Level::warn);
  cleared.set(0);
  encrypted.set(0);
  CHECK(found_by(doctor::probe_swap).level == Level::warn);
  encrypted.set(1);
  CHECK(found_by(doctor::probe_swap).level == Level::ok);
  CHECK_THAT(found_by(doctor::probe_swap).found, Catch::EndsWith(": encrypted"));
}

TEST_CASE("doctor: hibernation as the registry has it") {
  if (!on_wine()) return coffer::test::skip(kNotWine);
  const PlantedValue enabled(kPower, L"HibernateEnabled");
  enabled.remove();
  CHECK(found_by(doctor::probe_hibernation).level == Level::ok);
  enabled.set(0);
  CHECK(found_by(doctor::probe_hibernation).found == "hibernation is off");
  enabled.set(1);
  const Finding on = found_by(doctor::probe_hibernation);
  CHECK(on.level == Level::warn);
  CHECK_THAT(on.found, Catch::Contains("hiberfil.sys"));
  CHECK_THAT(on.remedy, Catch::StartsWith("powercfg /hibernate off"));
}

TEST_CASE("doctor: what a crash of the system writes, as the registry has it") {
  if (!on_wine()) return coffer::test::skip(kNotWine);
  const PlantedValue kind(kCrash, L"CrashDumpEnabled");
  const auto row_of = [&](DWORD number) {
    kind.set(number);
    return found_by(doctor::probe_core_dumps);
  };
  kind.remove();
  CHECK(found_by(doctor::probe_core_dumps).found == "a system crash writes no dump");
  CHECK(row_of(0).found == "a system crash writes no dump");
  CHECK(row_of(0).level == Level::ok);
  CHECK(row_of(1).level == Level::warn);
  CHECK_THAT(row_of(1).found, Catch::Contains("all memory to MEMORY.DMP"));
  CHECK_THAT(row_of(1).remedy, Catch::Contains("Small memory dump"));
  CHECK(row_of(2).level == Level::ok);
  CHECK(row_of(2).found == "a system crash writes the kernel's memory");
  CHECK(row_of(3).level == Level::ok);
  CHECK(row_of(3).found == "a system crash writes the kernel's memory in small");
}

TEST_CASE("doctor: full dumps of programs that crash, of all and of some") {
  if (!on_wine()) return coffer::test::skip(kNotWine);
  const PlantedValue all(kDumps, L"DumpType");
  const PlantedValue notes(std::wstring(kDumps) + LR"(\notes.exe)", L"DumpType");
  const PlantedValue other(std::wstring(kDumps) + LR"(\other.exe)", L"DumpType");
  const std::string key = R"(HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps)";
  for (const PlantedValue* const value : {&all, &notes, &other}) value->remove();
  CHECK_THAT(found_by(doctor::probe_error_reports).found, !Catch::Contains("LocalDumps"));
  all.set(1);
  notes.set(0);
  CHECK_THAT(found_by(doctor::probe_error_reports).found, !Catch::Contains("LocalDumps"));

  all.set(2);
  const Finding every = found_by(doctor::probe_error_reports);
  CHECK(every.level == Level::warn);
  CHECK_THAT(every.found, Catch::EndsWith("; a crash of any program writes a full dump of it "
                                          "(LocalDumps, DumpType 2)"));
  CHECK(every.remedy == "reg add \"" + key + "\" /v DumpType /t REG_DWORD /d 1 /f");

  all.set(1);
  notes.set(2);
  const Finding one = found_by(doctor::probe_error_reports);
  CHECK(one.level == Level::warn);
  CHECK_THAT(one.found, Catch::Contains("; a crash of notes.exe writes a full dump of it"));
  CHECK(one.remedy == "reg add \"" + key + R"(\notes.exe" /v DumpType /t REG_DWORD /d 1 /f)");

  other.set(2);
  const Finding two = found_by(doctor::probe_error_reports);
  CHECK_THAT(two.found, Catch::Contains("; a crash of notes.exe or other.exe writes"));
  CHECK_THAT(two.remedy, Catch::Contains(R"(\notes.exe" /v)") &&
                             Catch::Contains(R"( & reg add "HKLM\)") &&
                             Catch::Contains(R"(\other.exe" /v)"));
}

TEST_CASE("doctor: the privileges that the process's token has") {
  const HeldPrivilege increase = held_privilege(L"SeIncreaseWorkingSetPrivilege");
  const HeldPrivilege lock = held_privilege(L"SeLockMemoryPrivilege");
  const Finding finding = found_by(doctor::probe_lock_privilege);
  CHECK_THAT(finding.found,
             Catch::Contains("SeIncreaseWorkingSetPrivilege: " + words_of(increase) + " (") &&
                 Catch::Contains("SeLockMemoryPrivilege: " + words_of(lock) + " ("));
  CHECK(finding.level == (increase.held ? Level::ok : Level::warn));
  CHECK(finding.remedy.empty() == increase.held);
  if (on_wine()) CHECK_FALSE(increase.held);
}

TEST_CASE("doctor: Wine is no Windows, and the row says so") {
  // Another of Wine's own names than the one that the row goes by.
  const HMODULE library = ::GetModuleHandleW(L"kernel32.dll");
  const bool is_wine =
      library != nullptr && ::GetProcAddress(library, "wine_get_unix_file_name") != nullptr;
  const Finding finding = found_by(doctor::probe_virtualisation);
  CHECK(finding.found.starts_with("Wine, not Windows") == is_wine);
  CHECK(finding.level == (is_wine ? Level::warn : Level::ok));
}

TEST_CASE("doctor: random bytes that the system refuses") {
  RefusingEntropy refusing;
  ArrangedPlatform machine;
  CHECK(probe_entropy(context_on(machine)).level == Level::ok);
  machine.other_entropy = &refusing;
  const Finding finding = probe_entropy(context_on(machine));
  CHECK(finding.level == Level::fail);
  CHECK(finding.found == "no random bytes: planted");
  CHECK_THAT(finding.remedy, Catch::Contains("bcrypt.dll"));
}

}  // namespace coffer::tools::test
