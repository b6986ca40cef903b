// From errno to what Coffer throws.
#pragma once

#include <string>

#include "platform/platform.hpp"

namespace coffer::platform::linux_os {

/// Raises NoSpace for ENOSPC, EDQUOT and EFBIG, otherwise IoError.  `operation` is a verb phrase
/// ("write 4096 bytes at offset 0 of"); the path is put behind it.
[[noreturn]] void raise(const std::string& operation, const Path& path, int code);

/// Raises NoSpace, before anything is written, when RLIMIT_FSIZE forbids a byte of the range; gives the limit.  Going
/// beyond it would not only fail: the kernel sends SIGXFSZ, which ends a process by default.
std::uint64_t require_within_size_limit(const Path& path, std::uint64_t offset,
                                        std::uint64_t length);

}  // namespace coffer::platform::linux_os
