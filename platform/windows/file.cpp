// Files, read and written by position.
//
// 1. Every transfer goes on until it is whole.
// 2. A failed sync is reported once and never repeated here.
// 3. A symbolic link, a junction or a mount point at the last component is refused, and so is whatever is no
//    regular file.
// 4. Handles are not inherited; files are born for their owner only.
// 5. Others may read, write and delete the file while it is open, as on every system: what keeps a second writer
//    out is the lock.
#include "platform/windows/file.hpp"

#include <fmt/format.h>
#include <winioctl.h>

#include <algorithm>
#include <array>
#include <coffer/error.hpp>
#include <vector>

#include "platform/windows/os_error.hpp"
#include "platform/windows/owner_only.hpp"
#include "platform/windows/views.hpp"

namespace coffer::platform::windows_os {

namespace {

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
// A link is opened itself (FILE_FLAG_OPEN_REPARSE_POINT) and a directory too (FILE_FLAG_BACKUP_SEMANTICS), to be
// refused by what they are.
constexpr DWORD kFlags =
    FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
/// ERROR_DIRECTORY_NOT_SUPPORTED, which older headers lack.
constexpr ErrorCode kDirectoryNotSupported = 336;
constexpr std::size_t kGatherBytes = 64 * 1024;
constexpr DWORD kLargestWrite = 1 << 30;

DWORD access_of(OpenMode mode) {
  return mode == OpenMode::read_only ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE;
}

template <class Information>
ErrorCode ask(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS which, Information& answer) {
  return ::GetFileInformationByHandleEx(handle, which, &answer, sizeof answer) != 0 ? kSuccess
                                                                                    : last_error();
}
template <class Information>
ErrorCode tell(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS which, Information what) {
  return ::SetFileInformationByHandle(handle, which, &what, sizeof what) != 0 ? kSuccess
                                                                              : last_error();
}

LARGE_INTEGER large(std::uint64_t number) {
  LARGE_INTEGER made{};
  made.QuadPart = gsl::narrow_cast<LONGLONG>(number);
  return made;
}

/// IoError when it is no regular file.
void require_regular(HANDLE handle, const Path& path) {
  const auto refuse = [&](ErrorCode code = ERROR_INVALID_PARAMETER) {
    throw IoError(fmt::format("cannot use '{}': it is not a regular file", path.string()), "open",
                  path, static_cast<int>(code));
  };
  if (::GetFileType(handle) != FILE_TYPE_DISK) refuse();
  FILE_ATTRIBUTE_TAG_INFO tag{};
  if (ask(handle, FileAttributeTagInfo, tag) != kSuccess)
    return;  // the file system has no such things
  if ((tag.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) refuse(kDirectoryNotSupported);
  // Other reparse points (files kept in a cloud, deduplicated ones) are files all the same.
  if ((tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
      IsReparseTagNameSurrogate(tag.ReparseTag)) {
    refuse();
  }
}

FileIdentity identity_of(HANDLE handle, const Path& path) {
  BY_HANDLE_FILE_INFORMATION information{};
  if (::GetFileInformationByHandle(handle, &information) == 0)
    raise("identify", path, last_error());
  return {information.dwVolumeSerialNumber,
          (std::uint64_t{information.nFileIndexHigh} << 32) | information.nFileIndexLow};
}

Handle open_handle(const Path& path, DWORD access, DWORD share, DWORD disposition,
                   const char* operation) {
  Handle handle(::CreateFileW(native_path(path).c_str(), access, share, owner_only_file(),
                              disposition, kFlags, nullptr));
  if (!handle.valid()) raise(operation, path, last_error());
  require_regular(handle.get(), path);
  return handle;
}

class WindowsFile final : public File {
 public:
  WindowsFile(Handle handle, const Path& path, OpenMode mode)
      : state_(std::make_shared<OpenFile>(std::move(handle), path)),
        mode_(mode),
        identity_(identity_of(state_->handle(), path)) {}

  const Path& path() const override { return state_->path(); }
  FileIdentity identity() const override { return identity_; }
  std::uint64_t size() const override { return state_->size(); }
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return state_->read_at(offset, out);
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override;
  void write_vector_at(std::uint64_t offset,
                       std::span<const std::span<const std::byte>> runs) override;
  void sync() override;
  // NTFS offers a sync of the data alone only to what calls NtFlushBuffersFileEx, which is not documented for
  // programs.
  void data_sync() override { sync(); }
  void allocate(std::uint64_t offset, std::uint64_t length) override;
  void truncate(std::uint64_t size) override;
  void punch(std::uint64_t offset, std::uint64_t length) override;
  std::unique_ptr<Mapping> map(std::uint64_t offset, std::uint64_t length) const override {
    return std::make_unique<WindowsMapping>(state_, offset, length);
  }

 private:
  void extend_with_zeros(std::uint64_t old_size, std::uint64_t end);

  const std::shared_ptr<OpenFile> state_;
  const OpenMode mode_;
  const FileIdentity identity_;
};

void WindowsFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  // Behind the write, whatever became of it: a sync that ends while it is under way does not cover it.
  const auto mark = gsl::finally([&] { state_->unsynced.add(offset, offset + bytes.size()); });
  std::size_t done = 0;
  while (done < bytes.size()) {
    OVERLAPPED at = position_of(offset + done);
    const auto now = static_cast<DWORD>(std::min<std::size_t>(bytes.size() - done, kLargestWrite));
    DWORD put = 0;
    const bool written = ::WriteFile(state_->handle(), bytes.data() + done, now, &put, &at) != 0;
    if (!written || put == 0) {
      raise(fmt::format("write {} bytes at offset {} of", bytes.size() - done, offset + done),
            path(), written ? ERROR_WRITE_FAULT : last_error());
    }
    done += put;
  }
}

// WriteFileGather wants unbuffered files.  What is written here is sealed, so it may be gathered in plain memory.
void WindowsFile::write_vector_at(std::uint64_t offset,
                                  std::span<const std::span<const std::byte>> runs) {
  std::vector<std::byte> gathered;
  gathered.reserve(kGatherBytes);
  const auto flush = [&] {
    write_at(offset, gathered);
    offset += gathered.size();
    gathered.clear();
  };
  for (const auto& run : runs) {
    if (gathered.size() + run.size() > kGatherBytes) flush();
    if (run.size() >= kGatherBytes) {
      write_at(offset, run);
      offset += run.size();
    } else {
      gathered.insert(gathered.end(), run.begin(), run.end());
    }
  }
  flush();
}

void WindowsFile::sync() {
  if (mode_ == OpenMode::read_only)
    return;  // FlushFileBuffers wants write access; nothing is ours to flush
  state_->unsynced.sync_begins();
  const bool flushed = ::FlushFileBuffers(state_->handle()) != 0;
  const ErrorCode code = flushed ? kSuccess : last_error();
  state_->unsynced.sync_ended(flushed);
  if (!flushed) raise("sync", path(), code);
}

void WindowsFile::allocate(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  const auto refuse = [&](ErrorCode code) {
    raise(fmt::format("reserve {} bytes at offset {} of", length, offset), path(), code);
  };
  const std::uint64_t end = offset + length;
  FILE_STANDARD_INFO now{};
  if (const auto code = ask(state_->handle(), FileStandardInfo, now)) refuse(code);
  // Clusters first: when there are none the size stays as it was.  A smaller allocation would cut the file.
  if (static_cast<std::uint64_t>(now.AllocationSize.QuadPart) < end) {
    const auto code = tell(state_->handle(), FileAllocationInfo, FILE_ALLOCATION_INFO{large(end)});
    // What the file system cannot reserve (nor Wine) is written instead.
    if (code == ERROR_CALL_NOT_IMPLEMENTED || code == ERROR_NOT_SUPPORTED ||
        code == ERROR_INVALID_FUNCTION) {
      extend_with_zeros(static_cast<std::uint64_t>(now.EndOfFile.QuadPart), end);
      return;
    }
    if (code != kSuccess) refuse(code);
  }
  if (static_cast<std::uint64_t>(now.EndOfFile.QuadPart) < end) {
    const auto code = tell(state_->handle(), FileEndOfFileInfo, FILE_END_OF_FILE_INFO{large(end)});
    if (code != kSuccess) refuse(code);
  }
}

// Behind the end of the file only, where nobody has data.
void WindowsFile::extend_with_zeros(std::uint64_t old_size, std::uint64_t end) {
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  try {
    for (std::uint64_t at = old_size; at < end;) {
      const auto step = std::min<std::uint64_t>(kZeros.size(), end - at);
      write_at(at, std::span(kZeros).first(step));
      at += step;
    }
  } catch (const NoSpace&) {
    truncate(old_size);
    throw;
  }
}

void WindowsFile::truncate(std::uint64_t size) {
  state_->without_views([&] {
    if (const auto code =
            tell(state_->handle(), FileEndOfFileInfo, FILE_END_OF_FILE_INFO{large(size)})) {
      raise(fmt::format("set the size to {} bytes of", size), path(), code);
    }
  });
}

void WindowsFile::punch(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = std::min(offset + length, size());
  if (offset >= end) return;
  const auto mark = gsl::finally([&] { state_->unsynced.add(offset, end); });
  DWORD returned = 0;
  FILE_SET_SPARSE_BUFFER sparse{TRUE};
  FILE_ZERO_DATA_INFORMATION zeros{};
  zeros.FileOffset = large(offset);
  zeros.BeyondFinalZero = large(end);
  if (::DeviceIoControl(state_->handle(), FSCTL_SET_SPARSE, &sparse, sizeof sparse, nullptr, 0,
                        &returned, nullptr) == 0 ||
      ::DeviceIoControl(state_->handle(), FSCTL_SET_ZERO_DATA, &zeros, sizeof zeros, nullptr, 0,
                        &returned, nullptr) == 0) {
    const ErrorCode code = last_error();
    if (code != ERROR_INVALID_FUNCTION && code != ERROR_NOT_SUPPORTED) {
      raise(fmt::format("give back {} bytes at offset {} of", length, offset), path(), code);
    }
  }
}

}  // namespace

std::unique_ptr<File> open_file(const Path& path, OpenMode mode) {
  return std::make_unique<WindowsFile>(
      open_handle(path, access_of(mode), kShareAll, OPEN_EXISTING, "open"), path, mode);
}

std::unique_ptr<File> create_file(const Path& path) {
  return std::make_unique<WindowsFile>(
      open_handle(path, access_of(OpenMode::read_write), kShareAll, CREATE_NEW, "create"), path,
      OpenMode::read_write);
}

// Not to be deleted or renamed while it is held, so that its name cannot lead to another file meanwhile.
Handle open_to_lock(const Path& path, bool shared) {
  constexpr DWORD kShare = FILE_SHARE_READ | FILE_SHARE_WRITE;
  const char* const operation = "open the lock file";
  try {
    return open_handle(path, access_of(OpenMode::read_write), kShare, OPEN_ALWAYS, operation);
  } catch (const IoError& refused) {
    // A shared lock needs no more than to read: a store on a read-only medium can still be read.
    const bool read_only =
        refused.code() == ERROR_ACCESS_DENIED || refused.code() == ERROR_WRITE_PROTECT;
    if (!shared || !read_only) throw;
  }
  return open_handle(path, access_of(OpenMode::read_only), kShare, OPEN_EXISTING, operation);
}

}  // namespace coffer::platform::windows_os
