// Memory for plaintext: reserved whole, committed and locked piece by piece.
//
// 1. A page is inaccessible unless it is in use: reserved and not committed.  The pages before the first and
//    behind the last one never are in use.
// 2. A page in use is locked, or counted as unlocked under LockPolicy::proceed_unlocked.
// 3. A commit that fails leaves its range as it found it.
// 4. A page goes out of use wiped, unlocked and decommitted, in this order.  Decommitting ends a lock that the
//    system refuses to end otherwise, so nothing stays charged.
// 5. The region is excluded from error reports where the system offers it (Windows 10 1703); a full dump by an
//    administrator shows it, as docs/security.md says.
//
// Nothing here is Windows' own: it is compiled and tested on every system, against MemoryCalls.
#include "platform/windows/memory.hpp"

#include <fmt/format.h>
#include <sodium/utils.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "platform/unlocked_warning.hpp"

namespace coffer::platform::windows_os {

namespace {

enum class PageState : std::uint8_t { unused, locked, unlocked };

class WindowsRegion final : public LockableRegion {
 public:
  WindowsRegion(MemoryCalls& calls, WorkingSet& working_set, std::uint64_t length,
                LockPolicy policy, std::string purpose, bool excluded_from_dumps);
  ~WindowsRegion() override;
  WindowsRegion(const WindowsRegion&) = delete;
  WindowsRegion& operator=(const WindowsRegion&) = delete;

  std::span<std::byte> bytes() override { return usable_; }
  void commit(std::uint64_t offset, std::uint64_t length) override;
  void release(std::uint64_t offset, std::uint64_t length) noexcept override;

 private:
  std::span<PageState> states(std::uint64_t offset, std::uint64_t length);
  void release_run(std::uint64_t first_page, std::uint64_t page_count) noexcept;

  MemoryCalls& calls_;
  WorkingSet& working_set_;
  const std::uint64_t page_;
  const LockPolicy policy_;
  const std::string purpose_;
  const bool excluded_;
  std::span<std::byte> reserved_;  ///< with both guard pages
  std::span<std::byte> usable_;
  std::mutex mutex_;
  std::vector<PageState> pages_;
};

WindowsRegion::WindowsRegion(MemoryCalls& calls, WorkingSet& working_set, std::uint64_t length,
                             LockPolicy policy, std::string purpose, bool excluded_from_dumps)
    : calls_(calls),
      working_set_(working_set),
      page_(calls.page_bytes()),
      policy_(policy),
      purpose_(std::move(purpose)),
      excluded_(excluded_from_dumps) {
  Expects(length > 0 && length <= UINT64_MAX / 2);
  const auto page_count = (length + page_ - 1) / page_;
  pages_.resize(page_count, PageState::unused);
  const auto whole = (page_count + 2) * page_;
  ErrorCode code = kSuccess;
  reserved_ = calls_.reserve(whole, code);
  if (reserved_.empty()) {
    const std::string operation =
        fmt::format("reserve address space ({} bytes for {}) from", whole, purpose_);
    throw IoError(
        fmt::format("cannot {} 'memory': {} (error {})", operation, calls_.text_of(code), code),
        operation, Path("memory"), static_cast<int>(code));
  }
  usable_ = reserved_.subspan(page_, page_count * page_);
  if (excluded_) static_cast<void>(calls_.exclude_from_reports(reserved_));
}

WindowsRegion::~WindowsRegion() {
  release(0, usable_.size());
  if (excluded_) calls_.include_in_reports(reserved_);
  calls_.free(reserved_);
}

std::span<PageState> WindowsRegion::states(std::uint64_t offset, std::uint64_t length) {
  Expects(offset % page_ == 0 && length % page_ == 0);
  Expects(offset <= usable_.size() && length <= usable_.size() - offset);
  return std::span(pages_).subspan(offset / page_, length / page_);
}

void WindowsRegion::commit(std::uint64_t offset, std::uint64_t length) {
  const auto pages = states(offset, length);
  if (length == 0) return;
  const std::lock_guard guard(mutex_);
  for (const auto state : pages) Expects(state == PageState::unused);
  const auto range = usable_.subspan(offset, length);

  LockFailure failure;
  failure.lock_code = calls_.commit(range);
  if (failure.lock_code != kSuccess) throw working_set_.error(length, purpose_, failure);
  bool locked = false;
  try {
    locked = working_set_.lock(range, failure);
  } catch (...) {
    static_cast<void>(calls_.decommit(range));
    throw;
  }
  if (locked) {
    std::fill(pages.begin(), pages.end(), PageState::locked);
    return;
  }
  if (policy_ == LockPolicy::proceed_unlocked) {
    working_set_.count_unlocked(length);
    std::fill(pages.begin(), pages.end(), PageState::unlocked);
    warn_unlocked_once([&] { return working_set_.error(length, purpose_, failure); });
    return;
  }
  static_cast<void>(calls_.decommit(range));
  throw working_set_.error(length, purpose_, failure);
}

void WindowsRegion::release(std::uint64_t offset, std::uint64_t length) noexcept {
  static_cast<void>(states(offset, length));
  const std::lock_guard guard(mutex_);
  const auto first = offset / page_;
  const auto end = first + length / page_;
  for (auto at = first; at < end;) {
    auto run_end = at + 1;
    while (run_end < end && pages_[run_end] == pages_[at]) ++run_end;
    if (pages_[at] != PageState::unused) release_run(at, run_end - at);
    at = run_end;
  }
}

void WindowsRegion::release_run(std::uint64_t first_page, std::uint64_t page_count) noexcept {
  const auto range = usable_.subspan(first_page * page_, page_count * page_);
  const auto pages = std::span(pages_).subspan(first_page, page_count);
  const bool was_locked = pages.front() == PageState::locked;
  sodium_memzero(range.data(), range.size());
  const bool still_locked = was_locked && !working_set_.unlock(range);
  static_cast<void>(calls_.decommit(range));
  if (still_locked) working_set_.forget_locked(range.size());
  if (!was_locked) working_set_.discount_unlocked(range.size());
  std::fill(pages.begin(), pages.end(), PageState::unused);
}

class WindowsMemory final : public Memory {
 public:
  WindowsMemory(MemoryCalls& calls, WorkingSet& working_set)
      : calls_(calls), working_set_(working_set) {}
  std::uint64_t page_bytes() const override { return calls_.page_bytes(); }
  std::unique_ptr<LockableRegion> reserve(std::uint64_t length, LockPolicy policy,
                                          std::string purpose, bool excluded_from_dumps) override {
    return std::make_unique<WindowsRegion>(calls_, working_set_, length, policy, std::move(purpose),
                                           excluded_from_dumps);
  }
  LockAccount account() const override { return working_set_.account(); }

 private:
  MemoryCalls& calls_;
  WorkingSet& working_set_;
};

}  // namespace

std::unique_ptr<Memory> make_memory(MemoryCalls& calls, WorkingSet& working_set) {
  return std::make_unique<WindowsMemory>(calls, working_set);
}

}  // namespace coffer::platform::windows_os
