// Linux only: system calls are made to fail by a filter
//
// What Coffer does when the system refuses: single system calls fail, in children of the test
// program.
#include <fcntl.h>
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <coffer/error.hpp>

#include "tests/platform/worlds.hpp"
#include "tests/support/child.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/skip.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

/// "NoSpace", "IoError 5 sync", "InvalidArgument" or "nothing".
template <class Call>
std::string raised_by(Call&& call) {
  try {
    call();
  } catch (const NoSpace&) {
    return "NoSpace";
  } catch (const InvalidArgument&) {
    return "InvalidArgument";
  } catch (const IoError& refused) {
    return "IoError " + std::to_string(refused.code()) + " " + refused.operation();
  }
  return "nothing";
}

/// What a call on a file raises in a child whose system call `number` fails with `code`.
template <class Call>
std::string raised_when(int number, int code, Call&& call) {
  const World world("native");
  return answer_of_child([&] {
    const auto machine = make_linux_platform();
    const auto file = machine->files().create(world.path("f"));
    fake_system_call(number, static_cast<std::uint32_t>(code));
    return raised_by([&] { call(*file); });
  });
}

}  // namespace

TEST_CASE("a refused write, reservation, truncation or sync is told by its kind") {
  const auto bytes = filled(100, 1);
  const auto write = [&](File& file) { file.write_at(0, bytes); };
  CHECK(raised_when(SYS_pwrite64, ENOSPC, write) == "NoSpace");
  CHECK(raised_when(SYS_pwrite64, EDQUOT, write) == "NoSpace");
  CHECK(raised_when(SYS_pwrite64, EFBIG, write) == "NoSpace");
  CHECK(raised_when(SYS_pwrite64, EIO, write) == "IoError 5 write 100 bytes at offset 0 of");
  CHECK(raised_when(SYS_pwrite64, 0, write) == "IoError 5 write 100 bytes at offset 0 of");
  CHECK(raised_when(SYS_fsync, EIO, [](File& file) { file.sync(); }) == "IoError 5 sync");
  CHECK(raised_when(SYS_fdatasync, EIO, [](File& file) { file.data_sync(); }) ==
        "IoError 5 sync the data of");
  CHECK(raised_when(SYS_fsync, ENOSPC, [](File& file) { file.sync(); }) == "NoSpace");
  CHECK(raised_when(SYS_fallocate, ENOSPC, [](File& file) { file.allocate(0, 4096); }) ==
        "NoSpace");
  CHECK(raised_when(SYS_ftruncate, EIO, [](File& file) { file.truncate(9); }) ==
        "IoError 5 set the size to 9 bytes of");
  CHECK(raised_when(SYS_pread64, EIO, [](File& file) {
          std::vector<std::byte> out(10);
          file.read_at(5, out);
        }) == "IoError 5 read 10 bytes at offset 5 of");
}

TEST_CASE(
    "where the file system cannot reserve, the file grows by zeros and nothing is overwritten") {
  World world("native");
  CHECK(answer_of_child([&]() -> std::string {
          const auto machine = make_linux_platform();
          const auto file = machine->files().create(world.path("f"));
          file->write_at(0, filled(1000, 7));
          fake_system_call(SYS_fallocate, EOPNOTSUPP);
          file->allocate(500, 200000);
          auto expected = filled(1000, 7);
          expected.resize(200500);
          if (read_all(*file) != expected) return "wrong after allocate";
          file->allocate(0, 100);
          file->punch(0, 1000);  // does nothing there
          return read_all(*file) == expected ? "right" : "wrong";
        }) == "right");
}

TEST_CASE("where renameat2 is missing, renaming still never replaces") {
  World world("native");
  CHECK(answer_of_child([&]() -> std::string {
          const auto machine = make_linux_platform();
          auto& files = machine->files();
          const auto name = [&](const char* text) { return world.path(text); };
          files.create(name("f"))->write_at(0, bytes_of("f"));
          files.create(name("g"))->write_at(0, bytes_of("g"));
          files.make_directory(name("d"));
          files.make_directory(name("e"));
          fake_system_call(SYS_renameat2, ENOSYS);
          std::string seen = raised_by([&] { files.rename(name("f"), name("g")); });
          seen += " " + raised_by([&] { files.rename(name("d"), name("e")); });
          seen += " " + raised_by([&] { files.rename(name("f"), name("h")); });
          seen += " " + raised_by([&] { files.rename(name("d"), name("i")); });
          for (const auto& left : files.list(world.root())) seen += " " + left;
          return seen + " " + text_of(*files.open(name("g"), OpenMode::read_only));
        }) == "InvalidArgument InvalidArgument nothing nothing e g h i g");
}

TEST_CASE("a directory that cannot be synced is an IoError, except where it needs no sync") {
  const auto sync_with = [](int code) {
    const World world("native");
    return answer_of_child([&] {
      const auto machine = make_linux_platform();
      fake_system_call(SYS_fsync, static_cast<std::uint32_t>(code));
      return raised_by([&] { machine->files().sync_directory(world.root()); });
    });
  };
  CHECK(sync_with(EIO) == "IoError 5 sync the directory");
  CHECK(sync_with(EINVAL) == "nothing");
}

TEST_CASE("without the system's generator there are no random bytes") {
  CHECK(answer_of_child([] {
          const auto machine = make_linux_platform();
          fake_system_call(SYS_getrandom, ENOSYS);
          std::vector<std::byte> out(32);
          return raised_by([&] { machine->entropy().fill(out); });
        }) == "IoError 38 draw random bytes from");
}

TEST_CASE("memory that cannot be kept out of dumps is not handed out") {
  CHECK(answer_of_child([] {
          const auto machine = make_linux_platform();
          fake_system_call(SYS_madvise, EINVAL);
          return raised_by(
              [&] { (void)machine->memory().reserve(4096, LockPolicy::abort, "the test"); });
        }).starts_with("IoError 22 keep address space out of dumps"));
}

TEST_CASE(
    "pages that the system will not unlock stay charged in the account, and can be used again") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  CHECK(answer_of_child([]() -> std::string {
          const auto machine = make_linux_platform();
          auto& memory = machine->memory();
          const auto region = memory.reserve(8192, LockPolicy::abort, "the test");
          region->commit(0, 8192);
          fake_system_call(SYS_munlock, ENOMEM);
          region->release(0, 4096);
          std::string seen = std::to_string(memory.account().locked_bytes) + "=" +
                             std::to_string(kernel_locked_bytes());
          region->commit(0, 4096);
          seen += " " + std::to_string(memory.account().locked_bytes) + "=" +
                  std::to_string(kernel_locked_bytes());
          region->bytes()[0] = std::byte{1};
          return seen;
        }) == "8192=8192 8192=8192");
}

TEST_CASE("a lock that fails half way leaves nothing charged") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  const auto charged_after = [](bool through_region) {
    return answer_of_child([through_region]() -> std::string {
      const auto machine = make_linux_platform();
      const auto region = machine->memory().reserve(65536, LockPolicy::abort, "the test");
      auto* const bytes = region->bytes().data();
      // Over a hole mlock locks what lies before it and then fails.  mprotect would fail first.
      ::munmap(bytes + 32768, 4096);
      fake_system_call(SYS_mprotect, 0);
      try {
        if (through_region) {
          region->commit(0, 65536);
        } else if (::mlock(bytes, 65536) != 0) {
          throw MemoryLockError("as expected", {});  // shows that the hole does what it should
        }
        return "locked";
      } catch (const MemoryLockError&) {
        return std::to_string(kernel_locked_bytes()) + " " +
               std::to_string(machine->memory().account().locked_bytes);
      }
    });
  };
  CHECK(charged_after(true) == "0 0");
  CHECK(charged_after(false) == "32768 0");
}

TEST_CASE("descriptors are closed on exec") {
  World world("native");
  const auto path = world.path("f");
  const auto file = world.files().create(path);
  const auto lock = world.files().lock(world.path("lock"), false);
  int open_here = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (gone || target.parent_path() != world.root()) continue;
    ++open_here;
    const int number = std::stoi(entry.path().filename().string());
    CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(open_here == 2);
}
