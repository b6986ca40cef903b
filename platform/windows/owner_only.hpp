// The access that Coffer's files and directories are born with.
#pragma once

#include "platform/windows/winapi.hpp"

namespace coffer::platform::windows_os {

/// Security attributes for CreateFile and CreateDirectory: full access for the owner, the system and the
/// administrators, for nobody else, and nothing inherited from above.  Null where the system cannot make them.
[[nodiscard]] SECURITY_ATTRIBUTES* owner_only_file();
[[nodiscard]] SECURITY_ATTRIBUTES* owner_only_directory();

}  // namespace coffer::platform::windows_os
