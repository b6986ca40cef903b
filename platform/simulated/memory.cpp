// The simulated machine's locked memory: ordinary memory with an account, and locks that fail on
// demand.
//
// It keeps the contract that can be kept without the system: a page is in use or not, is zero when
// it comes into use and wiped when it goes out of it, and a failed lock leaves nothing charged.  It
// cannot fault on a page that is not in use.
#include <sodium/utils.h>

#include <algorithm>
#include <coffer/error.hpp>
#include <cstdlib>
#include <limits>
#include <new>

#include "platform/simulated/machine.hpp"

namespace coffer::platform::simulated {

namespace {

struct Account {
  std::atomic<std::uint64_t> locked_bytes{0};
  std::atomic<std::uint64_t> unlocked_plain_bytes{0};
  std::atomic<std::uint64_t> failed_locks{0};
};

class SimulatedRegion final : public LockableRegion {
 public:
  SimulatedRegion(Machine& machine, Account& account, std::uint64_t length, LockPolicy policy);
  ~SimulatedRegion() override { release(0, bytes_.size()); }
  SimulatedRegion(const SimulatedRegion&) = delete;
  SimulatedRegion& operator=(const SimulatedRegion&) = delete;

  std::span<std::byte> bytes() override { return bytes_; }
  void commit(std::uint64_t offset, std::uint64_t length) override;
  void release(std::uint64_t offset, std::uint64_t length) noexcept override;

 private:
  enum class PageState : std::uint8_t { unused, locked, unlocked };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  std::span<PageState> states(std::uint64_t offset, std::uint64_t length) {
    Expects(offset % kPageBytes == 0 && length % kPageBytes == 0);
    Expects(offset <= bytes_.size() && length <= bytes_.size() - offset);
    return std::span(pages_).subspan(offset / kPageBytes, length / kPageBytes);
  }

  Machine& machine_;
  Account& account_;
  const LockPolicy policy_;
  std::unique_ptr<void, Free> memory_;
  std::span<std::byte> bytes_;
  std::mutex mutex_;
  std::vector<PageState> pages_;
};

SimulatedRegion::SimulatedRegion(Machine& machine, Account& account, std::uint64_t length,
                                 LockPolicy policy)
    : machine_(machine), account_(account), policy_(policy) {
  Expects(length > 0 && length <= std::numeric_limits<std::uint64_t>::max() / 2);
  const auto page_count = (length + kPageBytes - 1) / kPageBytes;
  pages_.resize(page_count, PageState::unused);
  // calloc, because large regions then cost nothing until they are touched; one page more to align
  // in.
  memory_.reset(std::calloc(page_count + 1, kPageBytes));
  if (memory_ == nullptr) throw std::bad_alloc();
  void* first = memory_.get();
  std::size_t room = (page_count + 1) * kPageBytes;
  bytes_ = {static_cast<std::byte*>(std::align(kPageBytes, page_count * kPageBytes, first, room)),
            page_count * kPageBytes};
}

void SimulatedRegion::commit(std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard guard(mutex_);
  const auto pages = states(offset, length);
  for (const auto state : pages) Expects(state == PageState::unused);
  auto next = PageState::locked;
  try {
    machine_.lock_fault(length);
  } catch (const MemoryLockError&) {
    ++account_.failed_locks;
    if (policy_ == LockPolicy::abort) throw;
    next = PageState::unlocked;
  }
  (next == PageState::locked ? account_.locked_bytes : account_.unlocked_plain_bytes) += length;
  std::fill(pages.begin(), pages.end(), next);
}

void SimulatedRegion::release(std::uint64_t offset, std::uint64_t length) noexcept {
  const std::lock_guard guard(mutex_);
  for (auto& state : states(offset, length)) {
    if (state != PageState::unused) {
      sodium_memzero(bytes_.data() + offset, kPageBytes);
      (state == PageState::locked ? account_.locked_bytes : account_.unlocked_plain_bytes) -=
          kPageBytes;
      state = PageState::unused;
    }
    offset += kPageBytes;
  }
}

class SimulatedMemory final : public Memory {
 public:
  explicit SimulatedMemory(Machine& machine) : machine_(machine) {}

  std::uint64_t page_bytes() const override { return kPageBytes; }

  std::unique_ptr<LockableRegion> reserve(std::uint64_t length, LockPolicy policy, std::string,
                                          bool) override {
    return std::make_unique<SimulatedRegion>(machine_, account_, length, policy);
  }

  LockAccount account() const override {
    LockAccount account;
    account.locked_bytes = account_.locked_bytes;
    account.unlocked_plain_bytes = account_.unlocked_plain_bytes;
    account.failed_locks = account_.failed_locks;
    account.soft_limit_bytes = std::numeric_limits<std::uint64_t>::max();
    account.hard_limit_bytes = std::numeric_limits<std::uint64_t>::max();
    return account;
  }

 private:
  Machine& machine_;
  Account account_;
};

}  // namespace

std::unique_ptr<Memory> make_memory(Machine& machine) {
  return std::make_unique<SimulatedMemory>(machine);
}

}  // namespace coffer::platform::simulated
