// See native_calls.hpp.
#include "platform/windows/native_calls.hpp"

#include "platform/contracts.hpp"
#include "platform/windows/os_error.hpp"
#include "platform/windows/winapi.hpp"

namespace coffer::platform::windows_os {

namespace {

ErrorCode answer(BOOL succeeded) {
  return succeeded != 0 ? kSuccess : last_error();
}

/// A function that older systems lack.
template <class Function>
Function optional_function(const char* name) {
  const HMODULE library = ::GetModuleHandleW(L"kernel32.dll");
  if (library == nullptr) return nullptr;
  return reinterpret_cast<Function>(reinterpret_cast<void*>(::GetProcAddress(library, name)));
}

class NativeMemoryCalls final : public MemoryCalls {
 public:
  NativeMemoryCalls() {
    SYSTEM_INFO info{};
    ::GetSystemInfo(&info);
    page_bytes_ = info.dwPageSize;
  }

  std::uint64_t page_bytes() const override { return page_bytes_; }

  std::span<std::byte> reserve(std::uint64_t bytes, ErrorCode& code) override {
    void* address = ::VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS);
    code = answer(address != nullptr);
    if (address == nullptr) return {};
    return {static_cast<std::byte*>(address), bytes};
  }
  void free(std::span<std::byte> whole) override { ::VirtualFree(whole.data(), 0, MEM_RELEASE); }

  ErrorCode commit(std::span<std::byte> range) override {
    return answer(::VirtualAlloc(range.data(), range.size(), MEM_COMMIT, PAGE_READWRITE) !=
                  nullptr);
  }
  ErrorCode decommit(std::span<std::byte> range) override {
    return answer(::VirtualFree(range.data(), range.size(), MEM_DECOMMIT));
  }
  ErrorCode lock(std::span<std::byte> range) override {
    return answer(::VirtualLock(range.data(), range.size()));
  }
  ErrorCode unlock(std::span<std::byte> range) override {
    return answer(::VirtualUnlock(range.data(), range.size()));
  }

  ErrorCode working_set(WorkingSetLimits& limits) const override {
    SIZE_T minimum = 0;
    SIZE_T maximum = 0;
    DWORD flags = 0;
    const ErrorCode code =
        answer(::GetProcessWorkingSetSizeEx(::GetCurrentProcess(), &minimum, &maximum, &flags));
    limits = {minimum, maximum, flags};
    return code;
  }
  ErrorCode set_working_set(const WorkingSetLimits& limits) override {
    return answer(::SetProcessWorkingSetSizeEx(::GetCurrentProcess(), limits.minimum_bytes,
                                               limits.maximum_bytes, limits.flags));
  }

  bool exclude_from_reports(std::span<std::byte> range) override {
    // Its size is a DWORD; a region is never that large (the budget's blocks are).
    return exclude_ != nullptr && range.size() <= MAXDWORD &&
           SUCCEEDED(exclude_(range.data(), static_cast<DWORD>(range.size())));
  }
  void include_in_reports(std::span<std::byte> range) override {
    if (include_ != nullptr) static_cast<void>(include_(range.data()));
  }

  std::string text_of(ErrorCode code) const override { return windows_os::text_of(code); }

 private:
  using Exclude = HRESULT(WINAPI*)(const void*, DWORD);
  using Include = HRESULT(WINAPI*)(const void*);

  std::uint64_t page_bytes_ = 4096;
  // Windows 10, version 1703.
  Exclude exclude_ = optional_function<Exclude>("WerRegisterExcludedMemoryBlock");
  Include include_ = optional_function<Include>("WerUnregisterExcludedMemoryBlock");
};

}  // namespace

MemoryCalls& native_memory_calls() {
  static auto* const calls = new NativeMemoryCalls;
  return *calls;
}

}  // namespace coffer::platform::windows_os
