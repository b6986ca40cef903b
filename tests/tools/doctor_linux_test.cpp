// Linux only: planted files of /proc and /sys, and system calls that fail
//
// Rows of what memory can get to and of the machine, and of a store's files, each against a system that is arranged
// so.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "tests/support/limits.hpp"
#include "tests/tools/doctor_linux_support.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

using doctor::Finding;
using doctor::Level;

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

TEST_CASE("doctor: a generator that is not seeded, and one that a sandbox keeps away") {
  // Only calls that do not want to wait: the others would wait for the seed, and so does libsodium.
  const auto unseeded = rows_when([] {
    coffer::test::fake_system_call(SYS_getrandom, EAGAIN,
                                   coffer::test::ArgumentBits{.argument = 2, .bits = 1});
  });
  REQUIRE(unseeded);
  const Row waiting = unseeded->at("machine.entropy");
  CHECK(waiting.level == "FAIL");
  CHECK_THAT(waiting.found, Catch::Contains("not been seeded"));
  CHECK_THAT(waiting.remedy, Catch::StartsWith("wait, or") && Catch::Contains("virtio-rng"));

  const auto refused = rows_when([] { coffer::test::fake_system_call(SYS_getrandom, ENOSYS); });
  REQUIRE(refused);
  const Row missing = refused->at("machine.entropy");
  CHECK(missing.level == "FAIL");
  CHECK_THAT(missing.found, Catch::EndsWith("Function not implemented"));
  CHECK_THAT(missing.remedy, Catch::Contains("let the sandbox pass the system call getrandom"));

  const auto plain = rows_when({});
  REQUIRE(plain);
  CHECK(plain->at("machine.entropy").level == "OK");
  CHECK(plain->at("machine.entropy").remedy.empty());
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

}  // namespace coffer::tools::test
