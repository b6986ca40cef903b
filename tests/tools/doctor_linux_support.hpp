// What only Linux lets tests arrange for the diagnostics: planted files of /proc and /sys, and processes that are
// changed before they become the command.
#pragma once

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "tests/support/limits.hpp"
#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/doctor_support.hpp"

namespace coffer::tools::test {

/// A root with planted files; everything else is absent there.
class PlantedSystem {
 public:
  PlantedSystem& plant(const std::string& path, const std::string& text) {
    std::ofstream(place_of(path)) << text << '\n';
    return *this;
  }
  PlantedSystem& link(const std::string& path, const std::string& target) {
    std::filesystem::create_directories(directory_ / target.substr(1));
    std::filesystem::create_symlink(directory_ / target.substr(1), place_of(path));
    return *this;
  }
  /// What the real system has there.
  PlantedSystem& borrow(const std::string& path) {
    std::filesystem::create_symlink(path, place_of(path));
    return *this;
  }
  [[nodiscard]] doctor::Context context() const {
    return {.platform = platform::native_platform(),
            .system = SystemFiles(directory_.path()),
            .wanted_locked_bytes = 64 << 20,
            .directory = directory_.path()};
  }

 private:
  [[nodiscard]] std::filesystem::path place_of(const std::string& path) const {
    const std::filesystem::path place = directory_ / path.substr(1);
    std::filesystem::create_directories(place.parent_path());
    return place;
  }

  TemporaryFolder directory_;
};

/// How a child ends that this machine does not let become what it shall be.
inline constexpr int kCouldNotBecome = 77;

/// The rows of the command when its process is arranged before; none when that cannot be.
inline std::optional<std::map<std::string, Row>> rows_when(const std::function<void()>& arrange) {
  const Outcome outcome = run_in_child({.arguments = {"doctor", "--json"}}, arrange);
  if (outcome.exit_code == kCouldNotBecome) return std::nullopt;
  INFO(outcome.err);
  REQUIRE(outcome.exit_code >= 0);
  REQUIRE(outcome.exit_code <= 2);
  return rows_of(outcome.out);
}

/// For a child: into a new tmpfs of so many MiB at `directory`, which nobody else sees.
inline void enter_tmpfs(const std::string& directory, int mebibytes) {
  const auto user = std::to_string(::geteuid());
  const auto group = std::to_string(::getegid());
  const bool privileged = coffer::test::has_capability(CAP_SYS_ADMIN);
  if (::unshare(CLONE_NEWNS | (privileged ? 0 : CLONE_NEWUSER)) != 0) ::_exit(kCouldNotBecome);
  if (!privileged) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " + user + " 1";
    std::ofstream("/proc/self/gid_map") << "0 " + group + " 1";
  }
  const std::string size = "size=" + std::to_string(mebibytes) + "m";
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", directory.c_str(), "tmpfs", 0, size.c_str()) != 0 ||
      ::chdir(directory.c_str()) != 0) {
    ::_exit(kCouldNotBecome);
  }
}

}  // namespace coffer::tools::test
