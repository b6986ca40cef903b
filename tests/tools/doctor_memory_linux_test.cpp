// Linux only: planted files of /proc and /sys, limits of locked memory, and forked processes
//
// Rows of locked memory, each against a system that is arranged so.
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/child.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/doctor_linux_support.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

using doctor::Finding;
using doctor::Level;

/// A process in /proc with so many KiB locked.
void plant_process(PlantedSystem& system, int pid, const std::string& name, int locked_kib) {
  system.plant("/proc/" + std::to_string(pid) + "/status",
               "Name:\t" + name + "\nUmask:\t0022\nVmPeak:\t  9999 kB\nVmLck:\t" +
                   std::to_string(locked_kib) + " kB\nVmPin:\t       0 kB");
}
Finding others_with_available(PlantedSystem& system, int available_kib) {
  system.plant("/proc/meminfo",
               "MemTotal:       24682416 kB\nMemFree:        20402272 kB\nMemAvailable:   " +
                   std::to_string(available_kib) + " kB\nBuffers:           23936 kB");
  return probe_other_lockers(system.context());
}

/// Memory of so many bytes, locked; null where that cannot be.
void* lock_pages(std::size_t bytes) {
  void* const pages =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages != MAP_FAILED && ::mlock(pages, bytes) == 0 ? pages : nullptr;
}

}  // namespace

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

TEST_CASE("doctor: huge pages as they are set") {
  PlantedSystem system;
  CHECK_THAT(probe_huge_pages(system.context()).found, Catch::EndsWith("the kernel has none"));
  system.plant("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
  CHECK_THAT(probe_huge_pages(system.context()).found, Catch::EndsWith(": madvise"));
}

TEST_CASE("doctor: who else has locked memory, the three largest by name") {
  PlantedSystem system;
  constexpr int kPlenty = 20 << 20;
  CHECK_THAT(others_with_available(system, kPlenty).found,
             Catch::StartsWith("no other process that can be seen has locked memory; 20.0 GiB"));
  plant_process(system, 7, "idle", 0);
  system.plant("/proc/2/status", "Name:\tkthreadd").plant("/proc/sys/VmLck", "VmLck: 99 kB");
  plant_process(system, 812, "gpg-agent", 64);
  CHECK_THAT(
      others_with_available(system, kPlenty).found,
      Catch::StartsWith("1 other process has locked 64.0 KiB: gpg-agent (pid 812) 64.0 KiB; 20.0"));
  plant_process(system, 4000, "qemu", 4 << 20);
  plant_process(system, 31, "small", 4);
  plant_process(system, 1200, "coffer service", 32 << 10);
  // What looks is not one of the others.
  plant_process(system, 500, "self", 1 << 20);
  system.link("/proc/self", "/proc/500");
  const Finding finding = others_with_available(system, kPlenty);
  CHECK(finding.level == Level::ok);
  CHECK(finding.found ==
        "4 other processes have locked 4.0 GiB: qemu (pid 4000) 4.0 GiB, coffer service (pid 1200) "
        "32.0 MiB, gpg-agent (pid 812) 64.0 KiB, ...; 20.0 GiB available to the machine");
  CHECK(finding.remedy.empty());
}

TEST_CASE("doctor: a process's name plays no tricks on the terminal, and none on JSON") {
  PlantedSystem system;
  // The kernel cuts a name after 15 bytes, also inside of a character.
  plant_process(system, 5, "\033[31m", 8);
  plant_process(system, 6, "f\xc3", 4);
  const Finding finding = others_with_available(system, 20 << 20);
  CHECK_THAT(finding.found, Catch::Contains("hex:1b5b33316d (pid 5) 8.0 KiB, hex:66c3 (pid 6)"));
  CHECK_NOTHROW(doctor::findings_as_json({finding}));
}

TEST_CASE("doctor: a store wants less than half of what memory is available") {
  PlantedSystem system;
  constexpr int kWantedKib = 64 << 10;
  CHECK(others_with_available(system, 2 * kWantedKib).level == Level::ok);
  const Finding tight = others_with_available(system, 2 * kWantedKib - 1);
  CHECK(tight.level == Level::warn);
  CHECK_THAT(tight.found, Catch::EndsWith("available to the machine, 64.0 MiB wanted"));
  CHECK_THAT(tight.remedy, Catch::Contains("--locked-max") && Catch::Contains("more memory"));
  CHECK(others_with_available(system, kWantedKib).level == Level::warn);
  CHECK(others_with_available(system, kWantedKib - 1).level == Level::fail);
  CHECK(probe_other_lockers(PlantedSystem().context()).level == Level::warn);
}

TEST_CASE("doctor: a process that has locked memory is named, the one that looks is not") {
  if (!coffer::test::locks_are_real()) return coffer::test::skip(coffer::test::kLocksAreNotReal);
  constexpr std::size_t kLocked = 64 << 10;
  coffer::test::Child child([](coffer::test::Channel& channel) {
    channel.say(lock_pages(kLocked) != nullptr ? "locked" : "refused");
    static_cast<void>(channel.hear());
  });
  if (child.channel().hear() != "locked") return coffer::test::skip("64 KiB cannot be locked here");
  const std::string pid = std::to_string(child.pid());
  const std::string named = " (pid " + pid + ") 64.0 KiB";
  {
    // The real files, and of other processes none: these may have locked more.
    PlantedSystem system;
    system.borrow("/proc/" + pid).borrow("/proc/self").borrow("/proc/meminfo");
    system.borrow("/proc/" + std::to_string(::getpid()));
    void* const own = lock_pages(kLocked);
    REQUIRE(own != nullptr);
    const Finding finding = probe_other_lockers(system.context());
    ::munmap(own, kLocked);
    CHECK_THAT(finding.found, Catch::StartsWith("1 other process has locked 64.0 KiB: ") &&
                                  Catch::Contains(named));
  }
  const auto rows = rows_when({});
  REQUIRE(rows);
  const std::string found = rows->at("memory.others").found;
  INFO(found);
  // Unless three have locked more.
  CHECK((found.find(named) != std::string::npos || found.find(", ...;") != std::string::npos));
  CHECK_THAT(found, Catch::Contains(" available to the machine"));
}

TEST_CASE("doctor: a store opens with the least that the diagnostics name, and not with less") {
  const StoreFixture fixture;
  CHECK(fixture.with_key({"--locked-max", "512K", "stat", fixture.store()}).exit_code == 0);
  CHECK(fixture.with_key({"--locked-max", "511K", "stat", fixture.store()}).exit_code != 0);
  CHECK(doctor::lock_level_of(512 << 10, 64 << 20) == Level::warn);
  CHECK(doctor::lock_level_of((512 << 10) - 1, 64 << 20) == Level::fail);
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
