// Names and directories.
//
// 1. rename never replaces: renameat2 with RENAME_NOREPLACE decides that atomically.  Where the file
//    system lacks it, link and unlink do for files (equally safe against replacing, but a crash
//    between them leaves both names), and a check before rename for the rest.
// 2. What changed in a directory is durable when sync_directory returns, not before.
#include "platform/linux/filesystem.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <coffer/error.hpp>
#include <cstdio>
#include <limits>

#include "platform/linux/descriptor.hpp"
#include "platform/linux/file.hpp"
#include "platform/linux/os_error.hpp"

namespace coffer::platform::linux_os {

namespace {

bool is_absence(int code) {
  return code == ENOENT || code == ENOTDIR;
}

// The parent of "name" is the empty path, which the system does not take for the current directory.
Path directory_or_here(const Path& path) {
  return path.empty() ? Path(".") : path;
}

/// 0 or errno.
int rename_without_replacing(const Path& from, const Path& to) {
  if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) ==
      0) {
    return 0;
  }
  if (errno != ENOSYS && errno != EINVAL) return errno;

  struct stat status {};
  if (::lstat(from.c_str(), &status) != 0) return errno;
  if (!S_ISDIR(status.st_mode)) {
    if (::link(from.c_str(), to.c_str()) == 0) {
      return ::unlink(from.c_str()) == 0 ? 0 : errno;
    }
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return errno;
  }
  if (::lstat(to.c_str(), &status) == 0) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

class LinuxFileSystem final : public FileSystem {
 public:
  std::unique_ptr<File> open(const Path& path, OpenMode mode) override {
    return open_file(path, mode);
  }
  std::unique_ptr<File> create(const Path& path) override { return create_file(path); }

  bool exists(const Path& path) const override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return true;
    if (!is_absence(errno)) raise("look for", path, errno);
    return false;
  }

  bool is_directory(const Path& path) const override {
    struct stat status {};
    if (::stat(directory_or_here(path).c_str(), &status) == 0) return S_ISDIR(status.st_mode);
    if (!is_absence(errno)) raise("look for", path, errno);
    return false;
  }

  std::vector<std::string> list(const Path& directory) const override {
    std::vector<std::string> names;
    std::error_code code;
    do {  // Opening and reading it may be interrupted on some file systems; then from the beginning.
      names.clear();
      std::filesystem::directory_iterator at(directory_or_here(directory), code);
      const std::filesystem::directory_iterator end;
      while (!code && at != end) {
        names.push_back(at->path().filename().string());
        at.increment(code);
      }
    } while (code.value() == EINTR);
    if (code) raise("list the directory", directory, code.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  void make_directory(const Path& path) override {
    if (::mkdir(path.c_str(), 0700) != 0) raise("make the directory", path, errno);
  }

  void rename(const Path& from, const Path& to) override {
    const int code = rename_without_replacing(from, to);
    if (code == EEXIST || code == ENOTEMPTY) {
      throw InvalidArgument(fmt::format("cannot rename '{}' to '{}': that name is taken",
                                        from.string(), to.string()));
    }
    if (code != 0) raise(fmt::format("rename to '{}' the file", to.string()), from, code);
  }

  void remove(const Path& path) override {
    if (::unlink(path.c_str()) != 0) raise("remove", path, errno);
  }
  void remove_directory(const Path& path) override {
    if (::rmdir(path.c_str()) != 0) raise("remove the directory", path, errno);
  }

  void sync_directory(const Path& directory) override {
    const Path path = directory_or_here(directory);
    const Descriptor descriptor = open_descriptor(path.c_str(), O_RDONLY | O_DIRECTORY);
    if (!descriptor.valid()) raise("open the directory", directory, errno);
    // EINVAL: this file system has nothing to sync for a directory (some network and FUSE ones).
    if (repeat_interrupted([&] { return ::fsync(descriptor.number()); }) != 0 && errno != EINVAL) {
      raise("sync the directory", directory, errno);
    }
  }

  std::uint64_t free_bytes(const Path& path) const override {
    struct statvfs status {};
    int result = ::statvfs(directory_or_here(path).c_str(), &status);
    if (result != 0 && is_absence(errno)) {
      result = ::statvfs(directory_or_here(path.parent_path()).c_str(), &status);
    }
    if (result != 0) raise("find the free space around", path, errno);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

  std::unique_ptr<FileLock> lock(const Path& path, bool shared) override {
    return lock_file(path, shared);
  }

  std::uint64_t map_granularity_bytes() const override {
    return gsl::narrow<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_file_system() {
  return std::make_unique<LinuxFileSystem>();
}

}  // namespace coffer::platform::linux_os
