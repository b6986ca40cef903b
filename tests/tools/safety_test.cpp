// What the command does when something is wrong: kills, edited files, rollbacks, limits, other
// users.

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "tests/support/sanitized.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) {
    text += std::to_string(1'000'000 + i) + "\tvalue " + std::to_string(i) + "\n";
  }
  return text;
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

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

TEST_CASE("Random damage to any file is reported with exit code 5, or changes nothing") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 2000));
  const std::string honest = fixture.must({"scan", fixture.store(), "t"});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 engine(seed);
  int detected = 0;
  for (const auto& [name, content] : contents_of(fixture.store())) {
    if (content.empty()) continue;
    for (int round = 0; round < 6; ++round) {
      std::string edited = content;
      const std::size_t place = engine() % edited.size();
      edited[place] = static_cast<char>(edited[place] ^ static_cast<char>(1u << (engine() % 8)));
      write_file(fs::path(fixture.store()) / name, edited);
      const Outcome outcome = fixture.with_key({"check", fixture.store()});
      CAPTURE(name, place, outcome.err);
      if (outcome.exit_code == 0) {
        CHECK((fixture.must({"scan", fixture.store(), "t"}) == honest));
      } else {
        CHECK(outcome.exit_code == 5);
        CHECK(is_one_error_line(outcome.err));
        CHECK(outcome.out.empty());
        ++detected;
      }
    }
    write_file(fs::path(fixture.store()) / name, content);
  }
  // The store is full of sealed bytes: some of so many edits must have hit one.
  CHECK(detected > 0);
  CHECK((fixture.must({"scan", fixture.store(), "t"}) == honest));
}

TEST_CASE("A zeroed page file is tampering, not an empty store") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 2000));
  const fs::path file = fs::path(fixture.store()) / "pages";
  write_file(file, std::string(fs::file_size(file), '\0'));
  CHECK(fixture.with_key({"check", fixture.store()}).exit_code == 5);
  CHECK(fixture.with_key({"scan", fixture.store(), "t"}).exit_code == 5);
}

TEST_CASE("A page file that was cut short ends every command with exit code 5 and says so") {
  const StoreFixture fixture;
  const std::string plain = fixture.file("plain");
  REQUIRE(coffer({"create", plain, "--unencrypted"}).exit_code == 0);
  const std::string lines = numbered_lines(0, 5000);
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, lines);
  REQUIRE(
      coffer({"import", plain, "t", "-", "--format", "tsv", "--unencrypted"}, lines).exit_code ==
      0);
  for (const fs::path store : {fixture.store(), plain}) {
    const fs::path file = store / "pages";
    for (const std::uintmax_t size : {fs::file_size(file) / 2, std::uintmax_t{0}}) {
      fs::resize_file(file, size);
      for (const char* command : {"check", "trees", "stat"}) {
        const Outcome outcome = store == plain ? coffer({command, plain, "--unencrypted"})
                                               : fixture.with_key({command, store});
        CAPTURE(store, size, command, outcome.err);
        CHECK(outcome.exit_code == 5);
        CHECK(is_one_error_line(outcome.err));
        CHECK_THAT(outcome.err, Catch::Contains("was cut") && Catch::Contains("backup"));
      }
    }
  }
}

TEST_CASE("With an anchor an older copy of the store is refused, without one it is not seen") {
  const StoreFixture fixture;
  const std::string anchor = fixture.file("anchor");
  const std::vector<std::string> anchored{"--anchor-file", anchor, "--update-anchor"};
  const auto with_anchor = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), anchored.begin(), anchored.end());
    return arguments;
  };
  fixture.must(with_anchor({"put", fixture.store(), "t", "k", "old"}));
  const std::string old_anchor = read_file(anchor);
  fs::copy(fixture.store(), fixture.file("older"), fs::copy_options::recursive);
  fixture.must(with_anchor({"put", fixture.store(), "t", "k", "new"}));
  CHECK(read_file(anchor) != old_anchor);
  CHECK(fixture.must({"get", fixture.store(), "t", "k", "--anchor-file", anchor}) == "new");

  fs::remove_all(fixture.store());
  fs::rename(fixture.file("older"), fixture.store());
  CHECK(fixture.must({"get", fixture.store(), "t", "k"}) == "old");
  const Outcome refused =
      fixture.with_key({"get", fixture.store(), "t", "k", "--anchor-file", anchor});
  CHECK(refused.exit_code == 5);
  CHECK(refused.out.empty());
  CHECK(is_one_error_line(refused.err));
  // A refused store does not move the anchor.
  const std::string kept = read_file(anchor);
  CHECK(fixture.with_key(with_anchor({"put", fixture.store(), "t", "k", "x"})).exit_code == 5);
  CHECK(read_file(anchor) == kept);
}

TEST_CASE("An anchor that is missing or malformed is not passed over") {
  const StoreFixture fixture;
  const std::string anchor = fixture.file("anchor");
  CHECK(fixture.with_key({"trees", fixture.store(), "--anchor-file", anchor}).exit_code == 2);
  write_file(anchor, "coffer-anchor 1\n");
  const Outcome malformed = fixture.with_key({"trees", fixture.store(), "--anchor-file", anchor});
  CHECK(malformed.exit_code == 2);
  CHECK(is_one_error_line(malformed.err));
}

TEST_CASE("A reader of the output that goes away ends a scan by SIGPIPE, without a word") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 20'000));
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const Outcome outcome = run({.arguments = fixture.keyed({"scan", fixture.store(), "t"}),
                               .input = {},
                               .environment = {},
                               .standard_output = {},
                               .in_child = [&] { ::dup2(ends[1], STDOUT_FILENO); }});
  ::close(ends[1]);
  CHECK(outcome.signal == SIGPIPE);
  CHECK(outcome.err.empty());
}

TEST_CASE("A closed standard stream is an error, and never a file of the store") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const auto before = contents_of(fixture.store());
  const auto without = [&](std::vector<int> streams, std::vector<std::string> arguments) {
    return run({.arguments = fixture.keyed(std::move(arguments)),
                .input = {},
                .environment = {},
                .standard_output = {},
                .in_child = [streams] {
                  for (const int stream : streams) ::close(stream);
                }});
  };
  for (const char* command : {"get", "scan", "export"}) {
    std::vector<std::string> arguments{command, fixture.store(), "t"};
    if (std::string(command) == "get") arguments.emplace_back("k");
    if (std::string(command) == "export") arguments.insert(arguments.end(), {"--format", "tsv"});
    const Outcome outcome = without({STDOUT_FILENO}, arguments);
    CAPTURE(command, outcome.err);
    CHECK(outcome.exit_code == 3);
    CHECK(is_one_error_line(outcome.err));
  }
  CHECK((contents_of(fixture.store()) == before));
  CHECK(without({STDIN_FILENO}, {"put", fixture.store(), "t", "l", "-"}).exit_code == 3);
  CHECK(
      without({STDIN_FILENO}, {"import", fixture.store(), "t", "-", "--format", "tsv"}).exit_code ==
      3);
  // Nobody hears of the error, but its line goes nowhere else.
  CHECK(without({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}, {"get", fixture.store(), "t", "k"})
            .exit_code == 3);
  CHECK(without({STDERR_FILENO}, {"get", fixture.store(), "t", "absent"}).exit_code == 1);
  CHECK(fixture.must({"scan", fixture.store(), "t"}) == "k\tv\n");
  for (const auto& [name, content] : contents_of(fixture.store())) {
    CAPTURE(name);
    CHECK(content.find("coffer: ") == std::string::npos);
    if (name == "lock") CHECK(content.empty());
  }
}

TEST_CASE("Output that finds no room is an input/output error") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const Outcome outcome = run({.arguments = fixture.keyed({"get", fixture.store(), "t", "k"}),
                               .input = {},
                               .environment = {},
                               .standard_output = "/dev/full",
                               .in_child = {}});
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
    return run({.arguments = arguments,
                .input = {},
                .environment = {},
                .standard_output = {},
                .in_child = [bytes] {
                  // Root passes the limit unless it loses this capability first.
                  ::prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
                  const rlimit little{bytes, bytes};
                  ::setrlimit(RLIMIT_MEMLOCK, &little);
                }});
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

TEST_CASE("A small budget of locked memory is kept") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv", "--locked-max", "1M"},
               numbered_lines(0, 20'000));
  CHECK(count_lines(fixture.must({"scan", fixture.store(), "t", "--locked-max", "1M"})) == 20'000);
  const auto statistics = nlohmann::json::parse(
      fixture.must({"stat", fixture.store(), "--locked-max", "1M", "--json"}));
  CHECK(statistics.at("locked_bytes_max") == 1'048'576);
  CHECK(statistics.at("locked_bytes_store").get<int>() <= 1'048'576);
}

TEST_CASE("Relaxed durability keeps what a finished command wrote") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v", "--durability", "relaxed"});
  CHECK(fixture.must({"get", fixture.store(), "t", "k"}) == "v");
}

}  // namespace coffer::tools::test
