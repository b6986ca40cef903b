// The file system that a store is on: what it is, whether its syncs are real, and how much room it has.
//
// What is tried is tried with a file without a name (O_TMPFILE), which leaves nothing behind.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "tools/doctor/probes.hpp"
#include "tools/report.hpp"
#include "tools/system/block_devices.hpp"

namespace coffer::tools::doctor {
namespace {

namespace fs = std::filesystem;
using Microseconds = std::chrono::duration<double, std::micro>;

class NamelessFile {
 public:
  NamelessFile(const fs::path& directory, int flags)
      : number_(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600)),
        error_(errno) {}
  ~NamelessFile() {
    if (number_ >= 0) ::close(number_);
  }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;
  [[nodiscard]] bool valid() const { return number_ >= 0; }
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] const char* error() const { return std::strerror(error_); }

 private:
  int number_;
  int error_;
};

/// File systems on which a store works, and what is to be said of them.
struct KnownType {
  const char* type;
  Level level;
  const char* what;
};
constexpr std::array kKnownTypes = {
    KnownType{"ext4", Level::ok, ""},
    KnownType{"xfs", Level::ok, ""},
    KnownType{"btrfs", Level::ok, ""},
    KnownType{"ext3", Level::ok, ""},
    KnownType{"f2fs", Level::ok, ""},
    KnownType{"zfs", Level::ok, ""},
    KnownType{"bcachefs", Level::ok, ""},
    KnownType{"tmpfs", Level::warn,
              "its contents are in memory and swap, and gone after a restart"},
    KnownType{"ramfs", Level::warn, "its contents are in memory, and gone after a restart"},
    KnownType{"overlay", Level::warn, "a container's own layer goes with the container"},
    KnownType{"nfs", Level::warn, "locks and syncs are the server's to keep"},
    KnownType{"nfs4", Level::warn, "locks and syncs are the server's to keep"},
    KnownType{"cifs", Level::warn, "locks and syncs are the server's to keep"},
    KnownType{"9p", Level::warn, "locks and syncs are the host's to keep"},
    KnownType{"fuse", Level::warn, "locks and syncs are up to the program behind it"},
    KnownType{"vfat", Level::warn, "it knows no owners, and loses names at a power cut"},
};

constexpr int kSyncs = 20;
constexpr std::size_t kBlock = 4096;
/// No flash takes a block in less.
constexpr Microseconds kFlash{8};

/// A block that O_DIRECT takes.
class Block {
 public:
  Block() : bytes_(static_cast<char*>(std::aligned_alloc(kBlock, kBlock)), &std::free) {
    if (!bytes_) throw std::bad_alloc();
    std::memset(bytes_.get(), 0, kBlock);
  }
  /// Other bytes than before, so that nothing can leave the write out.
  void change() { ++bytes_.get()[0]; }
  [[nodiscard]] bool write(int file, int index) const {
    return ::pwrite(file, bytes_.get(), kBlock, index * off_t{kBlock}) == ssize_t{kBlock};
  }

 private:
  std::unique_ptr<char, decltype(&std::free)> bytes_;
};

/// The median time of one step; nothing when one fails.
template <class Step>
std::optional<Microseconds> median_time(Step step) {
  std::array<Microseconds, kSyncs> times{};
  for (int i = 0; i < kSyncs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (!step(i)) return std::nullopt;
    times[static_cast<std::size_t>(i)] = std::chrono::steady_clock::now() - begin;
  }
  std::ranges::nth_element(times, times.begin() + kSyncs / 2);
  return times[kSyncs / 2];
}

/// The median time of a write of one block and its sync, as a commit does.
std::optional<Microseconds> sync_time(int file) {
  Block block;
  return median_time([&](int i) {
    block.change();
    return block.write(file, i) && ::fdatasync(file) == 0;
  });
}

/// The median time in which the device itself takes a block; nothing where O_DIRECT does not work.
std::optional<Microseconds> device_time(int file) {
  const int flags = ::fcntl(file, F_GETFL);
  if (flags < 0 || ::fcntl(file, F_SETFL, flags | O_DIRECT) != 0) return std::nullopt;
  Block block;
  const auto write = [&](int i) {
    block.change();
    return block.write(file, i);
  };
  // The first time round, blocks are written for the first time where the syncs before did nothing.
  const bool works = median_time(write).has_value();
  const auto time = works ? median_time(write) : std::nullopt;
  ::fcntl(file, F_SETFL, flags);
  return time;
}

struct SyncTimes {
  Microseconds synced;
  std::optional<Microseconds> device;
  /// A sync waits for the device, which takes the block once: in half that time it has not been asked.  What
  /// takes a block faster than flash is no device (a file system in memory may have O_DIRECT).
  [[nodiscard]] bool passed_by_device() const {
    return device && *device >= kFlash && synced < *device / 2;
  }
};

std::optional<SyncTimes> sync_times(int file) {
  constexpr int kTries = 3;
  // In place, as in the journal: growing the file would measure the file system's own journal.
  const Block block;
  for (int i = 0; i < kSyncs; ++i) {
    if (!block.write(file, i)) return std::nullopt;
  }
  if (::fsync(file) != 0) return std::nullopt;
  // A disk may become slower or faster between the two series: what is said of it holds each time.
  for (int tried = 1;; ++tried) {
    const auto synced = sync_time(file);
    if (!synced) return std::nullopt;
    const SyncTimes times{.synced = *synced, .device = device_time(file)};
    if (!times.passed_by_device() || tried == kTries) return times;
  }
}

/// A disk of a virtual machine, or one that a file or a server plays: what it says of itself is made up.
bool is_virtual_disk(const std::string& device) {
  constexpr std::array<std::string_view, 4> kPrefixes = {"vd", "xvd", "nbd", "loop"};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return device.starts_with(prefix); });
}

/// Why a sync of this time cannot have reached the device's medium; empty when it can.
std::string too_fast(const SystemFiles& system, const std::string& device, Microseconds time) {
  constexpr Microseconds kTurn{2000};
  if (time < kFlash) return "no flash is that fast";
  const bool spins = queue_setting(system, device, "rotational") == "1" && !is_virtual_disk(device);
  if (spins && time < kTurn) return "a disk that spins takes some milliseconds";
  return {};
}

}  // namespace

Finding probe_file_system(const Context& context) {
  Finding finding{.id = "disk.file_system", .level = Level::ok, .found = {}, .remedy = {}};
  const auto mount = mount_of(context.system, context.directory);
  if (!mount) {
    finding.level = Level::warn;
    finding.found = fmt::format("what {} lies on is unknown", context.directory.string());
    return finding;
  }
  const auto device = device_of(context.system, *mount);
  finding.found =
      fmt::format("{} is on {} ({}{})", context.directory.string(), mount->type, mount->source,
                  device && is_encrypted(context.system, *device) ? ", encrypted" : "");
  const std::string kind = mount->type.substr(0, mount->type.find('.'));
  const auto known = std::ranges::find(kKnownTypes, kind, &KnownType::type);
  if (known == kKnownTypes.end()) {
    finding.level = Level::warn;
    finding.found += ": a file system that Coffer has not been tried on";
    finding.remedy = "use ext4, xfs or btrfs";
  } else if (known->level != Level::ok) {
    finding.level = known->level;
    finding.found += fmt::format(": {}", known->what);
    finding.remedy = "keep stores on a local disk (ext4, xfs, btrfs)";
  }
  if (("," + mount->options + ",").find(",nobarrier,") != std::string::npos ||
      ("," + mount->options + ",").find(",barrier=0,") != std::string::npos) {
    finding.level = Level::fail;
    finding.found += "; mounted without barriers: a sync does not reach the disk";
    finding.remedy = fmt::format("sudo mount -o remount,barrier {}", mount->point.string());
  }
  return finding;
}

Finding probe_sync(const Context& context) {
  Finding finding{.id = "disk.sync", .level = Level::ok, .found = {}, .remedy = {}};
  const NamelessFile file(context.directory, 0);
  if (!file.valid()) {
    finding.level = Level::warn;
    finding.found = fmt::format("not tried: no file can be made in {}: {}",
                                context.directory.string(), file.error());
    finding.remedy = "run it as the user of the store, on a file system that can be written to";
    return finding;
  }
  const auto times = sync_times(file.number());
  if (!times) {
    finding.level = Level::fail;
    finding.found = fmt::format("a write and its sync failed: {}", std::strerror(errno));
    finding.remedy = "look for the disk's errors: sudo dmesg --level=err,crit";
    return finding;
  }
  finding.found = fmt::format("a block written and synced takes {:.0f} us (median of {})",
                              times->synced.count(), kSyncs);
  if (times->device) {
    finding.found += fmt::format("; the device alone takes {:.0f} us", times->device->count());
  }
  if (times->passed_by_device()) {
    finding.level = Level::warn;
    finding.found += ", more than twice as long: the sync did not reach it";
    finding.remedy =
        "let syncs through: no eatmydata around the service, no sandbox that answers fsync and "
        "fdatasync itself, no overlay mounted `volatile`, no zfs with sync=disabled";
    return finding;
  }
  const auto mount = mount_of(context.system, context.directory);
  const auto device = mount ? device_of(context.system, *mount) : std::nullopt;
  if (!device) {
    finding.found += "; that says nothing of a disk, as there is none below";
    return finding;
  }
  if (is_virtual_disk(*device)) finding.found += "; what its flushes are worth, the host decides";
  if (const std::string reason = too_fast(context.system, *device, times->synced);
      !reason.empty()) {
    finding.level = Level::warn;
    finding.found += fmt::format(": {}, so something answers from its memory", reason);
    finding.remedy =
        "safe only if that memory outlives a power cut (a controller with a battery); else turn "
        "the "
        "write cache off, or have the virtual disk's host honour flushes";
  }
  return finding;
}

Finding probe_direct_io(const Context& context) {
  Finding finding{.id = "disk.direct_io", .level = Level::ok, .found = {}, .remedy = {}};
  const NamelessFile file(context.directory, O_DIRECT);
  const bool works = file.valid() && Block().write(file.number(), 0);
  finding.found = works ? "O_DIRECT works (Coffer does not use it)"
                        : "O_DIRECT does not work (Coffer does not need it)";
  return finding;
}

Finding probe_store_access(const Context& context) {
  Finding finding{.id = "store.access", .level = Level::ok, .found = {}, .remedy = {}};
  const fs::path superblock = context.directory / "superblock";
  struct stat status {};
  if (::stat(superblock.c_str(), &status) != 0) {
    finding.level = Level::fail;
    finding.found =
        fmt::format("{} is no store: {}", context.directory.string(), std::strerror(errno));
    finding.remedy = "name the directory of a store, or make one: coffer create STORE";
    return finding;
  }
  if (::stat(context.directory.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    finding.level = Level::warn;
    finding.found = fmt::format("others than the owner may enter {} (mode {:03o})",
                                context.directory.string(), status.st_mode & 0777u);
    finding.remedy = fmt::format("chmod 700 {}", context.directory.string());
    finding.fix = [directory = context.directory] {
      fs::permissions(directory, fs::perms::owner_all);
      return "chmod 700 " + directory.string();
    };
    return finding;
  }
  if (::access(superblock.c_str(), R_OK | W_OK) != 0) {
    finding.level = Level::warn;
    finding.found =
        fmt::format("this user may not write to {}: {}", superblock.string(), std::strerror(errno));
    finding.remedy = "run the service, and this, as the user that owns the store";
    return finding;
  }
  finding.found = "only the owner may enter the store";
  return finding;
}

}  // namespace coffer::tools::doctor
