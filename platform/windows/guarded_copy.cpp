// The copy is one instruction at an address that is known.  A vectored exception handler that finds an in-page
// error there sends the thread on behind it, with the count of what is left in a register: no frame is unwound,
// nothing is jumped over, and an exception anywhere else goes on to whoever handles it.  (GCC has no __try.)
#include "platform/windows/guarded_copy.hpp"

#include <mutex>

#include "platform/contracts.hpp"
#include "platform/windows/winapi.hpp"

// size_t coffer_guarded_copy(void* to, const void* from, size_t count): how much it did not copy.
asm(R"(
  .text
  .globl coffer_guarded_copy
  .globl coffer_guarded_copy_fault
  .globl coffer_guarded_copy_resume
  .def coffer_guarded_copy; .scl 2; .type 32; .endef
  .seh_proc coffer_guarded_copy
coffer_guarded_copy:
  pushq %rdi
  .seh_pushreg %rdi
  pushq %rsi
  .seh_pushreg %rsi
  .seh_endprologue
  movq %rcx, %rdi
  movq %rdx, %rsi
  movq %r8, %rcx
coffer_guarded_copy_fault:
  rep movsb
coffer_guarded_copy_resume:
  movq %rcx, %rax
  popq %rsi
  popq %rdi
  ret
  .seh_endproc
)");

extern "C" {
std::size_t coffer_guarded_copy(void* to, const void* from, std::size_t count);
extern const char coffer_guarded_copy_fault[];
extern const char coffer_guarded_copy_resume[];
}

namespace coffer::platform::windows_os {

namespace {

// ExceptionInformation[0] of both exceptions.
constexpr ULONG_PTR kWasReading = 0;

LONG CALLBACK on_exception(EXCEPTION_POINTERS* what) {
  const EXCEPTION_RECORD& record = *what->ExceptionRecord;
  CONTEXT& context = *what->ContextRecord;
  const bool ours = context.Rip == reinterpret_cast<DWORD64>(coffer_guarded_copy_fault);
  // Wine reports the pages behind a file's end as an access violation.
  const bool unreadable = record.ExceptionCode == static_cast<DWORD>(EXCEPTION_IN_PAGE_ERROR) ||
                          record.ExceptionCode == static_cast<DWORD>(EXCEPTION_ACCESS_VIOLATION);
  if (!ours || !unreadable || record.NumberParameters < 2 ||
      record.ExceptionInformation[0] != kWasReading) {
    return EXCEPTION_CONTINUE_SEARCH;
  }
  context.Rip = reinterpret_cast<DWORD64>(coffer_guarded_copy_resume);
  return EXCEPTION_CONTINUE_EXECUTION;
}

}  // namespace

bool copy_guarded(std::span<std::byte> to, const std::byte* from) {
  static std::once_flag once;
  std::call_once(once, [] { Ensures(::AddVectoredExceptionHandler(1, on_exception) != nullptr); });
  return coffer_guarded_copy(to.data(), from, to.size()) == 0;
}

}  // namespace coffer::platform::windows_os
