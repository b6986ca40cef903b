// Files by descriptor.  See file.cpp.
#pragma once

#include "platform/linux/descriptor.hpp"
#include "platform/platform.hpp"

namespace coffer::platform::linux_os {

/// Opens an existing regular file, or creates one that must not exist yet.
[[nodiscard]] std::unique_ptr<File> open_file(const Path& path, OpenMode mode);
[[nodiscard]] std::unique_ptr<File> create_file(const Path& path);

/// The descriptor of a file to be locked, made with mode 0600 when absent; its identity goes to
/// `identity`.
[[nodiscard]] Descriptor open_to_lock(const Path& path, bool shared, FileIdentity& identity);

/// The identity behind a descriptor; IoError when it is no regular file.
[[nodiscard]] FileIdentity identity_of_regular(const Descriptor& descriptor, const Path& path);

[[nodiscard]] std::unique_ptr<Mapping> map_descriptor(int descriptor, const Path& path,
                                                      std::uint64_t offset, std::uint64_t length);

}  // namespace coffer::platform::linux_os
