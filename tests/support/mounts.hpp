// File systems of a test's own: in memory, and in an image behind a loop device.
//
// 1. What is mounted is unmounted by its owner's destructor; the loop device goes with the mount (autoclear).
// 2. A thread that called `private_mounts` mounts for itself and for the processes that it starts: what it leaves
//    behind, however it ends, vanishes with the last of them.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

namespace coffer::test {

/// From now on mounts of this thread, and of what it starts, are seen by nobody else.  False where the machine
/// does not allow it.
inline bool private_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// Something mounted, while it lives.
class Mount {
 public:
  /// `where` is made a directory.
  explicit Mount(std::filesystem::path where) : where_(std::move(where)) {
    std::error_code there_already;
    std::filesystem::create_directory(where_, there_already);
  }
  ~Mount() {
    if (!unmount()) ::umount2(where_.c_str(), MNT_DETACH);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  bool mount(const std::string& source, const char* type, const std::string& options) {
    mounted_ = ::mount(source.c_str(), where_.c_str(), type, 0, options.c_str()) == 0;
    if (!mounted_) why_ = std::string("mount of ") + type + ": " + std::strerror(errno);
    return mounted_;
  }
  /// With other options, in place.
  bool change(const std::string& options) {
    return ::mount(nullptr, where_.c_str(), nullptr, MS_REMOUNT, options.c_str()) == 0;
  }
  /// A process that was killed may hold on for a moment.
  bool unmount() {
    for (int attempt = 0; mounted_ && attempt < 500; ++attempt) {
      if (::umount2(where_.c_str(), 0) == 0) {
        mounted_ = false;
      } else if (errno == EBUSY) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      } else {
        break;
      }
    }
    return !mounted_;
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::filesystem::path& path() const { return where_; }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::filesystem::path where_;
  bool mounted_ = false;
  std::string why_;
};

/// A file system in memory with room for so much ("2m").
class MemoryFileSystem {
 public:
  MemoryFileSystem(std::filesystem::path path, const std::string& size) : mount_(std::move(path)) {
    mount_.mount("tmpfs", "tmpfs", "mode=0700,size=" + size);
  }
  [[nodiscard]] bool mounted() const { return mount_.mounted(); }
  [[nodiscard]] const std::string& why() const { return mount_.why(); }
  [[nodiscard]] const std::filesystem::path& path() const { return mount_.path(); }
  [[nodiscard]] std::filesystem::path at(const char* name) const { return path() / name; }
  [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(path()); }
  bool resize(const std::string& size) { return mount_.change("size=" + size); }

 private:
  Mount mount_;
};

/// A file system in a sparse file, mounted by way of a loop device.
class DiskImage {
 public:
  /// `type`: ext4 or xfs.
  DiskImage(std::filesystem::path image, std::filesystem::path where, std::string type)
      : image_(std::move(image)), type_(std::move(type)), mount_(std::move(where)) {}

  /// A new, empty one, whatever was there.  Blocks of 4 KiB: with the 1 KiB that mkfs takes for small images, ext4
  /// loses what a successful fdatasync covered when a thin image runs out of space (a program that does nothing but
  /// write and sync lost some in 30 runs of 100; with 4 KiB in none).  False where the machine cannot; why() says what failed.
  bool make(std::uint64_t bytes) {
    if (!mount_.unmount()) return failed("unmount");
    std::error_code code;
    std::filesystem::remove(image_, code);
    std::FILE* const file = std::fopen(image_.c_str(), "wb");
    if (file == nullptr) return failed("create the image");
    std::fclose(file);
    std::filesystem::resize_file(image_, bytes, code);
    const std::string maker = type_ == "xfs" ? "mkfs.xfs -q -f " : "mkfs.ext4 -q -F -m 0 -b 4096 ";
    if (!runs("PATH=$PATH:/sbin:/usr/sbin exec " + maker + image_.string() + " >/dev/null 2>&1")) {
      why_ = "mkfs." + type_ + " is not installed or fails";
      return false;
    }
    return true;
  }

  bool mount(const std::string& options = {}) {
    const int device = attach();
    if (device < 0) return false;
    // The device lives as long as the mount: it is cleared when the last user closes it.
    const bool done = mount_.mount(device_, type_.c_str(), options);
    if (!done) why_ = mount_.why();
    ::close(device);
    return done;
  }
  bool unmount() { return mount_.unmount(); }

  /// The file system stops as if the power were cut.  `log_too`: what its log has is written first.
  bool cut(bool log_too) {
    // EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same call.
    constexpr unsigned long kShutDown = _IOR('X', 125, std::uint32_t);
    std::uint32_t flags = log_too ? 1 : 2;
    const int directory = ::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = directory >= 0 && ::ioctl(directory, kShutDown, &flags) == 0;
    if (!done) failed("shut the file system down");
    if (directory >= 0) ::close(directory);
    return done;
  }

  [[nodiscard]] const std::filesystem::path& path() const { return mount_.path(); }
  [[nodiscard]] const std::filesystem::path& image() const { return image_; }
  [[nodiscard]] bool mounted() const { return mount_.mounted(); }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  /// std::system would not do: while it waits, what a terminal sends to end the campaign ends the command and not the
  /// campaign.  This one is in a group of its own.
  static bool runs(std::string command) {
    std::string shell = "/bin/sh";
    std::string from_text = "-c";
    char* const arguments[] = {shell.data(), from_text.data(), command.data(), nullptr};
    posix_spawnattr_t attributes;
    if (::posix_spawnattr_init(&attributes) != 0) return false;
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t shell_pid = 0;
    const int code =
        ::posix_spawn(&shell_pid, shell.c_str(), nullptr, &attributes, arguments, environ);
    ::posix_spawnattr_destroy(&attributes);
    int status = -1;
    while (code == 0 && ::waitpid(shell_pid, &status, 0) < 0 && errno == EINTR) continue;
    return code == 0 && status == 0;
  }

  bool failed(const char* what) {
    why_ = std::string(what) + ": " + std::strerror(errno);
    return false;
  }

  /// Puts the image behind a free loop device, and opens that.
  int attach() {
    const int image = ::open(image_.c_str(), O_RDWR | O_CLOEXEC);
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int device = -1;
    // Somebody else may take the free one first.
    for (int attempt = 0; image >= 0 && control >= 0 && device < 0 && attempt < 100; ++attempt) {
      const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
      if (number < 0) break;
      device_ = "/dev/loop" + std::to_string(number);
      device = ::open(device_.c_str(), O_RDWR | O_CLOEXEC);
      if (device < 0) break;
      loop_config config{};
      config.fd = static_cast<std::uint32_t>(image);
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (::ioctl(device, LOOP_CONFIGURE, &config) != 0) {
        const bool taken = errno == EBUSY;
        failed("configure a loop device");
        ::close(device);
        device = -1;
        if (!taken) break;
      }
    }
    if (device < 0 && why_.empty()) failed("find a loop device");
    if (image >= 0) ::close(image);
    if (control >= 0) ::close(control);
    return device;
  }

  std::filesystem::path image_;
  std::string type_;
  Mount mount_;
  std::string device_;
  std::string why_;
};

}  // namespace coffer::test
