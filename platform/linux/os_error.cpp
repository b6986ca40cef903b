// See os_error.hpp.
#include "platform/linux/os_error.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <coffer/error.hpp>
#include <limits>
#include <system_error>

namespace coffer::platform::linux_os {

namespace {

// Thread-safe, unlike strerror().
std::string text_of(int code) {
  return std::generic_category().message(code);
}

}  // namespace

void raise(const std::string& operation, const Path& path, int code) {
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) {
    const char* remedy = code == ENOSPC   ? "free space on its file system"
                         : code == EDQUOT ? "raise the quota or free space under it"
                                          : "raise the file-size limit (ulimit -f)";
    throw NoSpace(fmt::format("cannot {} '{}': {} (errno {}); {} and repeat the operation",
                              operation, path.string(), text_of(code), code, remedy));
  }
  throw IoError(
      fmt::format("cannot {} '{}': {} (errno {})", operation, path.string(), text_of(code), code),
      operation, path, code);
}

std::uint64_t require_within_size_limit(const Path& path, std::uint64_t offset,
                                        std::uint64_t length) {
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  std::uint64_t largest = kLargest;
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    largest = std::min<std::uint64_t>(largest, limit.rlim_cur);
  }
  if (length > largest || offset > largest - length) {
    raise(fmt::format("extend to {} + {} bytes", offset, length), path, EFBIG);
  }
  return largest;
}

}  // namespace coffer::platform::linux_os
