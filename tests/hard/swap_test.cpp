// Linux only: a swap file and a control group are set up
//
// What reaches swap.  A worker with a transaction open is driven out of its memory; the swap file is then read from
// below, and has pages of its ordinary memory and nothing of what the engine held as plaintext.
#include <fcntl.h>
#include <sys/swap.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "platform/contracts.hpp"
#include "tests/hard/needles.hpp"
#include "tests/hard/worker_process.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::hard {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSwapBytes = 192 << 20;
constexpr std::uint64_t kGroupBytes = 24 << 20;
constexpr std::uint64_t kOrdinaryBytes = 96 << 20;

class SwapFile {
 public:
  explicit SwapFile(fs::path path) : path_(std::move(path)) {
    const std::string command = "dd if=/dev/zero of='" + path_.string() +
                                "' bs=1M count=" + std::to_string(kSwapBytes >> 20) +
                                " status=none && chmod 600 '" + path_.string() + "' && mkswap '" +
                                path_.string() + "' >/dev/null 2>&1";
    on_ = std::system(command.c_str()) == 0 && ::swapon(path_.c_str(), 0) == 0;
  }
  ~SwapFile() {
    if (on_) ::swapoff(path_.c_str());
  }
  SwapFile(const SwapFile&) = delete;
  SwapFile& operator=(const SwapFile&) = delete;
  [[nodiscard]] bool on() const { return on_; }

  /// What is on the disk: the kernel writes swap past the page cache, so it is read past it too.
  [[nodiscard]] std::string contents() const {
    constexpr std::size_t kPiece = 1 << 20;
    const int file = ::open(path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    REQUIRE(file >= 0);
    const auto close_it = gsl::finally([file] { ::close(file); });
    const std::unique_ptr<void, decltype(&std::free)> piece(std::aligned_alloc(4096, kPiece),
                                                            &std::free);
    std::string all;
    for (;;) {
      const ssize_t got = ::pread(file, piece.get(), kPiece, static_cast<off_t>(all.size()));
      REQUIRE(got >= 0);
      if (got == 0) return all;
      all.append(static_cast<const char*>(piece.get()), static_cast<std::size_t>(got));
    }
  }

 private:
  fs::path path_;
  bool on_ = false;
};

/// A group of version 1 or 2 whose memory is limited, and whose swap is not.
class MemoryGroup {
 public:
  MemoryGroup() {
    for (const auto& [above, limit] : {std::pair{own_group_of_version_1(), "memory.limit_in_bytes"},
                                       std::pair{std::string("/sys/fs/cgroup"), "memory.max"}}) {
      if (above.empty() || !fs::exists(above)) continue;
      path_ = fs::path(above) / ("coffer-test-" + std::to_string(::getpid()));
      std::error_code refused;
      if (!fs::create_directory(path_, refused)) continue;
      std::ofstream file(path_ / limit);
      if (fs::exists(path_ / limit) && (file << kGroupBytes << std::flush)) {
        made_ = true;
        return;
      }
      fs::remove(path_, refused);
    }
  }
  ~MemoryGroup() {
    std::error_code ignored;
    if (made_) ::rmdir(path_.c_str());
  }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  [[nodiscard]] bool made() const { return made_; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  static std::string own_group_of_version_1() {
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
      const auto at = line.find(":memory:");
      if (at != std::string::npos) return "/sys/fs/cgroup/memory" + line.substr(at + 8);
    }
    return {};
  }
  fs::path path_;
  bool made_ = false;
};

std::set<Needle> markers_of(std::uint64_t kind, std::uint64_t count) {
  std::set<Needle> all;
  for (std::uint64_t i = 0; i < count; ++i) add_needles(all, seed_of(kind, i), 64);
  return all;
}

struct InSwap {
  std::uint64_t plaintext;
  std::uint64_t ordinary;
};
/// Nothing where the worker cannot be driven out.
std::optional<InSwap> what_reaches_swap(const fs::path& directory, const std::string& policy,
                                        std::uint64_t lockable) {
  const SwapFile swap(directory / "swap");
  if (!swap.on()) {
    test::skip("no swap file can be made and used here");
    return std::nullopt;
  }
  const MemoryGroup group;
  if (!group.made()) {
    test::skip("no control group can limit memory here");
    return std::nullopt;
  }
  InSwap found{};
  {
    WorkerLimits limits;
    limits.locked_bytes = lockable;
    Worker worker({"swap_out", (directory / ("store-" + policy)).string(), group.path().string(),
                   policy, std::to_string(kOrdinaryBytes)},
                  limits);
    const bool ready = worker.hear("ready", patience());
    INFO("swap_out said: " << worker.said());
    REQUIRE(ready);
    const std::string disk = swap.contents();
    found = {found_in(disk, markers_of(70, 300)),
             found_in(disk, markers_of(71, kOrdinaryBytes / 4096))};
  }
  return found;
}

}  // namespace

TEST_CASE("Ordinary pages of a process reach swap, and none of the engine's plaintext") {
  const test::TempDirectory directory;
  const auto control = what_reaches_swap(directory.path(), "unlocked", 0);
  if (!control) return;
  REQUIRE(control->ordinary > 1000);
  // The search finds plaintext where it is not locked.
  REQUIRE(control->plaintext > 0);
  const auto found = what_reaches_swap(directory.path(), "locked", 2 << 20);
  REQUIRE(found);
  figures("swap: " + std::to_string(found->ordinary) + " pieces of ordinary memory and " +
          std::to_string(found->plaintext) + " of the engine's plaintext; without locks " +
          std::to_string(control->plaintext));
  CHECK(found->ordinary > 1000);
  CHECK(found->plaintext == 0);
}

}  // namespace coffer::hard
