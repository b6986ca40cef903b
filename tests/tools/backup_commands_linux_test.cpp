// Linux only: signals, terminals, limits of locked memory
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <string>

#include "tests/support/sanitized.hpp"
#include "tests/tools/backup_support.hpp"
#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/safety_support.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::ranges::sort(names);
  return names;
}

// Waits for a file or store that is being made.
bool something_in_progress(const fs::path& folder) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".in-progress") return true;
    }
  }
  return false;
}

// A folder with a key and a store of some size: work that takes a while.
class LongWork {
 public:
  LongWork() {
    fs::create_directory(folder_ / "place");
    fixture_.must({"import", fixture_.store(), "t", "-", "--format", "tsv"},
                  numbered_lines(0, 200'000));
  }
  [[nodiscard]] const StoreFixture& fixture() const { return fixture_; }
  [[nodiscard]] std::string place() const { return folder_ / "place"; }
  [[nodiscard]] std::string backup() const { return folder_ / "backup"; }

  // Starts it, sends the signal when something of it is in `place`, and sees that nothing stays there.
  void interrupted(const Words& arguments, int signal) const {
    BackgroundCommand command(fixture_.keyed(arguments));
    REQUIRE(something_in_progress(place()));
    command.interrupt(signal);
    const auto begin = std::chrono::steady_clock::now();
    const int exit_code = command.wait();
    CAPTURE(command.errors());
    CHECK(exit_code == 3);
    CHECK(is_one_error_line(command.errors()));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
    CHECK(names_below(place()).empty());
  }

 private:
  StoreFixture fixture_;
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("backup: an interrupted backup or restore leaves nothing behind") {
  const LongWork work;
  const StoreFixture& fixture = work.fixture();
  const auto store = contents_of(fixture.store());
  const int signal = GENERATE(SIGINT, SIGTERM);
  CAPTURE(signal);
  // Two minutes' work at this rate.
  work.interrupted({"backup", "logical", fixture.store(), work.place() + "/backup", "--rate-max",
                    "64K", "--read-only"},
                   signal);
  CHECK((contents_of(fixture.store()) == store));

  fixture.must({"backup", "logical", fixture.store(), work.backup()});
  const std::string backup = read_file(work.backup());
  work.interrupted({"restore", work.backup(), work.place() + "/store"}, signal);
  CHECK((read_file(work.backup()) == backup));
  // Both work when they are let.
  fixture.must({"restore", work.backup(), work.place() + "/store"});
}

TEST_CASE("backup: an interrupted verification ends, and looks at no other file") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  fixture.must({"backup", "logical", fixture.store(), fixture.file("backup")});
  constexpr int kFiles = 5000;
  BackgroundCommand command(
      fixture.keyed(Words{"backup", "verify"} + Words(kFiles, fixture.file("backup"))));
  REQUIRE_THAT(command.read_line(), Catch::Contains(": ok"));
  command.interrupt(SIGINT);
  int seen = 1;
  while (!command.read_line().empty()) ++seen;
  CHECK(seen < kFiles);
  CHECK(command.wait() == 3);
  CHECK(is_one_error_line(command.errors()));
}

TEST_CASE("backup: an interrupt that was ignored before stays ignored") {
  const BackupFixture fixture;
  const Outcome outcome =
      run_in_child({.arguments = Words{"backup", "logical", fixture.plain(), fixture.file("backup"),
                                       "--unencrypted", "--rate-max", "512K"}},
                   [] {
                     ::signal(SIGINT, SIG_IGN);
                     const pid_t command = ::getpid();
                     if (::fork() != 0) return;
                     for (int i = 0; i < 4; ++i) {
                       ::usleep(200'000);
                       ::kill(command, SIGINT);
                     }
                     ::_exit(0);
                   });
  CHECK(outcome.exit_code == 0);
}

TEST_CASE("backup: progress is shown on a terminal, and only there") {
  const BackupFixture fixture;
  const std::string backup = fixture.file("backup");
  const Words slow{"backup",        "logical",    fixture.plain(), backup,
                   "--unencrypted", "--rate-max", "256K"};
  const Outcome shown = run_on_terminal(slow, {});
  CHECK(shown.exit_code == 0);
  CHECK_THAT(shown.out, Catch::Contains("backing up: ") && Catch::Contains(" entries, ") &&
                            Catch::Contains("KiB/s"));
  CHECK_THAT(shown.out, Catch::Contains(": backed up 3012 entries"));
  fs::remove(backup);
  const Outcome piped = coffer(slow);
  CHECK(piped.exit_code == 0);
  CHECK(piped.err.empty());
  CHECK(count_lines(piped.out) == 1);
}

TEST_CASE("backup: a terminal is asked for the backup's passphrase unless there shall be none") {
  const BackupFixture fixture;
  const std::string backup = fixture.plain_backup("backup");
  CHECK(run_on_terminal({"backup", "verify", backup, "--unencrypted"}, {}).exit_code == 0);
  // Whoever put an unencrypted backup in the place of an encrypted one gets no further than this.
  CHECK(run_on_terminal({"restore", backup, fixture.file("new")}, {{"Passphrase:", "open\n"}})
            .exit_code == 2);
  CHECK(run_on_terminal({"backup", "verify", fixture.encrypted_backup("other")},
                        {{"Passphrase:", "not this\n"}})
            .exit_code == 4);
}

#if !defined(COFFER_TEST_SANITIZED)
TEST_CASE("backup: memory that cannot be locked ends with exit code 6 and leaves nothing") {
  const BackupFixture fixture;
  const std::string backup = fixture.plain_backup("backup");
  const auto limited = [](const Words& arguments, rlim_t bytes) {
    return run_in_child({.arguments = arguments}, [bytes] {
      // Root passes the limit unless it loses this capability first.
      ::prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
      const rlimit little{bytes, bytes};
      ::setrlimit(RLIMIT_MEMLOCK, &little);
    });
  };
  const Words store_and_new{fixture.plain(), fixture.file("new")};
  for (const Words& arguments : std::vector<Words>{Words{"backup", "logical"} + store_and_new,
                                                   {"backup", "verify", backup},
                                                   {"restore", backup, fixture.file("new")}}) {
    const auto before = fixture.everything();
    const Outcome outcome = limited(arguments + Words{"--unencrypted"}, 8192);
    CAPTURE(described(arguments), outcome.err);
    CHECK(outcome.exit_code == 6);
    CHECK(is_one_error_line(outcome.err));
    CHECK((fixture.everything() == before));
    const Outcome unlocked = limited(arguments + Words{"--unencrypted", "--proceed-unlocked"}, 0);
    CAPTURE(unlocked.err);
    CHECK(unlocked.exit_code == 0);
    fs::remove_all(fixture.file("new"));
  }
}
#endif

}  // namespace coffer::tools::test
