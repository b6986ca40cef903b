// Memory for plaintext: reserved whole, locked piece by piece.
//
// 1. A page is inaccessible (PROT_NONE) unless it is in use; the pages before the first and behind the
//    last one never are in use, so that running over either end faults.
// 2. A page in use is locked, or counted as unlocked under LockPolicy::proceed_unlocked.  What the
//    account says is locked is what the kernel charges for it (VmLck).
// 3. A commit that fails leaves its range as it found it.  The kernel may have locked part of it, so it
//    is unlocked, emptied and closed again before the error is raised.
// 4. A page goes out of use wiped, unlocked and emptied (MADV_DONTNEED), in this order: wiping first, while
//    it can neither be swapped out nor seen elsewhere.
// 5. The region stays out of core dumps (MADV_DONTDUMP) and out of forked children (MADV_DONTFORK). The
//    alternative, MADV_WIPEONFORK, would show a child zeros under a key's address, which it could
//    then seal with, in memory that is not locked; with DONTFORK a child's stray access ends it
//    instead, and the fork copies less.  A child's copy of the region object touches nothing,
//    because the address range may serve something else there.
// 6. Memory comes in huge pages where a commit takes whole ones, and only then: what the system put together later
//    (khugepaged) it would copy, and leave plaintext in pages that are cleared only when somebody else gets them.  (Moving
//    pages to make room for large blocks does the same, and is the system's own affair: docs/security.md.)
//
// A lock over the limit first raises the soft limit to the hard one, which needs no privilege.
#include "platform/linux/memory.hpp"

#include <fmt/format.h>
#include <sodium/utils.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "platform/fork_generation.hpp"
#include "platform/linux/lock_account.hpp"
#include "platform/linux/os_error.hpp"
#include "platform/unlocked_warning.hpp"

namespace coffer::platform::linux_os {

namespace {

std::uint64_t system_page_bytes() {
  static const auto bytes = gsl::narrow<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

/// Of a huge page, where the system's pages are of 4 KiB; where they are not, the advice comes to nothing.
constexpr std::uint64_t kHugeBytes = 2 << 20;

/// The whole huge pages in a range of memory.
std::span<std::byte> huge_part(std::span<std::byte> range) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  const std::uint64_t before = (kHugeBytes - begin % kHugeBytes) % kHugeBytes;
  if (range.size() < before + kHugeBytes) return {};
  return range.subspan(before, (range.size() - before) / kHugeBytes * kHugeBytes);
}

enum class PageState : std::uint8_t {
  unused,
  locked,
  unlocked,  ///< in use without a lock, as proceed_unlocked allows
  stuck,     ///< out of use and wiped, but the kernel refused to unlock it: still charged
};

class LinuxRegion final : public LockableRegion {
 public:
  LinuxRegion(std::uint64_t length, LockPolicy policy, std::string purpose,
              bool excluded_from_dumps);
  ~LinuxRegion() override;
  LinuxRegion(const LinuxRegion&) = delete;
  LinuxRegion& operator=(const LinuxRegion&) = delete;

  std::span<std::byte> bytes() override { return usable_; }
  void commit(std::uint64_t offset, std::uint64_t length) override;
  void release(std::uint64_t offset, std::uint64_t length) noexcept override;

 private:
  void check_range(std::uint64_t offset, std::uint64_t length) const;
  std::span<PageState> states(std::uint64_t offset, std::uint64_t length);
  int make_usable(std::span<std::byte> range, bool& writable) noexcept;
  void release_run(std::uint64_t first_page, std::uint64_t page_count) noexcept;

  const LockPolicy policy_;
  const std::string purpose_;
  const std::uint64_t born_in_generation_;
  std::span<std::byte> mapped_;  ///< with both guard pages
  std::span<std::byte> usable_;
  std::mutex mutex_;
  std::vector<PageState> pages_;
};

LinuxRegion::LinuxRegion(std::uint64_t length, LockPolicy policy, std::string purpose,
                         bool excluded_from_dumps)
    : policy_(policy), purpose_(std::move(purpose)), born_in_generation_(fork_generation()) {
  const auto page = system_page_bytes();
  Expects(length > 0 && length <= UINT64_MAX / 2);
  const auto page_count = (length + page - 1) / page;
  pages_.resize(page_count, PageState::unused);

  // A large region begins where a huge page can.
  const auto slack = page_count * page >= kHugeBytes ? kHugeBytes : 0;
  const auto whole = (page_count + 2) * page + slack;
  void* address =
      ::mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const auto refuse = [&](const char* what) {
    raise(fmt::format("{} ({} bytes for {}) from", what, whole, purpose_), Path("memory"), errno);
  };
  if (address == MAP_FAILED) refuse("reserve address space");
  mapped_ = {static_cast<std::byte*>(address), whole};
  const auto begin = reinterpret_cast<std::uintptr_t>(address) + page;
  const auto first = page + (slack == 0 ? 0 : (kHugeBytes - begin % kHugeBytes) % kHugeBytes);
  usable_ = mapped_.subspan(first, page_count * page);

  const bool kept_private = ::madvise(address, whole, MADV_DONTFORK) == 0 &&
                            (!excluded_from_dumps || ::madvise(address, whole, MADV_DONTDUMP) == 0);
  if (!kept_private) {
    const int code = errno;
    ::munmap(address, whole);
    errno = code;
    refuse("keep address space out of dumps and children");
  }
  // Fails where the system has no huge pages, which is as well.
  ::madvise(address, whole, MADV_NOHUGEPAGE);
}

LinuxRegion::~LinuxRegion() {
  if (fork_generation() != born_in_generation_) return;
  release(0, usable_.size());
  const auto stuck = std::count(pages_.begin(), pages_.end(), PageState::stuck);
  if (::munmap(mapped_.data(), mapped_.size()) == 0) {
    subtract_locked(static_cast<std::uint64_t>(stuck) * system_page_bytes());
  }
}

void LinuxRegion::check_range(std::uint64_t offset, std::uint64_t length) const {
  Expects(offset % system_page_bytes() == 0);
  Expects(length % system_page_bytes() == 0);
  Expects(offset <= usable_.size() && length <= usable_.size() - offset);
}

std::span<PageState> LinuxRegion::states(std::uint64_t offset, std::uint64_t length) {
  const auto page = system_page_bytes();
  return std::span(pages_).subspan(offset / page, length / page);
}

// 0 or errno; `writable` says how far it came.
int LinuxRegion::make_usable(std::span<std::byte> range, bool& writable) noexcept {
  writable = ::mprotect(range.data(), range.size(), PROT_READ | PROT_WRITE) == 0;
  if (!writable) return errno;
  const auto huge = huge_part(range);
  if (!huge.empty()) ::madvise(huge.data(), huge.size(), MADV_HUGEPAGE);
  const auto no_more = gsl::finally([&] {
    if (!huge.empty()) ::madvise(huge.data(), huge.size(), MADV_NOHUGEPAGE);
  });
  if (::mlock(range.data(), range.size()) == 0) return 0;
  const int first_failure = errno;
  if (!raise_soft_limit()) return first_failure;
  return ::mlock(range.data(), range.size()) == 0 ? 0 : errno;
}

void LinuxRegion::commit(std::uint64_t offset, std::uint64_t length) {
  check_range(offset, length);
  if (length == 0) return;
  const std::lock_guard guard(mutex_);
  const auto range = usable_.subspan(offset, length);
  const auto pages = states(offset, length);
  std::uint64_t already_charged = 0;
  for (const auto state : pages) {
    Expects(state == PageState::unused || state == PageState::stuck);
    if (state == PageState::stuck) already_charged += system_page_bytes();
  }

  bool writable = false;
  const int code = make_usable(range, writable);
  if (code == 0) {
    add_locked(length - already_charged);
    std::fill(pages.begin(), pages.end(), PageState::locked);
    return;
  }
  count_failed_lock();
  // Over a hole or an exhausted machine mlock fails after locking part of the range.
  if (::munlock(range.data(), range.size()) == 0) {
    subtract_locked(already_charged);
    std::fill(pages.begin(), pages.end(), PageState::unused);
  }
  if (writable && policy_ == LockPolicy::proceed_unlocked) {
    add_unlocked_plain(length);
    std::fill(pages.begin(), pages.end(), PageState::unlocked);
    warn_unlocked_once([&] { return lock_error(length, purpose_, code); });
    return;
  }
  ::madvise(range.data(), range.size(), MADV_DONTNEED);
  ::mprotect(range.data(), range.size(), PROT_NONE);
  throw lock_error(length, purpose_, code);
}

void LinuxRegion::release(std::uint64_t offset, std::uint64_t length) noexcept {
  check_range(offset, length);
  const std::lock_guard guard(mutex_);
  const auto in_use = [](PageState state) {
    return state == PageState::locked || state == PageState::unlocked;
  };
  const auto first = offset / system_page_bytes();
  const auto end = first + length / system_page_bytes();
  for (auto at = first; at < end;) {
    auto run_end = at + 1;
    while (run_end < end && pages_[run_end] == pages_[at]) ++run_end;
    if (in_use(pages_[at])) release_run(at, run_end - at);
    at = run_end;
  }
}

void LinuxRegion::release_run(std::uint64_t first_page, std::uint64_t page_count) noexcept {
  const auto page = system_page_bytes();
  const auto range = usable_.subspan(first_page * page, page_count * page);
  const auto pages = std::span(pages_).subspan(first_page, page_count);
  sodium_memzero(range.data(), range.size());
  auto next = PageState::unused;
  if (pages.front() == PageState::unlocked) {
    subtract_unlocked_plain(range.size());
  } else if (::munlock(range.data(), range.size()) == 0) {
    subtract_locked(range.size());
  } else {
    next = PageState::stuck;
  }
  // Either may fail only for want of a mapping to split; the pages are wiped by now in any case.
  ::madvise(range.data(), range.size(), MADV_DONTNEED);
  ::mprotect(range.data(), range.size(), PROT_NONE);
  std::fill(pages.begin(), pages.end(), next);
}

class LinuxMemory final : public Memory {
 public:
  std::uint64_t page_bytes() const override { return system_page_bytes(); }
  std::unique_ptr<LockableRegion> reserve(std::uint64_t length, LockPolicy policy,
                                          std::string purpose, bool excluded_from_dumps) override {
    return std::make_unique<LinuxRegion>(length, policy, std::move(purpose), excluded_from_dumps);
  }
  LockAccount account() const override { return read_account(); }
};

}  // namespace

std::unique_ptr<Memory> make_memory() {
  return std::make_unique<LinuxMemory>();
}

}  // namespace coffer::platform::linux_os
