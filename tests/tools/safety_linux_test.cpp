// Linux only: kills, full devices and limits as Linux has them
//
// What the command does when something is wrong; what needs no system of its own is in safety_test.cpp.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/support/sanitized.hpp"
#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/safety_support.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

TEST_CASE("Every commit that an import acknowledged survives SIGKILL, and none in part") {
  const StoreFixture fixture;
  constexpr int kBatch = 7;
  int acknowledged = 0;
  {
    BackgroundCommand import(fixture.keyed({"import", fixture.store(), "t", "-", "--format", "tsv",
                                            "--batch", std::to_string(kBatch), "--progress"}));
    // The last lines make no whole batch: whatever comes of them must not show.
    import.feed(numbered_lines(0, 50 * kBatch + 3));
    for (int i = 1; i <= 40; ++i) {
      const std::string line = import.read_line();
      REQUIRE(line == "committed " + std::to_string(i * kBatch) + " records\n");
      acknowledged = i * kBatch;
    }
    import.kill();
  }
  const auto before = contents_of(fixture.store());
  const std::size_t survived = count_lines(fixture.must({"scan", fixture.store(), "t"}));
  CHECK(survived >= static_cast<std::size_t>(acknowledged));
  CHECK(survived % kBatch == 0);
  CHECK(fixture.must({"scan", fixture.store(), "t"}) ==
        numbered_lines(0, static_cast<int>(survived)));
  fixture.must({"check", fixture.store()});
  // All this was recovery in memory.
  CHECK((contents_of(fixture.store()) == before));
  fixture.must({"put", fixture.store(), "t", "next", "v"});
  CHECK(count_lines(fixture.must({"scan", fixture.store(), "t"})) == survived + 1);
}

TEST_CASE("A second writer is told that the store is busy") {
  const StoreFixture fixture;
  BackgroundCommand import(fixture.keyed(
      {"import", fixture.store(), "t", "-", "--format", "tsv", "--batch", "1", "--progress"}));
  import.feed("a\t1\n");
  REQUIRE(import.read_line() == "committed 1 records\n");
  const Outcome second = fixture.with_key({"put", fixture.store(), "t", "b", "2"});
  CHECK(second.exit_code == 7);
  CHECK(is_one_error_line(second.err));
  import.close_input();
  CHECK(import.wait() == 0);
  fixture.must({"put", fixture.store(), "t", "b", "2"});
}

TEST_CASE("Output that finds no room is an input/output error") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const Outcome outcome = run_in_child(
      {.arguments = fixture.keyed({"get", fixture.store(), "t", "k"})}, print_to_full_device);
  CHECK(outcome.exit_code == 3);
  CHECK(is_one_error_line(outcome.err));
}

#if !defined(COFFER_TEST_SANITIZED)
TEST_CASE("Memory that cannot be locked ends with exit code 6 and the numbers to give") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const std::string passphrase = fixture.file("passphrase");
  write_file(passphrase, "open sesame\n");
  const std::string other = fixture.file("other");
  REQUIRE(coffer({"create", other, "--passphrase-file", passphrase, "--passphrase-memory", "8M",
                  "--passphrase-passes", "1"})
              .exit_code == 0);
  const auto limited = [&](const std::vector<std::string>& arguments, rlim_t bytes) {
    return run_in_child({.arguments = arguments}, [bytes] {
      // Root passes the limit unless it loses this capability first.
      ::prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
      const rlimit little{bytes, bytes};
      ::setrlimit(RLIMIT_MEMLOCK, &little);
    });
  };
  const std::vector<std::vector<std::string>> calls{
      {"get", fixture.store(), "t", "k", "--key-file", fixture.key()},
      {"put", fixture.store(), "t", "l", "w", "--key-exec", "cat '" + fixture.key() + "'"},
      {"stat", other, "--passphrase-file", passphrase},
      {"keygen", fixture.file("new key")},
      {"create", fixture.file("new"), "--key-file", fixture.key()},
  };
  // Nothing at all; and a key, but nothing else.
  for (const rlim_t bytes : {rlim_t{0}, rlim_t{8192}}) {
    for (const auto& call : calls) {
      // A new key needs no more than a key's memory.
      if (bytes != 0 && call[0] == "keygen") continue;
      const Outcome refused = limited(call, bytes);
      CAPTURE(bytes, call[0], refused.err);
      CHECK(refused.exit_code == 6);
      CHECK(refused.out.empty());
      CHECK(is_one_error_line(refused.err));
      CHECK_THAT(refused.err, Catch::Contains("memlock"));
    }
  }
  CHECK_FALSE(fs::exists(fixture.file("new key")));
  CHECK_FALSE(fs::exists(fixture.file("new")));
  for (auto call : calls) {
    call.emplace_back("--proceed-unlocked");
    const Outcome unlocked = limited(call, 0);
    CAPTURE(call[0], unlocked.err);
    CHECK(unlocked.exit_code == 0);
    // Said once, however many pieces of memory it is.
    CHECK(count_lines(unlocked.err) == 1);
    if (call[0] == "get") CHECK(unlocked.out == "v");
  }
}
#endif

}  // namespace coffer::tools::test
