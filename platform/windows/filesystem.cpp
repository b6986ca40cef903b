// Names and directories.
//
// 1. rename never replaces: MoveFileEx without MOVEFILE_REPLACE_EXISTING.
// 2. What changed in a directory is durable when sync_directory returns.  NTFS journals names; flushing the
//    directory's handle flushes that journal.  A file system that cannot flush directories is taken at its word.
#include "platform/windows/filesystem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <coffer/error.hpp>

#include "platform/windows/file.hpp"
#include "platform/windows/os_error.hpp"
#include "platform/windows/owner_only.hpp"

namespace coffer::platform::windows_os {

namespace {

bool is_absence(ErrorCode code) {
  return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND;
}

Path directory_or_here(const Path& path) {
  return path.empty() ? Path(".") : path;
}

/// INVALID_FILE_ATTRIBUTES when there is nothing of that name.
DWORD attributes_of(const Path& path) {
  const DWORD attributes = ::GetFileAttributesW(native_path(path).c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES && !is_absence(last_error()))
    raise("look for", path, last_error());
  return attributes;
}

class WindowsFileSystem final : public FileSystem {
 public:
  WindowsFileSystem() {
    SYSTEM_INFO info{};
    ::GetSystemInfo(&info);
    map_granularity_bytes_ = info.dwAllocationGranularity;
  }

  std::unique_ptr<File> open(const Path& path, OpenMode mode) override {
    return open_file(path, mode);
  }
  std::unique_ptr<File> create(const Path& path) override { return create_file(path); }

  bool exists(const Path& path) const override {
    return attributes_of(path) != INVALID_FILE_ATTRIBUTES;
  }
  bool is_directory(const Path& path) const override {
    const DWORD attributes = attributes_of(directory_or_here(path));
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  }

  std::vector<std::string> list(const Path& directory) const override;

  void make_directory(const Path& path) override {
    if (::CreateDirectoryW(native_path(path).c_str(), owner_only_directory()) == 0) {
      raise("make the directory", path, last_error());
    }
  }

  void rename(const Path& from, const Path& to) override {
    if (::MoveFileExW(native_path(from).c_str(), native_path(to).c_str(), MOVEFILE_WRITE_THROUGH) !=
        0)
      return;
    const ErrorCode code = last_error();
    if (code == ERROR_ALREADY_EXISTS || code == ERROR_FILE_EXISTS) {
      throw InvalidArgument(fmt::format("cannot rename '{}' to '{}': that name is taken",
                                        from.string(), to.string()));
    }
    raise(fmt::format("rename to '{}' the file", to.string()), from, code);
  }

  void remove(const Path& path) override {
    if (::DeleteFileW(native_path(path).c_str()) == 0) raise("remove", path, last_error());
  }
  void remove_directory(const Path& path) override {
    if (::RemoveDirectoryW(native_path(path).c_str()) == 0)
      raise("remove the directory", path, last_error());
  }

  void sync_directory(const Path& directory) override;

  std::uint64_t free_bytes(const Path& path) const override {
    ULARGE_INTEGER available{};
    const Path& where = is_directory(path) ? path : path.parent_path();
    if (::GetDiskFreeSpaceExW(native_path(where).c_str(), &available, nullptr, nullptr) == 0) {
      raise("find the free space around", path, last_error());
    }
    return available.QuadPart;
  }

  std::unique_ptr<FileLock> lock(const Path& path, bool shared) override {
    return lock_file(path, shared);
  }
  std::uint64_t map_granularity_bytes() const override { return map_granularity_bytes_; }

 private:
  std::uint64_t map_granularity_bytes_ = 0;
};

std::vector<std::string> WindowsFileSystem::list(const Path& directory) const {
  std::vector<std::string> names;
  WIN32_FIND_DATAW found{};
  const HANDLE search =
      ::FindFirstFileW(native_path(directory_or_here(directory) / "*").c_str(), &found);
  if (search == INVALID_HANDLE_VALUE) raise("list the directory", directory, last_error());
  const auto end = gsl::finally([&] { ::FindClose(search); });
  do {
    const std::wstring_view name = found.cFileName;
    if (name != L"." && name != L"..") names.push_back(Path(name).string());
  } while (::FindNextFileW(search, &found) != 0);
  if (last_error() != ERROR_NO_MORE_FILES) raise("list the directory", directory, last_error());
  std::sort(names.begin(), names.end());
  return names;
}

void WindowsFileSystem::sync_directory(const Path& directory) {
  // Directories are opened with FILE_FLAG_BACKUP_SEMANTICS; FlushFileBuffers wants write access.
  const Handle handle(::CreateFileW(native_path(directory_or_here(directory)).c_str(),
                                    GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
  if (!handle.valid()) {
    const ErrorCode code = last_error();
    if (code == ERROR_ACCESS_DENIED && is_directory(directory)) return;
    raise("open the directory", directory, code);
  }
  if (::FlushFileBuffers(handle.get()) != 0) return;
  switch (const ErrorCode code = last_error()) {
    case ERROR_INVALID_FUNCTION:
    case ERROR_INVALID_HANDLE:
    case ERROR_NOT_SUPPORTED:
    case ERROR_ACCESS_DENIED:
      return;
    default:
      raise("sync the directory", directory, code);
  }
}

}  // namespace

std::unique_ptr<FileSystem> make_file_system() {
  return std::make_unique<WindowsFileSystem>();
}

}  // namespace coffer::platform::windows_os
