// Linux only: limits are RLIMIT_MEMLOCK, and forked children are looked at
//
// Locked memory on the real system.  Limits, faults and forks happen in children of the test
// program.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include "platform/linux/native.hpp"
#include "platform/locked_heap.hpp"
#include "tests/support/child.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/remedy.hpp"
#include "tests/support/skip.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

/// What the account says, then what the kernel says.
std::string locked_twice(Memory& memory) {
  return number(memory.account().locked_bytes) + "=" + number(kernel_locked_bytes());
}

std::string first_line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Of the mapping that begins at the address, in huge pages.
std::uint64_t huge_kib(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      inside = begin == reinterpret_cast<std::uintptr_t>(address);
    } else if (inside && std::sscanf(line.c_str(), "AnonHugePages: %llu kB", &kib) == 1) {
      return kib;
    }
  }
  return 0;
}

/// Whether memory that is not a region's comes in one.
bool gives_huge_pages(std::uint64_t huge_bytes) {
  void* const mapped =
      ::mmap(nullptr, 2 * huge_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return false;
  auto* const begin = static_cast<char*>(mapped);
  char* const aligned =
      begin + (huge_bytes - reinterpret_cast<std::uintptr_t>(begin) % huge_bytes) % huge_bytes;
  bool gives = ::madvise(aligned, huge_bytes, MADV_HUGEPAGE) == 0;
  if (gives) {
    *aligned = 1;
    gives = huge_kib(aligned) == huge_bytes / kKiB;
  }
  ::munmap(mapped, 2 * huge_bytes);
  return gives;
}

std::optional<MemoryLockError> lock_failure(LockableRegion& region, std::uint64_t offset,
                                            std::uint64_t length) {
  try {
    region.commit(offset, length);
  } catch (const MemoryLockError& failure) {
    return failure;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("what the account calls locked is what the kernel charges") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  CHECK(answer_of_child([]() -> std::string {
          const auto machine = make_linux_platform();
          auto& memory = machine->memory();
          std::string seen = locked_twice(memory);
          {
            const auto region = memory.reserve(kMiB * 1024, LockPolicy::abort, "the test");
            seen += " " + locked_twice(memory);
            region->commit(0, 64 * kKiB);
            region->commit(128 * kKiB, 8 * kKiB);
            seen += " " + locked_twice(memory);
            region->release(4 * kKiB, 8 * kKiB);
            seen += " " + locked_twice(memory);
            region->release(0, 64 * kKiB);
            seen += " " + locked_twice(memory);
          }
          return seen + " " + locked_twice(memory);
        }) == "0=0 0=0 73728=73728 65536=65536 8192=8192 0=0");
}

TEST_CASE("a lock raises the soft limit by itself, then fails with every number and a remedy") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  Child child([](Channel& channel) {
    limit_locked_memory(64 * kKiB, 256 * kKiB);
    const auto machine = make_linux_platform();
    auto& memory = machine->memory();
    const auto region = memory.reserve(kMiB, LockPolicy::abort, "page frames");
    region->commit(0, 128 * kKiB);
    channel.say(locked_twice(memory));
    const auto failure = lock_failure(*region, 512 * kKiB, 512 * kKiB);
    if (!failure) {
      channel.say("no failure");
      return;
    }
    const auto& numbers = failure->numbers();
    channel.say(number(numbers.requested_bytes) + " " + number(numbers.locked_bytes) + " " +
                number(numbers.soft_limit_bytes) + " " + number(numbers.hard_limit_bytes) + " " +
                number(numbers.sufficient_limit_bytes));
    channel.say(failure->what());
    const auto account = memory.account();
    channel.say(number(account.failed_locks) + " " + number(account.soft_limit_bytes) + " " +
                number(account.hard_limit_bytes) + (account.privileged ? " privileged" : ""));
    // Nothing of the range is charged, accessible or occupied.
    channel.say(locked_twice(memory));
    channel.say(mapping_flags(region->bytes().data() + 512 * kKiB).substr(0, 4));
    unsigned char resident[128] = {};
    ::mincore(region->bytes().data() + 512 * kKiB, 512 * kKiB, resident);
    channel.say(number(static_cast<std::uint64_t>(
        std::count_if(std::begin(resident), std::end(resident), [](auto r) { return r & 1; }))));
    // And the region goes on within the limit.
    region->commit(512 * kKiB, 128 * kKiB);
    channel.say(locked_twice(memory));
  });
  const auto& said = child.channel();
  CHECK(said.hear() == "131072=131072");
  CHECK(said.hear() == "524288 131072 262144 262144 655360");
  const auto message = said.hear();
  CAPTURE(message);
  CHECK(bytes_in_remedy(message, child.pid()) == 655360);
  CHECK_THAT(message, Catch::Contains("sudo prlimit --pid " + std::to_string(child.pid()) +
                                      " --memlock=655360"));
  CHECK_THAT(message, Catch::Contains("524288 bytes of memory for page frames"));
  CHECK_THAT(message, Catch::Contains("LimitMEMLOCK=655360"));
  CHECK_THAT(message, Catch::Contains("limits.conf"));
  CHECK_THAT(message, Catch::Contains("memlock 640"));  // limits.conf counts in KiB
  CHECK_THAT(message, Catch::Contains("--ulimit memlock=655360"));
  CHECK_THAT(message, !Catch::Contains("|"));  // where the channel found a line break
  CHECK(said.hear() == "1 262144 262144");
  CHECK(said.hear() == "131072=131072");
  CHECK(said.hear() == "---p");
  CHECK(said.hear() == "0");
  CHECK(said.hear() == "262144=262144");
  CHECK(child.end_signal() == 0);
}

TEST_CASE("the limit that the message names is enough, and a page less is not") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  // The limits of a child are set as if the command had been given before it started.
  const auto failing_limit = [](std::uint64_t limit) {
    return answer_of_child([&]() -> std::string {
      limit_locked_memory(limit, limit);
      const auto machine = make_linux_platform();
      // Somebody else's locked memory counts for the limit and not for our account.
      void* foreign =
          ::mmap(nullptr, 68 * kKiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (::mlock(foreign, 68 * kKiB) != 0) return "no ballast";
      const auto region = machine->memory().reserve(kMiB, LockPolicy::abort, "the test");
      region->commit(0, 60 * kKiB);
      const auto failure = lock_failure(*region, 512 * kKiB, 256 * kKiB);
      if (!failure) return "locked";
      const auto bytes = bytes_in_remedy(failure->what(), ::getpid());
      const bool agrees = bytes == failure->numbers().sufficient_limit_bytes;
      return agrees ? number(*bytes) : "message and numbers differ";
    });
  };
  const auto named = failing_limit(200 * kKiB);
  CHECK(named == number(384 * kKiB));  // 68 + 60 + 256 = 384
  CHECK(failing_limit(384 * kKiB - 4 * kKiB) == number(384 * kKiB));
  CHECK(failing_limit(384 * kKiB) == "locked");
}

TEST_CASE(
    "every limit allows what it says, with CAP_IPC_LOCK and without, and a failure leaves "
    "nothing") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  const bool may_have = has_capability(CAP_IPC_LOCK);
  const rlim_t most = lock_limit().rlim_max;
  for (const rlim_t limit :
       {rlim_t{0}, rlim_t{4 * kKiB}, rlim_t{64 * kKiB}, rlim_t{8 * kMiB}, rlim_t{RLIM_INFINITY}}) {
    for (const bool privileged : {false, true}) {
      CAPTURE(limit, privileged);
      if (limit > most) {
        skip("the hard limit on locked memory cannot be raised here");
        continue;
      }
      if (privileged && !may_have) {
        skip("CAP_IPC_LOCK is not here");
        continue;
      }
      // Lengths that lie at and beyond each limit; which of them can be locked.
      constexpr std::array<std::uint64_t, 5> kLengths = {4 * kKiB, 8 * kKiB, 64 * kKiB, 68 * kKiB,
                                                         4 * kMiB};
      const std::string said = answer_of_child([&] {
        if (privileged) {
          const rlimit both{limit, limit};
          if (::setrlimit(RLIMIT_MEMLOCK, &both) != 0) return std::string("cannot set the limit");
        } else {
          limit_locked_memory(limit, limit);
        }
        const auto machine = make_linux_platform();
        std::string outcome = machine->memory().account().privileged ? "privileged" : "limited";
        for (const std::uint64_t length : kLengths) {
          const auto region = machine->memory().reserve(length, LockPolicy::abort, "the test");
          const auto failure = lock_failure(*region, 0, length);
          outcome += failure ? " -" : " +";
          const std::uint64_t left = failure ? 0 : length;
          if (kernel_locked_bytes() != left || machine->memory().account().locked_bytes != left)
            outcome += "!";
          if (failure && bytes_in_remedy(failure->what(), ::getpid()).value_or(0) < length)
            outcome += "?";
        }
        return outcome;
      });
      std::string expected = privileged ? "privileged" : "limited";
      for (const std::uint64_t length : kLengths)
        expected += privileged || length <= limit ? " +" : " -";
      CHECK(said == expected);
    }
  }
}

namespace {

/// A child whose lock fails, tells the message, waits, tries the same again.
void fail_then_try_again(Channel& channel) {
  const auto machine = make_linux_platform();
  const auto region = machine->memory().reserve(4 * kMiB, LockPolicy::abort, "the test");
  const auto failure = lock_failure(*region, 0, 2 * kMiB);
  channel.say(failure ? failure->what() : "no failure");
  (void)channel.hear();
  const auto again = lock_failure(*region, 0, 2 * kMiB);
  channel.say(again ? again->what() : "locked " + locked_twice(machine->memory()));
}

}  // namespace

TEST_CASE("after the message's command the same operation of the running process succeeds") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  if (!has_prlimit_command()) return skip("the prlimit command of util-linux is not installed");
  SECTION("where the process may not raise its own limit") {
    if (lock_limit().rlim_max < 2 * kMiB) return skip("the hard limit on locked memory is too low");
    // The soft limit is low, the hard one is not, and a system call filter keeps the process from
    // raising the one to the other: what only somebody else can change is then changed by the
    // parent, which needs no privilege for it.
    Child child([](Channel& channel) {
      limit_locked_memory(64 * kKiB, lock_limit().rlim_max);
      forbid_setting_limits();
      fail_then_try_again(channel);
    });
    const auto message = child.channel().hear();
    CAPTURE(message);
    CHECK(bytes_in_remedy(message, child.pid()) == 2 * kMiB);
    CHECK(run_remedy(message));
    child.channel().say("again");
    CHECK(child.channel().hear() == "locked 2097152=2097152");
  }
  SECTION("where the hard limit is too low") {
    if (!has_capability(CAP_SYS_RESOURCE)) {
      return skip("raising a process's hard limit takes CAP_SYS_RESOURCE, which is not here");
    }
    Child child([](Channel& channel) {
      limit_locked_memory(64 * kKiB, 64 * kKiB);
      fail_then_try_again(channel);
    });
    const auto message = child.channel().hear();
    CAPTURE(message);
    CHECK(run_remedy(message));
    child.channel().say("again");
    CHECK(child.channel().hear() == "locked 2097152=2097152");
  }
  SECTION("and without the command it fails again") {
    Child child([](Channel& channel) {
      limit_locked_memory(64 * kKiB, 64 * kKiB);
      fail_then_try_again(channel);
    });
    const auto message = child.channel().hear();
    child.channel().say("again");
    CHECK(child.channel().hear() == message);
  }
}

TEST_CASE("going on unlocked is counted, and warned of once") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  Child child([](Channel& channel) {
    limit_locked_memory(0, 0);
    const auto machine = make_linux_platform();
    auto& memory = machine->memory();
    const auto region = memory.reserve(kMiB, LockPolicy::proceed_unlocked, "the test");
    region->commit(0, 64 * kKiB);
    region->commit(64 * kKiB, 64 * kKiB);
    std::memset(region->bytes().data(), 1, 128 * kKiB);
    auto account = memory.account();
    channel.say(number(account.locked_bytes) + " " + number(account.unlocked_plain_bytes) + " " +
                number(account.failed_locks));
    region->release(0, 96 * kKiB);
    account = memory.account();
    channel.say(number(account.locked_bytes) + " " + number(account.unlocked_plain_bytes) + " " +
                number(account.failed_locks));
  });
  CHECK(child.channel().hear() == "0 131072 2");
  CHECK(child.channel().hear() == "0 32768 2");
  CHECK(child.end_signal() == 0);
  const auto errors = child.errors();
  CAPTURE(errors);
  CHECK_THAT(errors, Catch::Contains("not locked"));
  CHECK(std::count(errors.begin(), errors.end(), '\n') == 1);
}

TEST_CASE("memory outside of what is in use faults") {
  const auto touch = [](std::ptrdiff_t page) {
    return signal_of_child([page] {
      const auto machine = make_linux_platform();
      const auto region = machine->memory().reserve(16 * kKiB, LockPolicy::abort, "the test");
      region->commit(0, 4 * kKiB);
      region->commit(12 * kKiB, 4 * kKiB);
      auto* first = reinterpret_cast<volatile char*>(region->bytes().data());
      // The last byte of the page, which for -1 is the one right before the region.
      first[page * 4096 + 4095] = 1;
    });
  };
  CHECK(touch(-1) == SIGSEGV);
  CHECK(touch(0) == 0);
  CHECK(touch(1) == SIGSEGV);
  CHECK(touch(3) == 0);
  CHECK(touch(4) == SIGSEGV);
  CHECK(signal_of_child([] {
          const auto machine = make_linux_platform();
          const auto region = machine->memory().reserve(4 * kKiB, LockPolicy::abort, "the test");
          region->commit(0, 4 * kKiB);
          region->release(0, 4 * kKiB);
          reinterpret_cast<volatile char*>(region->bytes().data())[0] = 1;
        }) == SIGSEGV);
}

TEST_CASE("released memory is wiped before the system gets it back") {
  const auto first_byte_after = [](bool release) {
    return answer_of_child([release]() -> std::string {
      const auto machine = make_linux_platform();
      const auto region = machine->memory().reserve(4 * kKiB, LockPolicy::abort, "the test");
      region->commit(0, 4 * kKiB);
      std::memset(region->bytes().data(), 0x5A, 4 * kKiB);
      auto* const bytes = region->bytes().data();
      // With madvise out of action the page keeps its bytes, and shows whether they were wiped.
      fake_system_call(SYS_madvise, 0);
      if (release) {
        region->release(0, 4 * kKiB);
        region->commit(0, 4 * kKiB);
      } else {
        ::madvise(bytes, 4 * kKiB, MADV_DONTNEED);  // shows that the filter works
      }
      const auto wrong =
          std::count_if(bytes, bytes + 4 * kKiB, [](std::byte b) { return b != std::byte{0}; });
      return std::to_string(wrong);
    });
  };
  CHECK(first_byte_after(true) == "0");
  CHECK(first_byte_after(false) == "4096");
}

TEST_CASE("locked memory is kept out of dumps and out of children") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  const auto machine = make_linux_platform();
  const auto region = machine->memory().reserve(16 * kKiB, LockPolicy::abort, "the test");
  region->commit(0, 8 * kKiB);
  auto* const bytes = region->bytes().data();
  for (const auto offset : {-1, 0, 8 * 1024, 16 * 1024}) {
    const auto flags = mapping_flags(bytes + offset);
    CAPTURE(offset, flags);
    CHECK_THAT(flags, Catch::Contains(" dd "));  // not in dumps
    CHECK_THAT(flags, Catch::Contains(" dc "));  // not copied by fork
  }
  CHECK_THAT(mapping_flags(bytes), Catch::StartsWith("rw-p") && Catch::Contains(" lo "));
  CHECK_THAT(mapping_flags(bytes + 8 * kKiB), Catch::StartsWith("---p"));
  CHECK(signal_of_child([&] { (void)*reinterpret_cast<volatile char*>(bytes); }) == SIGSEGV);

  const auto control = machine->memory().reserve(4 * kKiB, LockPolicy::abort, "the test", false);
  control->commit(0, 4 * kKiB);
  CHECK_THAT(mapping_flags(control->bytes().data()),
             !Catch::Contains(" dd ") && Catch::Contains(" dc "));
}

TEST_CASE("whole huge pages are used where the system has them, and none is put together later") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  constexpr std::uint64_t kHuge = 2 * kMiB;
  if (!has_capability(CAP_IPC_LOCK) && lock_limit().rlim_max < 3 * kHuge) {
    return skip("less than 6 MiB can be locked here");
  }
  const auto machine = make_linux_platform();
  const std::string before = locked_twice(machine->memory());
  const auto region = machine->memory().reserve(4 * kHuge, LockPolicy::abort, "the test");
  auto* const bytes = region->bytes().data();
  REQUIRE(reinterpret_cast<std::uintptr_t>(bytes) % kHuge == 0);
  const std::uint64_t locked = machine->memory().account().locked_bytes;
  region->commit(0, 256 * kKiB);
  region->commit(kHuge, 2 * kHuge);
  CHECK(machine->memory().account().locked_bytes == locked + 256 * kKiB + 2 * kHuge);
  CHECK(machine->memory().account().locked_bytes == kernel_locked_bytes());
  // Not merely advice that is not given: khugepaged would also look at memory that nobody has asked it to.
  const std::string thp = first_line_of("/sys/kernel/mm/transparent_hugepage/enabled");
  if (!thp.empty()) {
    for (const std::uint64_t offset : {std::uint64_t{0}, kHuge, 3 * kHuge}) {
      CHECK_THAT(mapping_flags(bytes + offset),
                 Catch::Contains(" nh ") && !Catch::Contains(" hg "));
    }
  }

  // A piece that goes out of the middle of one takes nothing of the rest with it.
  const auto in_use = region->bytes().subspan(kHuge, 2 * kHuge);
  std::ranges::fill(in_use, std::byte{0x5a});
  region->release(kHuge + 64 * kKiB, 4 * kKiB);
  CHECK(machine->memory().account().locked_bytes == kernel_locked_bytes());
  CHECK_THAT(mapping_flags(bytes + kHuge + 64 * kKiB), Catch::StartsWith("---p"));
  const auto whole = [](std::span<const std::byte> part) {
    return std::ranges::all_of(part, [](std::byte b) { return b == std::byte{0x5a}; });
  };
  CHECK(whole(in_use.first(64 * kKiB)));
  CHECK(whole(in_use.subspan(68 * kKiB)));
  region->commit(kHuge + 64 * kKiB, 4 * kKiB);
  CHECK(in_use[64 * kKiB] == std::byte{0});
  region->release(0, 4 * kHuge);
  CHECK(locked_twice(machine->memory()) == before);

  region->commit(kHuge, kHuge);
  if (!gives_huge_pages(kHuge)) return skip("the system gives no transparent huge page");
  CHECK(huge_kib(bytes + kHuge) == kHuge / kKiB);
}

TEST_CASE("a forked child's copies of locked memory touch nothing, and it has nothing locked") {
  const auto machine = make_linux_platform();
  auto& memory = machine->memory();
  auto region = memory.reserve(64 * kKiB, LockPolicy::abort, "the test");
  region->commit(0, 64 * kKiB);
  region->bytes()[0] = std::byte{42};
  auto heap = std::make_unique<LockedHeap>(memory, 16 * kKiB, LockPolicy::abort, "keys");
  auto buffer = heap->allocate(100);
  buffer.bytes()[0] = std::byte{43};
  CHECK(answer_of_child([&]() -> std::string {
          const auto locked = locked_twice(memory);
          // Something of the child's own may stand at the address; it must survive.
          auto* const mine =
              static_cast<char*>(::mmap(region->bytes().data(), 64 * kKiB, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
          if (mine == MAP_FAILED) return "the address is taken";
          std::memset(mine, 7, 64 * kKiB);
          buffer = LockedBuffer();
          heap.reset();
          region.reset();
          return locked + (mine[0] == 7 ? " intact" : " touched");
        }) == "0=0 intact");
  CHECK(region->bytes()[0] == std::byte{42});
  CHECK(buffer.bytes()[0] == std::byte{43});
}

TEST_CASE("threads lock and release at the same time and the account stays exact") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  CHECK(answer_of_child([]() -> std::string {
          const auto machine = make_linux_platform();
          auto& memory = machine->memory();
          const auto region = memory.reserve(4 * 64 * kKiB, LockPolicy::abort, "the test");
          std::vector<std::thread> threads;
          for (std::uint64_t t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
              for (int round = 0; round < 200; ++round) {
                region->commit(t * 64 * kKiB, 64 * kKiB);
                region->bytes()[t * 64 * kKiB] = std::byte{1};
                if (round != 199) region->release(t * 64 * kKiB, 64 * kKiB);
              }
            });
          }
          for (auto& thread : threads) thread.join();
          return locked_twice(memory);
        }) == "262144=262144");
}

TEST_CASE("a length is rounded up to pages, and a commit of half a page is the caller's bug") {
  const auto machine = make_linux_platform();
  const auto region = machine->memory().reserve(1, LockPolicy::abort, "the test");
  CHECK(region->bytes().size() == machine->memory().page_bytes());
  CHECK(signal_of_child([&] { region->commit(0, 100); }) == SIGABRT);
  CHECK(signal_of_child([&] { region->commit(0, 2 * machine->memory().page_bytes()); }) == SIGABRT);
}

TEST_CASE("a heap that cannot be locked is not made, and charges nothing") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  CHECK(answer_of_child([]() -> std::string {
          limit_locked_memory(64 * 1024, 64 * 1024);
          const auto machine = make_linux_platform();
          try {
            const LockedHeap heap(machine->memory(), 128 * 1024, LockPolicy::abort, "keys");
            return "made";
          } catch (const MemoryLockError& failure) {
            return std::to_string(failure.numbers().requested_bytes) + " " +
                   std::to_string(machine->memory().account().locked_bytes) + " " +
                   std::to_string(kernel_locked_bytes());
          }
        }) == "131072 0 0");
}
