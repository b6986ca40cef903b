// See system_side.hpp.
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <coffer/error.hpp>
#include <fstream>

#include "tools/stress/system_side.hpp"
#include "tools/system/system_files.hpp"

namespace coffer::tools::stress {
namespace {

constexpr std::uint64_t kKibibyte = 1024;

/// CAP_IPC_LOCK lifts the limit; a squeeze needs one.  For this thread, and those that it starts.
void give_up_unlimited_locking() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return;
  for (auto* set :
       {&data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective, &data[CAP_TO_INDEX(CAP_IPC_LOCK)].permitted}) {
    *set &= ~CAP_TO_MASK(CAP_IPC_LOCK);
  }
  ::syscall(SYS_capset, &header, data);
}

class LinuxSide final : public SystemSide {
 public:
  explicit LinuxSide(std::uint64_t room_bytes_max) {
    give_up_unlimited_locking();
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    room_bytes_ = std::min<std::uint64_t>(limit.rlim_max, room_bytes_max);
    limit = {room_bytes_, room_bytes_};
    ::setrlimit(RLIMIT_MEMLOCK, &limit);
    page_ = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    ballast_bytes_ = room_bytes_ / page_ * page_;
    if (ballast_bytes_ == 0) return;
    void* memory =
        ::mmap(nullptr, ballast_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ballast_ = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
  }
  ~LinuxSide() override {
    if (ballast_ != nullptr) ::munmap(ballast_, ballast_bytes_);
    if (stray_ != nullptr) ::munmap(stray_, page_);
  }
  LinuxSide(const LinuxSide&) = delete;
  LinuxSide& operator=(const LinuxSide&) = delete;

  std::optional<std::uint64_t> room_bytes() const override { return room_bytes_; }

  std::optional<Limits> limits() const override {
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    return Limits{limit.rlim_cur, limit.rlim_max};
  }

  // What Coffer holds at the moment stays its own: then less can be taken than asked for, and it is tried again with
  // the next step.
  bool squeeze_to(std::uint64_t left_bytes) override {
    if (ballast_ == nullptr) return false;
    const std::uint64_t wanted =
        (ballast_bytes_ - std::min(left_bytes, ballast_bytes_)) / page_ * page_;
    if (wanted < squeezed_) {
      ::munlock(ballast_ + wanted, squeezed_ - wanted);
      squeezed_ = wanted;
    }
    for (std::uint64_t step = wanted - squeezed_; step >= page_ && squeezed_ < wanted;) {
      const std::uint64_t now = std::min(step, wanted - squeezed_);
      if (::mlock(ballast_ + squeezed_, now) == 0) {
        squeezed_ += now;
      } else {
        ::munlock(ballast_ + squeezed_, now);
        step = step / 2 / page_ * page_;
      }
    }
    return true;
  }
  std::uint64_t squeezed_bytes() const override { return squeezed_; }

  std::optional<std::uint64_t> charged_bytes() const override {
    const auto text = SystemFiles().field("/proc/self/status", "VmLck");
    const auto kibibytes = text ? number_in(*text) : std::nullopt;
    if (!kibibytes) return std::nullopt;
    return *kibibytes * kKibibyte;
  }

  std::optional<std::uint64_t> locked_mappings() const override {
    std::uint64_t count = 0;
    for (const std::string& line : SystemFiles().lines("/proc/self/smaps")) {
      if (line.starts_with("VmFlags:") && (line + ' ').find(" lo ") != std::string::npos) ++count;
    }
    return count;
  }
  void lock_behind_the_account() override {
    void* memory =
        ::mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    stray_ = memory;
    ::mlock(stray_, page_);
  }

  std::optional<std::string> fork_and_look(platform::Platform& platform) override {
    const pid_t child = ::fork();
    if (child < 0) return std::nullopt;
    if (child == 0) {
      const auto account = platform.memory().account();
      const bool locked = account.locked_bytes != 0 || charged_bytes().value_or(0) != 0;
      ::_exit(locked ? 1 : !platform.forked() ? 2 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status))
      return "a forked child died of signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) == 1) return "a forked child has locked memory";
    if (WEXITSTATUS(status) == 2) return "a forked child does not know that it is one";
    return std::string();
  }

 private:
  std::uint64_t room_bytes_ = 0;
  std::uint64_t page_ = 4096;
  std::uint64_t ballast_bytes_ = 0;
  char* ballast_ = nullptr;
  std::uint64_t squeezed_ = 0;
  void* stray_ = nullptr;
};

}  // namespace

std::unique_ptr<SystemSide> make_system_side(std::uint64_t room_bytes_max) {
  return std::make_unique<LinuxSide>(room_bytes_max);
}

}  // namespace coffer::tools::stress
