// Files, read and written by position.
//
// 1. Every transfer goes on until it is whole: short counts are continued, EINTR is repeated.
// 2. A failed sync is reported once and never repeated here: Linux marks the lost pages clean, and a
//    second fsync would report a success that is none.  What then has to happen is the caller's.
// 3. A symbolic link at the last component is refused, and so is whatever is no regular file.
// 4. Descriptors are closed on exec; files are born with mode 0600.
#include "platform/linux/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <coffer/error.hpp>

#include "platform/linux/os_error.hpp"

namespace coffer::platform::linux_os {

namespace {

constexpr ::mode_t kOwnerOnly = 0600;
// Without O_NONBLOCK, opening a FIFO that stands where a file should be would wait for ever.
constexpr int kOpenFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

off_t position(std::uint64_t offset) {
  return gsl::narrow_cast<off_t>(offset);
}

class LinuxFile final : public File {
 public:
  LinuxFile(Descriptor descriptor, Path path)
      : descriptor_(std::move(descriptor)),
        path_(std::move(path)),
        identity_(identity_of_regular(descriptor_, path_)) {}

  const Path& path() const override { return path_; }
  FileIdentity identity() const override { return identity_; }

  std::uint64_t size() const override {
    struct stat status {};
    if (::fstat(descriptor_.number(), &status) != 0) raise("find the size of", path_, errno);
    return gsl::narrow_cast<std::uint64_t>(status.st_size);
  }

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto got = repeat_interrupted([&] {
        return ::pread(descriptor_.number(), out.data() + done, out.size() - done,
                       position(offset + done));
      });
      if (got < 0) {
        raise(fmt::format("read {} bytes at offset {} of", out.size() - done, offset + done), path_,
              errno);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    require_within_limit(offset, bytes.size());
    std::size_t done = 0;
    while (done < bytes.size()) {
      const auto put = repeat_interrupted([&] {
        return ::pwrite(descriptor_.number(), bytes.data() + done, bytes.size() - done,
                        position(offset + done));
      });
      if (put <= 0) raise_write(offset + done, bytes.size() - done, put);
      done += static_cast<std::size_t>(put);
    }
  }

  void write_vector_at(std::uint64_t offset,
                       std::span<const std::span<const std::byte>> runs) override;

  void sync() override {
    if (repeat_interrupted([&] { return ::fsync(descriptor_.number()); }) != 0) {
      raise("sync", path_, errno);
    }
  }
  void data_sync() override {
    if (repeat_interrupted([&] { return ::fdatasync(descriptor_.number()); }) != 0) {
      raise("sync the data of", path_, errno);
    }
  }

  void write_back(std::uint64_t offset, std::uint64_t length) noexcept override {
    // Without the flags that wait: those would take errors that are sync's to report.
    static_cast<void>(::sync_file_range(descriptor_.number(), position(offset), position(length),
                                        SYNC_FILE_RANGE_WRITE));
  }

  void allocate(std::uint64_t offset, std::uint64_t length) override;

  void truncate(std::uint64_t size) override {
    require_within_limit(0, size);
    if (repeat_interrupted([&] { return ::ftruncate(descriptor_.number(), position(size)); }) !=
        0) {
      raise(fmt::format("set the size to {} bytes of", size), path_, errno);
    }
  }

  void punch(std::uint64_t offset, std::uint64_t length) override {
    if (length == 0) return;
    const int code = fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    if (code != 0 && code != EOPNOTSUPP && code != ENOSYS) {
      raise(fmt::format("give back {} bytes at offset {} of", length, offset), path_, code);
    }
  }

  std::unique_ptr<Mapping> map(std::uint64_t offset, std::uint64_t length) const override {
    return map_descriptor(descriptor_.number(), path_, offset, length);
  }

 private:
  [[noreturn]] void raise_write(std::uint64_t offset, std::size_t length, ssize_t result) const {
    raise(fmt::format("write {} bytes at offset {} of", length, offset), path_,
          result == 0 ? EIO : errno);
  }

  /// 0 or errno.
  int fallocate(int mode, std::uint64_t offset, std::uint64_t length) const {
    const int result = repeat_interrupted([&] {
      return ::fallocate(descriptor_.number(), mode, position(offset), position(length));
    });
    return result == 0 ? 0 : errno;
  }

  void extend_with_zeros(std::uint64_t end);

  /// Asks the system only beyond what was within the limit before, and then for the whole file as it is: a call for
  /// each write would be one too many, also where what is there already is written over from front to back.  A limit
  /// that is lowered under a file's size while it is open ends the process by its signal.
  void require_within_limit(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t known = within_limit_upto_.load(std::memory_order_relaxed);
    if (length <= known && offset <= known - length) return;
    const std::uint64_t limit = require_within_size_limit(path_, offset, length);
    within_limit_upto_.store(std::max(offset + length, std::min(limit, size())),
                             std::memory_order_relaxed);
  }

  Descriptor descriptor_;
  Path path_;
  FileIdentity identity_;
  std::atomic<std::uint64_t> within_limit_upto_{0};
};

void LinuxFile::write_vector_at(std::uint64_t offset,
                                std::span<const std::span<const std::byte>> runs) {
  std::uint64_t left = 0;
  for (const auto& run : runs) left += run.size();
  require_within_limit(offset, left);

  std::size_t run_index = 0;  // the first run that is not written whole
  std::size_t run_done = 0;   // how much of it is
  while (left > 0) {
    std::array<iovec, 64> vectors{};
    std::size_t count = 0;
    for (std::size_t i = run_index; i < runs.size() && count < vectors.size(); ++i) {
      const auto part = runs[i].subspan(i == run_index ? run_done : 0);
      if (part.empty()) continue;
      // writev takes its sources as non-const only because readv shares the type.
      vectors[count++] = {const_cast<std::byte*>(part.data()), part.size()};
    }
    const auto put = repeat_interrupted([&] {
      return ::pwritev(descriptor_.number(), vectors.data(), static_cast<int>(count),
                       position(offset));
    });
    if (put <= 0) raise_write(offset, left, put);
    auto advance = static_cast<std::size_t>(put);
    offset += advance;
    left -= advance;
    while (advance > 0) {
      const std::size_t step = std::min(advance, runs[run_index].size() - run_done);
      advance -= step;
      run_done += step;
      if (run_done == runs[run_index].size()) {
        ++run_index;
        run_done = 0;
      }
    }
  }
}

// Not posix_fallocate: where the file system cannot reserve, glibc emulates it by writing into
// blocks that may hold data, in a race with everybody else who writes there.
void LinuxFile::allocate(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  require_within_limit(offset, length);
  // First without changing the size, so that a reservation which fails half way leaves the size
  // alone; the second call then has its blocks and only moves the end of the file, never back.
  int code = fallocate(FALLOC_FL_KEEP_SIZE, offset, length);
  if (code == 0) code = fallocate(0, offset, length);
  if (code == EOPNOTSUPP || code == ENOSYS) {
    extend_with_zeros(offset + length);
  } else if (code != 0) {
    raise(fmt::format("reserve {} bytes at offset {} of", length, offset), path_, code);
  }
}

// For file systems that cannot reserve.  Zeros go behind the end of the file only, where nobody has
// data.
void LinuxFile::extend_with_zeros(std::uint64_t end) {
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  const std::uint64_t old_size = size();
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

}  // namespace

FileIdentity identity_of_regular(const Descriptor& descriptor, const Path& path) {
  struct stat status {};
  if (::fstat(descriptor.number(), &status) != 0) raise("identify", path, errno);
  if (!S_ISREG(status.st_mode)) {
    throw IoError(fmt::format("cannot use '{}': it is not a regular file", path.string()), "open",
                  path, S_ISDIR(status.st_mode) ? EISDIR : EINVAL);
  }
  return {gsl::narrow_cast<std::uint64_t>(status.st_dev),
          gsl::narrow_cast<std::uint64_t>(status.st_ino)};
}

std::unique_ptr<File> open_file(const Path& path, OpenMode mode) {
  const int flags = kOpenFlags | (mode == OpenMode::read_only ? O_RDONLY : O_RDWR);
  Descriptor descriptor = open_descriptor(path.c_str(), flags);
  if (!descriptor.valid()) raise("open", path, errno);
  return std::make_unique<LinuxFile>(std::move(descriptor), path);
}

std::unique_ptr<File> create_file(const Path& path) {
  Descriptor descriptor =
      open_descriptor(path.c_str(), kOpenFlags | O_RDWR | O_CREAT | O_EXCL, kOwnerOnly);
  if (!descriptor.valid()) raise("create", path, errno);
  return std::make_unique<LinuxFile>(std::move(descriptor), path);
}

Descriptor open_to_lock(const Path& path, bool shared, FileIdentity& identity) {
  Descriptor descriptor = open_descriptor(path.c_str(), kOpenFlags | O_RDWR | O_CREAT, kOwnerOnly);
  // A shared lock needs no more than to read: a store on a read-only medium can still be read.
  if (!descriptor.valid() && shared && (errno == EROFS || errno == EACCES)) {
    descriptor = open_descriptor(path.c_str(), kOpenFlags | O_RDONLY);
  }
  if (!descriptor.valid()) raise("open the lock file", path, errno);
  identity = identity_of_regular(descriptor, path);
  return descriptor;
}

}  // namespace coffer::platform::linux_os
