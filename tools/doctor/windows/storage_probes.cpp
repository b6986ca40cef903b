// The volume that a store is on: what it is, and whether its syncs are real.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <windows.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>

#include "platform/windows/os_error.hpp"
#include "tools/doctor/probes.hpp"

namespace coffer::tools::doctor {
namespace {

namespace fs = std::filesystem;
using Microseconds = std::chrono::duration<double, std::micro>;
using platform::windows_os::native_path;

constexpr int kSyncs = 20;

/// The median time of a write of one block and its sync.
Microseconds sync_time(platform::File& file) {
  constexpr std::size_t kBlock = 4096;
  std::array<std::byte, kBlock> block{};
  std::array<Microseconds, kSyncs> times{};
  for (std::uint64_t i = 0; i < kSyncs; ++i) file.write_at(i * kBlock, block);
  file.sync();
  for (std::uint64_t i = 0; i < kSyncs; ++i) {
    block[0] = static_cast<std::byte>(i + 1);
    const auto begin = std::chrono::steady_clock::now();
    file.write_at(i * kBlock, block);
    file.data_sync();
    times[i] = std::chrono::steady_clock::now() - begin;
  }
  std::ranges::nth_element(times, times.begin() + kSyncs / 2);
  return times[kSyncs / 2];
}

}  // namespace

Finding probe_file_system(const Context& context) {
  Finding finding{.id = "disk.file_system", .level = Level::ok, .found = {}, .remedy = {}};
  std::array<wchar_t, MAX_PATH + 1> root{};
  std::array<wchar_t, MAX_PATH + 1> type{};
  const auto directory = native_path(context.directory);
  if (::GetVolumePathNameW(directory.c_str(), root.data(), static_cast<DWORD>(root.size())) == 0 ||
      ::GetVolumeInformationW(root.data(), nullptr, 0, nullptr, nullptr, nullptr, type.data(),
                              static_cast<DWORD>(type.size())) == 0) {
    finding.level = Level::warn;
    finding.found = fmt::format("what {} lies on is unknown", context.directory.string());
    return finding;
  }
  const std::string name = fs::path(type.data()).string();
  finding.found = fmt::format("{} is on {} ({})", context.directory.string(), name,
                              fs::path(root.data()).string());
  const UINT drive = ::GetDriveTypeW(root.data());
  if (drive == DRIVE_REMOTE) {
    finding.level = Level::warn;
    finding.found += ": locks and syncs are the server's to keep";
    finding.remedy = "keep stores on a local disk (NTFS, ReFS)";
  } else if (name != "NTFS" && name != "ReFS") {
    finding.level = Level::warn;
    finding.found += ": it knows no owners, or loses names at a power cut";
    finding.remedy = "use NTFS or ReFS";
  }
  return finding;
}

Finding probe_sync(const Context& context) {
  constexpr Microseconds kFlash{8};
  Finding finding{.id = "disk.sync", .level = Level::ok, .found = {}, .remedy = {}};
  const fs::path path =
      context.directory / fmt::format("coffer-doctor-{:08x}.tmp", std::random_device{}());
  platform::FileSystem& files = context.platform.files();
  try {
    Microseconds time{};
    try {
      const auto file = files.create(path);
      time = sync_time(*file);
    } catch (...) {
      if (files.exists(path)) files.remove(path);
      throw;
    }
    files.remove(path);
    finding.found = fmt::format("a block written and synced takes {:.0f} us (median of {})",
                                time.count(), kSyncs);
    if (time < kFlash) {
      finding.level = Level::warn;
      finding.found += ": no flash is that fast, so something answers from its memory";
      finding.remedy =
          "turn the device's write cache off (devmgmt.msc, Policies), unless a battery keeps it";
    }
  } catch (const Error& error) {
    finding.level = Level::warn;
    finding.found = fmt::format("not tried: {}", error.what());
    finding.remedy = "run it as the user of the store, on a volume that can be written to";
  }
  return finding;
}

Finding probe_store_access(const Context& context) {
  Finding finding{.id = "store.access", .level = Level::ok, .found = {}, .remedy = {}};
  const fs::path superblock = context.directory / "superblock";
  try {
    static_cast<void>(context.platform.files().open(superblock, platform::OpenMode::read_only));
  } catch (const Error& error) {
    finding.level = Level::fail;
    finding.found = fmt::format("{} is no store: {}", context.directory.string(), error.what());
    finding.remedy = "name the directory of a store, or make one: coffer create STORE";
    return finding;
  }
  try {
    static_cast<void>(context.platform.files().open(superblock, platform::OpenMode::read_write));
  } catch (const Error& error) {
    finding.level = Level::warn;
    finding.found = fmt::format("this user may not write to it: {}", error.what());
    finding.remedy = "run the service, and this, as the user that owns the store";
    return finding;
  }
  finding.found = "this user may read and write the store";
  return finding;
}

}  // namespace coffer::tools::doctor
