// Linux only: planted files of /proc and /sys, limits and modes
//
// Each row of the diagnostics against a system that is arranged so: planted files of /proc and /sys, real limits
// of locked memory, real directories.
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "platform/platform.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/store_fixture.hpp"
#include "tools/doctor/probes.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

constexpr int kCouldNotBecome = 77;

using doctor::Finding;
using doctor::Level;

/// A root with planted files; everything else is absent there.
class PlantedSystem {
 public:
  PlantedSystem& plant(const std::string& path, const std::string& text) {
    const fs::path place = directory_ / path.substr(1);
    fs::create_directories(place.parent_path());
    std::ofstream(place) << text << '\n';
    return *this;
  }
  PlantedSystem& link(const std::string& path, const std::string& target) {
    const fs::path place = directory_ / path.substr(1);
    fs::create_directories(place.parent_path());
    fs::create_directories(directory_ / target.substr(1));
    fs::create_symlink(directory_ / target.substr(1), place);
    return *this;
  }
  [[nodiscard]] doctor::Context context() const {
    return {.platform = platform::native_platform(),
            .system = SystemFiles(directory_.path()),
            .wanted_locked_bytes = 64 << 20,
            .directory = directory_.path()};
  }

 private:
  TemporaryFolder directory_;
};

std::string swaps(const std::string& device, const std::string& type) {
  return "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + device + " " + type +
         "\t1048572\t\t0\t\t-2";
}

}  // namespace

TEST_CASE("doctor: swap is told by what it is written to") {
  PlantedSystem system;
  SECTION("none") {
    system.plant("/proc/swaps", "Filename Type Size Used Priority");
    const Finding finding = probe_swap(system.context());
    CHECK(finding.level == Level::ok);
    CHECK(finding.found == "no swap");
  }
  SECTION("a plain partition") {
    system.plant("/proc/swaps", swaps("/dev/sda2", "partition"));
    const Finding finding = probe_swap(system.context());
    CHECK(finding.level == Level::warn);
    CHECK_THAT(finding.remedy, Catch::EndsWith("sudo swapoff /dev/sda2"));
  }
  SECTION("dm-crypt") {
    system.plant("/proc/swaps", swaps("/dev/dm-0", "partition"))
        .plant("/sys/class/block/dm-0/dm/uuid", "CRYPT-PLAIN-swap");
    CHECK(probe_swap(system.context()).level == Level::ok);
  }
  SECTION("a logical volume on dm-crypt") {
    system.plant("/proc/swaps", swaps("/dev/dm-1", "partition"))
        .plant("/sys/class/block/dm-1/dm/uuid", "LVM-x")
        .plant("/sys/class/block/dm-1/slaves/dm-0/size", "1")
        .plant("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-x");
    CHECK(probe_swap(system.context()).level == Level::ok);
  }
  SECTION("a logical volume of which one disk is plain") {
    system.plant("/proc/swaps", swaps("/dev/dm-1", "partition"))
        .plant("/sys/class/block/dm-1/dm/uuid", "LVM-x")
        .plant("/sys/class/block/dm-1/slaves/dm-0/size", "1")
        .plant("/sys/class/block/dm-1/slaves/sdb/size", "1")
        .plant("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-x");
    CHECK(probe_swap(system.context()).level == Level::warn);
  }
  SECTION("zram, in memory") {
    system.plant("/proc/swaps", swaps("/dev/zram0", "partition"))
        .plant("/sys/class/block/zram0/backing_dev", "none");
    CHECK(probe_swap(system.context()).level == Level::ok);
  }
  SECTION("zram that writes to a disk") {
    system.plant("/proc/swaps", swaps("/dev/zram0", "partition"))
        .plant("/sys/class/block/zram0/backing_dev", "/dev/sda3");
    CHECK(probe_swap(system.context()).level == Level::warn);
  }
  SECTION("a file on a plain disk, and on an encrypted one") {
    const bool encrypted = GENERATE(false, true);
    system.plant("/proc/swaps", swaps("/swapfile", "file"))
        .plant("/proc/self/mountinfo", "25 1 253:0 / / rw,relatime - ext4 /dev/mapper/root rw")
        .link("/sys/dev/block/253:0", "/sys/devices/virtual/block/dm-0")
        .plant("/sys/class/block/dm-0/dm/uuid", encrypted ? "CRYPT-LUKS2-x" : "LVM-x");
    CHECK(probe_swap(system.context()).level == (encrypted ? Level::ok : Level::warn));
  }
}

TEST_CASE("doctor: hibernation counts where the kernel can and there is swap") {
  PlantedSystem system;
  system.plant("/proc/swaps", swaps("/dev/dm-0", "partition"));
  CHECK(probe_hibernation(system.context()).level == Level::ok);
  system.plant("/sys/power/state", "freeze mem disk").plant("/sys/power/disk", "[platform] reboot");
  CHECK(probe_hibernation(system.context()).level == Level::warn);
  system.plant("/sys/power/disk", "[disabled]");
  CHECK(probe_hibernation(system.context()).level == Level::ok);
  system.plant("/sys/power/disk", "[platform]").plant("/proc/swaps", "Filename Type");
  CHECK(probe_hibernation(system.context()).level == Level::ok);
}

TEST_CASE("doctor: core dumps are off when the limit says so, unless a program takes them") {
  PlantedSystem system;
  const auto limits = [](const std::string& soft) {
    return "Limit                     Soft Limit           Hard Limit           Units     \n"
           "Max core file size        " +
           soft + std::string(21 - soft.size(), ' ') + "unlimited            bytes     ";
  };
  const std::string file = "/proc/" + std::to_string(::getppid()) + "/limits";
  system.plant("/proc/sys/kernel/core_pattern", "core").plant(file, limits("0"));
  CHECK(probe_core_dumps(system.context()).level == Level::ok);
  system.plant(file, limits("unlimited"));
  CHECK(probe_core_dumps(system.context()).level == Level::warn);
  system.plant(file, limits("0")).plant("/proc/sys/kernel/core_pattern", "|/usr/lib/collect %p");
  CHECK(probe_core_dumps(system.context()).level == Level::warn);
}

TEST_CASE("doctor: who may look into a process") {
  PlantedSystem system;
  CHECK(probe_ptrace(system.context()).level == Level::warn);
  system.plant("/proc/sys/kernel/yama/ptrace_scope", "0");
  CHECK_THAT(probe_ptrace(system.context()).remedy, Catch::Contains("kernel.yama.ptrace_scope=1"));
  system.plant("/proc/sys/kernel/yama/ptrace_scope", "1");
  CHECK(probe_ptrace(system.context()).level == Level::ok);
}

TEST_CASE("doctor: a control group's limit counts, also one further up") {
  PlantedSystem system;
  system.plant("/proc/self/cgroup", "0::/a.slice/b.service")
      .plant("/sys/fs/cgroup/cgroup.controllers", "memory")
      .plant("/sys/fs/cgroup/a.slice/b.service/memory.max", "max");
  CHECK(probe_cgroup_memory(system.context()).level == Level::ok);
  system.plant("/sys/fs/cgroup/a.slice/memory.max", std::to_string(100 << 20))
      .plant("/sys/fs/cgroup/a.slice/memory.current", std::to_string(10 << 20));
  const Finding narrow = probe_cgroup_memory(system.context());
  CHECK(narrow.level == Level::warn);  // 90 MiB left, 64 wanted
  CHECK_THAT(narrow.found, Catch::Contains("a.slice/memory.max (90.0 MiB of 100.0 MiB left)"));
  system.plant("/sys/fs/cgroup/a.slice/memory.current", std::to_string(50 << 20));
  CHECK(probe_cgroup_memory(system.context()).level == Level::fail);
  // Version 1 writes "no limit" as a large number.
  PlantedSystem old;
  old.plant("/proc/self/cgroup", "5:memory:/c")
      .plant("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712");
  CHECK(probe_cgroup_memory(old.context()).level == Level::ok);
  old.plant("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", std::to_string(1 << 20));
  CHECK(probe_cgroup_memory(old.context()).level == Level::fail);
}

TEST_CASE("doctor: few mappings left") {
  PlantedSystem system;
  system.plant("/proc/sys/vm/max_map_count", "65530").plant("/proc/self/maps", "a\nb\nc");
  CHECK(probe_map_count(system.context()).level == Level::ok);
  system.plant("/proc/sys/vm/max_map_count", "4000");
  CHECK(probe_map_count(system.context()).level == Level::warn);
}

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

TEST_CASE("doctor: huge pages as they are set") {
  PlantedSystem system;
  CHECK_THAT(probe_huge_pages(system.context()).found, Catch::EndsWith("the kernel has none"));
  system.plant("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
  CHECK_THAT(probe_huge_pages(system.context()).found, Catch::EndsWith(": madvise"));
}

TEST_CASE("doctor: a container and a virtual machine are named") {
  PlantedSystem system;
  system.plant("/proc/cpuinfo", "processor : 0\nflags : fpu sse2");
  CHECK_THAT(probe_virtualisation(system.context()).found,
             Catch::StartsWith("no container, on a machine"));
  system.plant("/proc/cpuinfo", "processor : 0\nflags : fpu hypervisor")
      .plant("/sys/class/dmi/id/sys_vendor", "QEMU");
  CHECK_THAT(probe_virtualisation(system.context()).found,
             Catch::Contains("no container, on a virtual machine (QEMU)"));
  system.plant("/.dockerenv", "");
  CHECK_THAT(probe_virtualisation(system.context()).found,
             Catch::StartsWith("a container (docker)"));
}

TEST_CASE("doctor: memory that cannot be locked, as root without the privilege") {
  const StoreFixture fixture;
  if (!coffer::test::locks_are_real()) return coffer::test::skip(coffer::test::kLocksAreNotReal);
  const auto rows_with_limit = [&](rlim_t bytes, const std::string& wanted = "64M") {
    const Outcome outcome =
        run_in_child({.arguments = {"doctor", "--json", "--locked-max", wanted, fixture.store()}},
                     [bytes] { coffer::test::limit_locked_memory(bytes, bytes); });
    INFO(outcome.err);
    const auto rows = nlohmann::json::parse(outcome.out);
    std::map<std::string, std::string> levels;
    for (const auto& row : rows.at("findings")) levels[row.at("id")] = row.at("level");
    CHECK(outcome.exit_code == (rows.at("failures") != 0 ? 2 : rows.at("warnings") != 0 ? 1 : 0));
    return levels;
  };
  CHECK(rows_with_limit(0)["memory.lock"] == "FAIL");
  CHECK(rows_with_limit(64 * 1024)["memory.lock"] == "FAIL");
  CHECK(rows_with_limit(4 << 20)["memory.lock"] == "WARN");
  CHECK(rows_with_limit(4 << 20)["memory.limit"] == "WARN");
  CHECK(rows_with_limit(4 << 20, "2M")["memory.lock"] == "OK");
}

TEST_CASE("doctor: a store that others may enter is mended with --fix, and only then") {
  const StoreFixture fixture;
  fs::permissions(fixture.store(), fs::perms(0755));
  const auto mode = [&] {
    return static_cast<unsigned>(fs::status(fixture.store()).permissions()) & 0777u;
  };
  const auto level = [&](std::vector<std::string> arguments) {
    const std::string out = coffer(std::move(arguments)).out;
    const auto rows = nlohmann::json::parse(out.substr(out.find('{')));
    for (const auto& row : rows.at("findings")) {
      if (row.at("id") == "store.access") return row.at("level").get<std::string>();
    }
    return std::string("absent");
  };
  CHECK(level({"doctor", "--json", fixture.store()}) == "WARN");
  CHECK(mode() == 0755);
  CHECK(level({"doctor", "--json", "--fix", fixture.store()}) == "OK");
  CHECK(mode() == 0700);
  CHECK(level({"doctor", "--json", fixture.file("nothing")}) == "FAIL");
}

TEST_CASE("doctor: text for people has colours on a terminal") {
  CHECK_THAT(run_on_terminal({"doctor"}, {}).out, Catch::Contains("\033["));
}

// Root with the capability, an ordinary user, root of a user namespace without a network: who may lock what.
TEST_CASE("doctor: the rows of locked memory are true for whoever runs it") {
  if (!coffer::test::locks_are_real()) return coffer::test::skip(coffer::test::kLocksAreNotReal);
  struct Seen {
    std::string privilege;
    std::string lock_level;
  };
  const auto rows_as = [](const std::function<void()>& become) -> std::optional<Seen> {
    const TemporaryFolder folder;
    fs::permissions(folder.path(), fs::perms::all);
    const Outcome outcome = run_in_child({.arguments = {"doctor", "--json"}}, become);
    if (outcome.exit_code == kCouldNotBecome) return std::nullopt;
    INFO(outcome.err);
    Seen seen;
    const auto report = nlohmann::json::parse(outcome.out);
    for (const auto& row : report.at("findings")) {
      if (row.at("id") == "memory.privilege") seen.privilege = row.at("found");
      if (row.at("id") == "memory.lock") seen.lock_level = row.at("level");
    }
    return seen;
  };
  constexpr std::uint64_t kLittle = 64 * 1024;
  const auto without = rows_as([] { coffer::test::limit_locked_memory(kLittle, kLittle); });
  REQUIRE(without);
  CHECK_THAT(without->privilege, Catch::StartsWith("no CAP_IPC_LOCK"));
  CHECK(without->lock_level == "FAIL");

  const auto in_namespace = rows_as([] {
    const rlimit limit{kLittle, kLittle};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      ::_exit(kCouldNotBecome);
    }
    // All capabilities of the new namespace are there, and lift nothing.
    if (!coffer::test::has_capability(CAP_IPC_LOCK)) ::_exit(kCouldNotBecome);
    // Exec would drop them for a user who is not root in there.
    ::prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_KEEP_CAPS);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_IPC_LOCK, 0, 0);
    std::ofstream("/proc/self/uid_map") << "0 0 1";
  });
  if (in_namespace) {
    CHECK_THAT(in_namespace->privilege,
               Catch::Contains("CAP_IPC_LOCK") && Catch::Contains("RLIMIT_MEMLOCK applies"));
    CHECK(in_namespace->lock_level == "FAIL");
  } else {
    coffer::test::skip("no user namespace can be made here");
  }

  if (!coffer::test::has_capability(CAP_IPC_LOCK))
    return coffer::test::skip("CAP_IPC_LOCK is not here to be seen");
  const auto with = rows_as([] {
    const rlimit limit{kLittle, kLittle};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) ::_exit(kCouldNotBecome);
  });
  REQUIRE(with);
  CHECK_THAT(with->privilege, Catch::StartsWith("CAP_IPC_LOCK is there"));
  CHECK(with->lock_level == "OK");
}

}  // namespace coffer::tools::test
