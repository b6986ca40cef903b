// Locked memory on Windows, against a model of what Windows documents: VirtualLock locks as many pages as the minimum
// working set has less an overhead and fails with 1453 beyond; SetProcessWorkingSetSizeEx wants a minimum below the
// maximum (87), memory to back it (1450) and SeIncreaseWorkingSetPrivilege (1314).  Wine does none of that.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <functional>
#include <list>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "platform/windows/memory.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::platform::windows_os;

namespace {

constexpr std::uint64_t kFakePage = 4096;
/// The numbers that GetProcessWorkingSetSizeEx documents for a new process: 50 and 345 pages.
constexpr WorkingSetLimits kAtStart{50 * kFakePage, 345 * kFakePage, 10};

class FakeWindows final : public MemoryCalls {
 public:
  std::uint64_t page_bytes() const override { return kFakePage; }

  std::span<std::byte> reserve(std::uint64_t bytes, ErrorCode& code) override {
    const std::lock_guard guard(mutex_);
    code = kSuccess;
    auto& memory = reserved_.emplace_back(bytes);
    return memory;
  }
  void free(std::span<std::byte> whole) override {
    const std::lock_guard guard(mutex_);
    std::erase_if(reserved_, [&](const auto& memory) { return memory.data() == whole.data(); });
  }
  ErrorCode commit(std::span<std::byte> range) override {
    const std::lock_guard guard(mutex_);
    if (commit_code != kSuccess) return commit_code;
    std::ranges::fill(range, std::byte{0});
    for (auto* page : pages_of(range)) committed_.insert(page);
    return kSuccess;
  }
  // Documented of VirtualFree: locked pages are unlocked with it.
  ErrorCode decommit(std::span<std::byte> range) override {
    const std::lock_guard guard(mutex_);
    for (auto* page : pages_of(range)) {
      locked_.erase(page);
      committed_.erase(page);
    }
    wiped_before_decommit &=
        std::ranges::all_of(range, [](std::byte b) { return b == std::byte{0}; });
    return kSuccess;
  }
  ErrorCode lock(std::span<std::byte> range) override {
    const std::lock_guard guard(mutex_);
    ++lock_calls;
    if (lock_code != kSuccess) return lock_code;
    if (before_lock) before_lock();
    for (auto* page : pages_of(range)) {
      if (!committed_.contains(page)) return kInvalidParameter;
      const std::uint64_t room = limits.minimum_bytes / kFakePage - kSystemOverheadPages;
      // What is locked of the range stays so: the documentation promises no more.
      if (locked_.size() + foreign_pages >= room) return kWorkingSetQuota;
      locked_.insert(page);
    }
    return kSuccess;
  }
  ErrorCode unlock(std::span<std::byte> range) override {
    const std::lock_guard guard(mutex_);
    if (unlock_code != kSuccess) return unlock_code;
    bool all = true;
    for (auto* page : pages_of(range)) all &= locked_.erase(page) == 1;
    return all ? kSuccess : kNotLocked;
  }
  ErrorCode working_set(WorkingSetLimits& answer) const override {
    const std::lock_guard guard(mutex_);
    answer = limits;
    return kSuccess;
  }
  ErrorCode set_working_set(const WorkingSetLimits& wanted) override {
    const std::lock_guard guard(mutex_);
    asked.push_back(wanted);
    if (set_code != kSuccess) return set_code;
    const bool raises =
        wanted.minimum_bytes > limits.minimum_bytes || wanted.maximum_bytes > limits.maximum_bytes;
    if (!privileged && raises) return kPrivilegeNotHeld;
    if (wanted.minimum_bytes >= wanted.maximum_bytes) return kInvalidParameter;
    if (wanted.minimum_bytes > available_bytes) return kNoSystemResources;
    limits = wanted;
    if (after_set) after_set();
    return kSuccess;
  }
  bool exclude_from_reports(std::span<std::byte>) override { return ++excluded, true; }
  void include_in_reports(std::span<std::byte>) override { --excluded; }
  std::string text_of(ErrorCode code) const override { return "text of " + std::to_string(code); }

  [[nodiscard]] std::uint64_t locked_bytes() const {
    const std::lock_guard guard(mutex_);
    return locked_.size() * kFakePage;
  }
  [[nodiscard]] std::size_t committed_pages() const { return committed_.size(); }

  WorkingSetLimits limits = kAtStart;
  std::uint64_t available_bytes = std::uint64_t{1} << 40;
  bool privileged = true;
  std::uint64_t foreign_pages = 0;  ///< locked by others of the process
  ErrorCode lock_code = kSuccess;
  ErrorCode unlock_code = kSuccess;
  ErrorCode set_code = kSuccess;
  ErrorCode commit_code = kSuccess;
  std::function<void()> after_set;  ///< under the mutex: may change the fields, call nothing
  std::function<void()> before_lock;
  std::vector<WorkingSetLimits> asked;
  int lock_calls = 0;
  std::atomic<int> excluded = 0;  ///< regions are made by several threads at once
  bool wiped_before_decommit = true;

 private:
  static constexpr std::uint64_t kSystemOverheadPages = 8;
  static std::vector<std::byte*> pages_of(std::span<std::byte> range) {
    std::vector<std::byte*> pages;
    for (std::size_t at = 0; at < range.size(); at += kFakePage) pages.push_back(&range[at]);
    return pages;
  }
  mutable std::mutex mutex_;
  std::list<std::vector<std::byte>> reserved_;
  std::set<std::byte*> committed_;
  std::set<std::byte*> locked_;
};

struct Machine {
  FakeWindows windows;
  WorkingSet working_set{windows};
  std::unique_ptr<Memory> memory = make_memory(windows, working_set);

  std::unique_ptr<LockableRegion> region(std::uint64_t pages,
                                         LockPolicy policy = LockPolicy::abort) const {
    return memory->reserve(pages * kFakePage, policy, "frames");
  }
};

std::optional<MemoryLockError> failure_of(LockableRegion& region, std::uint64_t pages) {
  try {
    region.commit(0, pages * kFakePage);
  } catch (const MemoryLockError& failed) {
    return failed;
  }
  return std::nullopt;
}

/// Nothing is left of a failed lock: the same limits, nothing committed, locked or counted.
void check_untouched(const Machine& machine, const WorkingSetLimits& limits = kAtStart) {
  CHECK(machine.windows.limits == limits);
  CHECK(machine.windows.locked_bytes() == 0);
  CHECK(machine.windows.committed_pages() == 0);
  CHECK(machine.memory->account().locked_bytes == 0);
}

}  // namespace

TEST_CASE("working set: what fits is locked without a change of it") {
  Machine machine;
  const auto region = machine.region(100);
  region->commit(0, 40 * kFakePage);
  CHECK(machine.windows.asked.empty());
  CHECK(machine.memory->account().locked_bytes == 40 * kFakePage);
  CHECK(machine.memory->account().soft_limit_bytes == kAtStart.minimum_bytes);
  CHECK(machine.memory->account().hard_limit_bytes == kAtStart.maximum_bytes);
  CHECK(machine.windows.excluded == 1);
}

TEST_CASE(
    "working set: it grows by what is locked and its overhead, the maximum first, and is given "
    "back") {
  Machine machine;
  {
    const auto region = machine.region(1000);
    region->commit(0, 1000 * kFakePage);
    // By hand: 50 pages found, 1000 locked, 16 of overhead and 2 page tables; above it the headroom that the process
    // had, 345 - 50.
    const WorkingSetLimits grown{1068 * kFakePage, (1068 + 295) * kFakePage, 10};
    REQUIRE(machine.windows.asked.size() == 2);
    CHECK(machine.windows.asked[0] == WorkingSetLimits{50 * kFakePage, grown.maximum_bytes, 10});
    CHECK(machine.windows.asked[1] == grown);
    CHECK(machine.windows.limits == grown);
    CHECK(machine.windows.locked_bytes() == 1000 * kFakePage);
    CHECK(machine.memory->account().locked_bytes == 1000 * kFakePage);
    CHECK(machine.memory->account().failed_locks == 0);
  }
  check_untouched(machine);
  CHECK(machine.windows.excluded == 0);
  CHECK(machine.windows.wiped_before_decommit);
}

TEST_CASE("working set: a maximum that leaves room stays as it is") {
  Machine machine;
  machine.windows.limits.maximum_bytes = 100'000 * kFakePage;
  const auto limits = machine.windows.limits;
  {
    const auto region = machine.region(100);
    region->commit(0, 100 * kFakePage);
    REQUIRE(machine.windows.asked.size() == 1);
    CHECK(machine.windows.limits ==
          WorkingSetLimits{(50 + 100 + 17) * kFakePage, limits.maximum_bytes, 10});
  }
  check_untouched(machine, limits);
}

TEST_CASE("working set: without the privilege the error says who gives it") {
  Machine machine;
  machine.windows.privileged = false;
  const auto region = machine.region(100);
  const auto failed = failure_of(*region, 100);
  REQUIRE(failed);
  CHECK_THAT(
      failed->what(),
      Catch::Contains("cannot lock 409600 bytes of memory for frames: text of 1453 (error 1453)") &&
          Catch::Contains("0 bytes are locked, the working set is 204800 to 1413120 bytes") &&
          Catch::Contains("tried a minimum of 684032, refused: text of 1314 (error 1314)") &&
          Catch::Contains("SeIncreaseWorkingSetPrivilege") && !Catch::Contains("\n"));
  CHECK(failed->numbers().requested_bytes == 409'600);
  CHECK(failed->numbers().soft_limit_bytes == 204'800);
  CHECK(failed->numbers().hard_limit_bytes == 1'413'120);
  CHECK(failed->numbers().sufficient_limit_bytes == 684'032);
  check_untouched(machine);
  CHECK(machine.memory->account().failed_locks == 1);

  SECTION("and with the minimum that it names, set from outside, the same lock succeeds") {
    machine.windows.limits.minimum_bytes = failed->numbers().sufficient_limit_bytes;
    CHECK_FALSE(failure_of(*region, 100));
  }
  SECTION("and with the privilege too") {
    machine.windows.privileged = true;
    CHECK_FALSE(failure_of(*region, 100));
  }
}

TEST_CASE("working set: growth that the machine refuses leaves nothing behind") {
  SECTION("the maximum was raised by then") {
    Machine machine;
    const auto region = machine.region(1000);
    machine.windows.available_bytes = 500 * kFakePage;
    const auto failed = failure_of(*region, 1000);
    REQUIRE(failed);
    CHECK_THAT(failed->what(),
               Catch::Contains("(error 1450)") && Catch::Contains("smaller budget"));
    CHECK(machine.windows.asked.size() == 3);  // the maximum, the minimum, and the maximum back
    check_untouched(machine);
  }
  SECTION("at once") {
    for (const ErrorCode code :
         {kAccessDenied, kInvalidParameter, kNotEnoughQuota, kCommitmentLimit, ErrorCode{31}}) {
      Machine machine;
      const auto region = machine.region(1000);
      machine.windows.set_code = code;
      const auto failed = failure_of(*region, 1000);
      REQUIRE(failed);
      CHECK_THAT(failed->what(), Catch::Contains("(error " + std::to_string(code) + ")"));
      check_untouched(machine);
    }
  }
}

TEST_CASE(
    "working set: what others of the process take is grown for again, a bounded number of times") {
  const int thefts = GENERATE(1, 2, 3, 100);
  CAPTURE(thefts);
  int left = thefts;  // before the machine, whose region still asks for it when it goes
  Machine machine;
  const auto region = machine.region(100);
  machine.windows.after_set = [&] {
    if (left-- > 0)
      machine.windows.foreign_pages = machine.windows.limits.minimum_bytes / kFakePage - 8;
  };
  const auto failed = failure_of(*region, 100);
  CHECK(failed.has_value() == (thefts == 100));
  if (!failed) {
    CHECK(machine.windows.locked_bytes() == 100 * kFakePage);
    CHECK(machine.memory->account().locked_bytes == 100 * kFakePage);
    return;
  }
  CHECK(machine.windows.lock_calls == 5);  // the first, and one behind each of four growths
  CHECK_THAT(failed->what(), Catch::Contains("other parts of this process") &&
                                 Catch::Contains("tried a minimum of "));
  machine.windows.after_set = nullptr;
  machine.windows.foreign_pages = 0;
  check_untouched(machine);
  CHECK_FALSE(failure_of(*region, 100));
}

TEST_CASE("working set: a lock that fails for another reason grows nothing") {
  Machine machine;
  machine.windows.lock_code = kAccessDenied;
  const auto region = machine.region(10);
  const auto failed = failure_of(*region, 10);
  REQUIRE(failed);
  CHECK_THAT(failed->what(),
             Catch::Contains("text of 5 (error 5)") && Catch::Contains("not what stopped it"));
  CHECK(failed->numbers().sufficient_limit_bytes == 0);
  CHECK(machine.windows.asked.empty());
  check_untouched(machine);
}

TEST_CASE("working set: memory that cannot be committed is an error of the same kind") {
  Machine machine;
  machine.windows.commit_code = kCommitmentLimit;
  const auto region = machine.region(10);
  const auto failed = failure_of(*region, 10);
  REQUIRE(failed);
  CHECK_THAT(failed->what(), Catch::Contains("(error 1455)"));
  machine.windows.commit_code = kSuccess;
  CHECK_FALSE(failure_of(*region, 10));
}

TEST_CASE("working set: going on unlocked is counted, and uses the memory") {
  Machine machine;
  machine.windows.privileged = false;
  {
    const auto region = machine.region(100, LockPolicy::proceed_unlocked);
    region->commit(0, 100 * kFakePage);
    region->bytes()[5] = std::byte{1};
    CHECK(machine.memory->account().unlocked_plain_bytes == 100 * kFakePage);
    CHECK(machine.memory->account().locked_bytes == 0);
    CHECK(machine.memory->account().failed_locks == 1);
    CHECK(machine.windows.locked_bytes() == 0);
  }
  CHECK(machine.memory->account().unlocked_plain_bytes == 0);
  check_untouched(machine);
  CHECK(machine.windows.wiped_before_decommit);
}

TEST_CASE("working set: what somebody else has set since is left alone") {
  Machine machine;
  auto region = machine.region(1000);
  region->commit(0, 1000 * kFakePage);
  const WorkingSetLimits theirs{5000 * kFakePage, 9000 * kFakePage, 10};
  machine.windows.limits = theirs;
  region.reset();
  check_untouched(machine, theirs);
}

TEST_CASE(
    "working set: pages that the system does not unlock are decommitted, and charged no longer") {
  Machine machine;
  const auto region = machine.region(10);
  region->commit(0, 10 * kFakePage);
  machine.windows.unlock_code = kAccessDenied;
  region->release(0, 10 * kFakePage);
  CHECK(machine.windows.locked_bytes() == 0);
  CHECK(machine.memory->account().locked_bytes == 0);
  machine.windows.unlock_code = kSuccess;
  CHECK_FALSE(failure_of(*region, 10));
}

TEST_CASE(
    "working set: after any row of locks and releases the account is the system's, and nothing is "
    "kept") {
  Machine machine;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kPieces = 40;
  constexpr std::uint64_t kPiecePages = 64;
  {
    const auto region = machine.region(kPieces * kPiecePages);
    std::array<bool, kPieces> in_use{};
    for (int step = 0; step < 2000; ++step) {
      const std::uint64_t piece = random() % kPieces;
      const std::uint64_t at = piece * kPiecePages * kFakePage;
      if (random() % 8 == 0) machine.windows.foreign_pages = random() % 200;
      if (in_use[piece]) {
        region->release(at, kPiecePages * kFakePage);
      } else {
        region->commit(at, kPiecePages * kFakePage);
        region->bytes()[at] = std::byte{7};
      }
      in_use[piece] = !in_use[piece];
      const auto used = static_cast<std::uint64_t>(std::count(in_use.begin(), in_use.end(), true));
      REQUIRE(machine.windows.locked_bytes() == used * kPiecePages * kFakePage);
      REQUIRE(machine.memory->account().locked_bytes == machine.windows.locked_bytes());
      REQUIRE(machine.windows.limits.minimum_bytes >= kAtStart.minimum_bytes);
      REQUIRE(machine.windows.limits.maximum_bytes >= kAtStart.maximum_bytes);
    }
  }
  check_untouched(machine);
  CHECK(machine.windows.wiped_before_decommit);
}

TEST_CASE("working set: threads lock and release at the same time", "[threads]") {
  Machine machine;
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        const auto region = machine.region(64);
        for (int round = 0; round < 300; ++round) {
          if (failure_of(*region, 64)) ++failed;
          region->release(0, 64 * kFakePage);
        }
      });
    }
  }
  CHECK(failed == 0);
  check_untouched(machine);
}
