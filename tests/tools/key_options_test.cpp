// Every way to give the command a key, and what happens with the wrong one.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

Outcome with_environment(const std::vector<std::string>& arguments, const std::string& key_file) {
  return run({.arguments = arguments,
              .input = {},
              .environment = {{"COFFER_KEY_FILE", key_file}},
              .standard_output = {},
              .in_child = {}});
}

// The cheapest passphrase that the library allows, so that tests do not wait for it.
std::vector<std::string> cheap_create(const std::string& store) {
  return {"create", store, "--passphrase-memory", "8M", "--passphrase-passes", "1"};
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("The same key opens a store from a file, from a program and by the environment") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const std::vector<std::string> get{"get", fixture.store(), "t", "k"};
  CHECK(fixture.with_key(get).out == "v");
  CHECK(coffer(get + std::vector<std::string>{"--key-exec", "cat '" + fixture.key() + "'"}).out ==
        "v");
  CHECK(with_environment(get, fixture.key()).out == "v");
}

TEST_CASE("An option counts more than the environment") {
  const StoreFixture fixture;
  const std::string other = fixture.file("other");
  REQUIRE(coffer({"keygen", other}).exit_code == 0);
  const std::vector<std::string> trees{"trees", fixture.store()};
  CHECK(with_environment(trees, other).exit_code == 4);
  CHECK(with_environment(fixture.keyed(trees), other).exit_code == 0);
}

TEST_CASE("A raw key file is the same key as its digits") {
  const StoreFixture fixture;
  const std::string digits = read_file(fixture.key()).substr(0, 64);
  std::string raw;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    raw += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  write_file(fixture.file("raw"), raw);
  CHECK(coffer({"trees", fixture.store(), "--key-file", fixture.file("raw")}).exit_code == 0);
}

TEST_CASE("Another key ends with exit code 4 and says so in one line") {
  const StoreFixture fixture;
  const std::string other = fixture.file("other");
  REQUIRE(coffer({"keygen", other}).exit_code == 0);
  for (const char* command : {"trees", "stat", "check"}) {
    const Outcome outcome = coffer({command, fixture.store(), "--key-file", other});
    CAPTURE(command, outcome.err);
    CHECK(outcome.exit_code == 4);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
    CHECK(outcome.err.find(read_file(other).substr(0, 16)) == std::string::npos);
  }
}

TEST_CASE("A key file of another size is refused and left alone") {
  const StoreFixture fixture;
  write_file(fixture.file("short"), "0123");
  const Outcome outcome = coffer({"trees", fixture.store(), "--key-file", fixture.file("short")});
  CHECK(outcome.exit_code == 2);
  CHECK(is_one_error_line(outcome.err));
  CHECK(read_file(fixture.file("short")) == "0123");
}

TEST_CASE("A missing key file and a failing key program are input/output errors") {
  const StoreFixture fixture;
  CHECK(coffer({"trees", fixture.store(), "--key-file", fixture.file("none")}).exit_code == 3);
  CHECK(coffer({"trees", fixture.store(), "--key-exec", "false"}).exit_code == 3);
  CHECK(coffer({"trees", fixture.store(), "--key-exec", fixture.file("none")}).exit_code == 3);
}

TEST_CASE("A key program that hangs is stopped, and so is what it started") {
  const StoreFixture fixture;
  const std::string script = fixture.file("hang");
  const std::string started = fixture.file("started");
  write_file(script, "sleep 300 &\necho $! > " + started + "\nwait\n");
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = run({.arguments = {"trees", fixture.store(), "--key-exec",
                                             "sh '" + script + "'", "--key-exec-timeout", "1"},
                               .input = {},
                               .environment = {},
                               .standard_output = {},
                               // As in a service: no terminal.
                               .in_child = [] { ::setsid(); }});
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
  CHECK(outcome.exit_code == 3);
  CHECK(is_one_error_line(outcome.err));
  CHECK_THAT(outcome.err, Catch::Contains("'sh'") && Catch::Contains("within 1 s"));
  const std::string process = read_file(started);
  REQUIRE_FALSE(process.empty());
  bool ended = false;
  for (int i = 0; i < 100 && !ended; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::ifstream stat("/proc/" + std::to_string(std::stoi(process)) + "/stat");
    std::string line;
    ended = !std::getline(stat, line) || line.find(") Z ") != std::string::npos;
  }
  CHECK(ended);
  for (const char* time : {"0", "-1", "x"}) {
    CHECK(fixture.with_key({"trees", fixture.store(), "--key-exec-timeout", time}).exit_code == 2);
  }
}

TEST_CASE("A key program may ask on the terminal that the command runs on") {
  const StoreFixture fixture;
  const std::string script = fixture.file("ask");
  write_file(script, "printf 'Which key? ' > /dev/tty\nread -r name < /dev/tty\ncat \"$name\"\n");
  const Outcome outcome =
      run_on_terminal({"stat", fixture.store(), "--key-exec", "sh '" + script + "'"},
                      {{"Which key?", fixture.key() + "\n"}});
  INFO(outcome.out);
  CHECK(outcome.exit_code == 0);
  CHECK_THAT(outcome.out, Catch::Contains("encrypted"));
}

TEST_CASE("Without a key, and without a terminal to ask, the command says what to give") {
  const StoreFixture fixture;
  const Outcome outcome = coffer({"trees", fixture.store()});
  CHECK(outcome.exit_code == 2);
  CHECK_THAT(outcome.err, Catch::Contains("--key-file") && Catch::Contains("COFFER_KEY_FILE"));
  CHECK(coffer({"trees", fixture.store(), "--key-file", fixture.key(), "--passphrase-file",
                fixture.key()})
            .exit_code == 2);
}

TEST_CASE("A passphrase file opens what it created, another passphrase does not") {
  const TemporaryFolder folder;
  write_file(folder / "right", "correct horse\n");
  write_file(folder / "same", "correct horse");
  write_file(folder / "wrong", "incorrect horse\n");
  const std::string store = folder / "store";
  const Outcome created =
      coffer(cheap_create(store) + std::vector<std::string>{"--passphrase-file", folder / "right"});
  INFO(created.err);
  REQUIRE(created.exit_code == 0);
  CHECK(coffer({"trees", store, "--passphrase-file", folder / "same"}).exit_code == 0);
  CHECK(coffer({"trees", store, "--passphrase-file", folder / "wrong"}).exit_code == 4);
}

TEST_CASE("On a terminal the passphrase is asked for, twice for a new store, and never shown") {
  const TemporaryFolder folder;
  const std::string store = folder / "store";
  const Outcome created = run_on_terminal(
      cheap_create(store), {{"Passphrase:", "open sesame\n"}, {"again:", "open sesame\n"}});
  INFO(created.out);
  REQUIRE(created.exit_code == 0);
  CHECK(created.out.find("sesame") == std::string::npos);

  const Outcome opened = run_on_terminal({"stat", store}, {{"Passphrase:", "open sesame\n"}});
  CHECK(opened.exit_code == 0);
  CHECK_THAT(opened.out, Catch::Contains("encrypted"));
  CHECK(run_on_terminal({"stat", store}, {{"Passphrase:", "open barley\n"}}).exit_code == 4);
  CHECK(run_on_terminal({"stat", store}, {{"Passphrase:", "\n"}}).exit_code == 2);
}

TEST_CASE("Two different passphrases create nothing") {
  const TemporaryFolder folder;
  const std::string store = folder / "store";
  const Outcome outcome =
      run_on_terminal(cheap_create(store), {{"Passphrase:", "one\n"}, {"again:", "two\n"}});
  CHECK(outcome.exit_code == 2);
  CHECK_FALSE(std::filesystem::exists(store));
}

TEST_CASE("An interrupted question ends the command by that signal") {
  const TemporaryFolder folder;
  const Outcome outcome =
      run_on_terminal(cheap_create(folder / "store"), {{"Passphrase:", "\x03"}});
  CHECK(outcome.signal == 2);
  CHECK_FALSE(std::filesystem::exists(folder / "store"));
}

TEST_CASE("An unencrypted store must be called so, and an encrypted one must not") {
  const TemporaryFolder folder;
  const std::string plain = folder / "plain";
  REQUIRE(coffer({"create", plain, "--unencrypted"}).exit_code == 0);
  REQUIRE(coffer({"put", plain, "t", "k", "v", "--unencrypted"}).exit_code == 0);
  CHECK(coffer({"get", plain, "t", "k", "--unencrypted"}).out == "v");

  const StoreFixture encrypted;
  CHECK(encrypted.with_key({"get", plain, "t", "k"}).exit_code == 2);
  CHECK(coffer({"trees", encrypted.store(), "--unencrypted"}).exit_code == 2);
  CHECK(encrypted.with_key({"trees", encrypted.store(), "--unencrypted"}).exit_code == 2);
}

}  // namespace coffer::tools::test
