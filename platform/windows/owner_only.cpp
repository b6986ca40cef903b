// See owner_only.hpp.
#include "platform/windows/owner_only.hpp"

#include <sddl.h>

namespace coffer::platform::windows_os {

namespace {

// Security Descriptor String Format (learn.microsoft.com): a protected list; OW owner, SY system, BA administrators.
SECURITY_ATTRIBUTES* attributes_of(const wchar_t* text) {
  static SECURITY_ATTRIBUTES pool[2];
  static int used = 0;
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  if (::ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &descriptor,
                                                             nullptr) == 0) {
    return nullptr;
  }
  SECURITY_ATTRIBUTES& made = pool[used++];
  made = {sizeof(SECURITY_ATTRIBUTES), descriptor, FALSE};
  return &made;
}

}  // namespace

SECURITY_ATTRIBUTES* owner_only_file() {
  static SECURITY_ATTRIBUTES* const made =
      attributes_of(L"D:P(A;;FA;;;OW)(A;;FA;;;SY)(A;;FA;;;BA)");
  return made;
}
SECURITY_ATTRIBUTES* owner_only_directory() {
  static SECURITY_ATTRIBUTES* const made =
      attributes_of(L"D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)");
  return made;
}

}  // namespace coffer::platform::windows_os
