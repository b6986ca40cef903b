// Linux only: planted files of /proc and /sys, system calls that fail or lie, and mounted file systems
//
// Rows of the disk, each against a system that is arranged so.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <optional>

#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/doctor_linux_support.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

using coffer::test::ArgumentBits;
using coffer::test::fake_system_call;
using doctor::Finding;
using doctor::Level;

/// Microseconds that the row says the device takes; nothing when it does not say.
std::optional<double> device_time_in(const std::string& found) {
  constexpr std::string_view kWords = "the device alone takes ";
  const auto at = found.find(kWords);
  if (at == std::string::npos) return std::nullopt;
  return std::stod(found.substr(at + kWords.size()));
}

/// Why nothing can be said here of what reaches a disk; empty when it can.
std::string why_no_device(const fs::path& directory) {
  struct statfs status {};
  if (::statfs(directory.c_str(), &status) != 0) return "the file system cannot be asked";
  if (status.f_type == TMPFS_MAGIC) return "temporary files are on tmpfs, which has no device";
  const int file = ::open((directory / "direct").c_str(), O_CREAT | O_RDWR | O_DIRECT, 0600);
  if (file < 0) return "the file system of temporary files has no O_DIRECT";
  constexpr std::size_t kDirectBlock = 4096;
  alignas(kDirectBlock) std::array<char, kDirectBlock> block{};
  std::array<std::chrono::steady_clock::duration, 20> times{};
  bool written = ::pwrite(file, block.data(), block.size(), 0) == ssize_t{kDirectBlock};
  for (auto& time : times) {
    const auto begin = std::chrono::steady_clock::now();
    written = written && ::pwrite(file, block.data(), block.size(), 0) == ssize_t{kDirectBlock};
    time = std::chrono::steady_clock::now() - begin;
  }
  ::close(file);
  if (!written) return "O_DIRECT does not write here";
  std::ranges::sort(times);
  if (times[times.size() / 2] < std::chrono::microseconds(10))
    return "what takes a block faster than flash is no device";
  return {};
}

/// The rows of a directory, with what the process does before it becomes the command.
std::map<std::string, Row> rows_in(const fs::path& directory,
                                   const std::function<void()>& arrange) {
  const auto rows = rows_when([&] {
    if (::chdir(directory.c_str()) != 0) ::_exit(1);
    if (arrange) arrange();
  });
  REQUIRE(rows);
  return *rows;
}

}  // namespace

TEST_CASE("doctor: the file system below a store") {
  PlantedSystem system;
  const auto mounted = [&](const std::string& type, const std::string& options) {
    system.plant("/proc/self/mountinfo", "25 1 8:1 / / rw - " + type + " /dev/sda1 " + options);
    return probe_file_system(system.context());
  };
  CHECK(mounted("ext4", "rw").level == Level::ok);
  CHECK(mounted("ext4", "rw,nobarrier").level == Level::fail);
  CHECK(mounted("xfs", "rw").level == Level::ok);
  CHECK(mounted("tmpfs", "rw").level == Level::warn);
  CHECK(mounted("fuse.sshfs", "rw").level == Level::warn);
  CHECK(mounted("minix", "rw").level == Level::warn);
}

TEST_CASE("doctor: a sync that is faster than a spinning disk is doubted") {
  PlantedSystem system;
  system.plant("/proc/self/mountinfo", "25 1 8:1 / / rw - ext4 /dev/sda1 rw")
      .link("/sys/dev/block/8:1", "/sys/devices/pci/sda/sda1")
      .link("/sys/class/block/sda1", "/sys/devices/pci/sda/sda1")
      .plant("/sys/class/block/sda/queue/rotational", "1");
  const Finding finding = probe_sync(system.context());
  INFO(finding.found);
  // Where this runs may be anything; the row must be right for what it measured.
  const double microseconds = std::stod(finding.found.substr(finding.found.find("takes ") + 6));
  CHECK((finding.level == Level::warn) == (microseconds < 2000));
}

TEST_CASE("doctor: a sync that does nothing is found by what the device takes") {
  const TemporaryFolder folder;
  if (const std::string why = why_no_device(folder.path()); !why.empty())
    return coffer::test::skip(why);
  const Row honest = rows_in(folder.path(), {}).at("disk.sync");
  CAPTURE(honest.found);
  const auto device = device_time_in(honest.found);
  REQUIRE(device);
  CHECK_THAT(honest.found, !Catch::Contains("did not reach"));

  const Row lying = rows_in(folder.path(), [] {
                      fake_system_call(SYS_fsync, 0);
                      fake_system_call(SYS_fdatasync, 0);
                    }).at("disk.sync");
  CAPTURE(lying.found);
  CHECK(lying.level == "WARN");
  CHECK_THAT(lying.found,
             Catch::EndsWith(" us, more than twice as long: the sync did not reach it"));
  CHECK_THAT(lying.remedy, Catch::StartsWith("let syncs through"));
  REQUIRE(device_time_in(lying.found));
  CHECK(std::stod(lying.found.substr(lying.found.find("takes ") + 6)) <
        *device_time_in(lying.found) / 2 + 1);
}

TEST_CASE("doctor: where O_DIRECT does not work, the row of syncs does without the device") {
  const TemporaryFolder folder;
  // Of the commands that the process uses, only the one that sets flags has this bit.
  const Row row =
      rows_in(folder.path(), [] {
        fake_system_call(SYS_fcntl, EINVAL, ArgumentBits{.argument = 1, .bits = F_SETFL});
      }).at("disk.sync");
  CAPTURE(row.found);
  CHECK_FALSE(device_time_in(row.found));
  CHECK_THAT(row.found, Catch::StartsWith("a block written and synced takes "));
}

TEST_CASE("doctor: a sync that fails, and a directory that cannot be written to") {
  const TemporaryFolder folder;
  const Row failed =
      rows_in(folder.path(), [] { fake_system_call(SYS_fdatasync, EIO); }).at("disk.sync");
  CHECK(failed.level == "FAIL");
  CHECK(failed.found == "a write and its sync failed: Input/output error");
  CHECK_THAT(failed.remedy, Catch::Contains("dmesg"));

  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  const Row refused = rows_in(folder.path(), [] {
                        coffer::test::drop_capability(CAP_DAC_OVERRIDE);
                      }).at("disk.sync");
  fs::permissions(folder.path(), fs::perms::owner_all);
  CHECK(refused.level == "WARN");
  CHECK_THAT(refused.found, Catch::StartsWith("not tried") && Catch::EndsWith("Permission denied"));
  CHECK_THAT(refused.remedy, Catch::StartsWith("run it as the user of the store"));
}

TEST_CASE("doctor: O_DIRECT that is refused is no fault, and told") {
  const TemporaryFolder folder;
  if (const std::string why = why_no_device(folder.path()); why.empty()) {
    CHECK_THAT(rows_in(folder.path(), {}).at("disk.direct_io").found,
               Catch::StartsWith("O_DIRECT works"));
  }
  const Row row =
      rows_in(folder.path(), [] {
        fake_system_call(SYS_openat, EINVAL, ArgumentBits{.argument = 2, .bits = O_DIRECT});
      }).at("disk.direct_io");
  CHECK(row.level == "OK");
  CHECK_THAT(row.found, Catch::StartsWith("O_DIRECT does not work"));
}

TEST_CASE("doctor: a file system that is nearly full, and one in memory") {
  const TemporaryFolder folder;
  const auto rows_on = [&](int mebibytes) {
    return rows_when([&] { enter_tmpfs(folder.path().string(), mebibytes); });
  };
  const auto full = rows_on(32);
  if (!full) return coffer::test::skip("no file system can be mounted here, in a namespace either");
  CHECK(full->at("disk.space").level == "FAIL");
  CHECK(full->at("disk.space").found == "32.0 MiB free where " + folder.path().string() + " is");
  CHECK_THAT(full->at("disk.space").remedy, Catch::StartsWith("free space"));
  const auto little = rows_on(512);
  REQUIRE(little);
  CHECK(little->at("disk.space").level == "WARN");
  CHECK(little->at("disk.space").found == "512.0 MiB free where " + folder.path().string() + " is");
  const auto enough = rows_on(2048);
  REQUIRE(enough);
  CHECK(enough->at("disk.space").level == "OK");
  CHECK(enough->at("disk.space").remedy.empty());

  CHECK(full->at("disk.file_system").level == "WARN");
  CHECK_THAT(full->at("disk.file_system").found, Catch::Contains(" is on tmpfs (tmpfs): "));
  CHECK(full->at("disk.sync").level == "OK");
  CHECK_THAT(full->at("disk.sync").found, Catch::EndsWith("there is none below"));
}

}  // namespace coffer::tools::test
