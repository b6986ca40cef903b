// Every way to give the command a key, and what happens with the wrong one.

#include <catch2/catch.hpp>
#include <string>

#include "tests/tools/cheap_create.hpp"
#include "tests/tools/key_programs.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

Outcome with_environment(const std::vector<std::string>& arguments, const std::string& key_file) {
  return run({.arguments = arguments, .environment = {{"COFFER_KEY_FILE", key_file}}});
}

}  // namespace

TEST_CASE("The same key opens a store from a file, from a program and by the environment") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const std::vector<std::string> get{"get", fixture.store(), "t", "k"};
  CHECK(fixture.with_key(get).out == "v");
  CHECK(
      coffer(get + std::vector<std::string>{"--key-exec", kPrintFile + " '" + fixture.key() + "'"})
          .out == "v");
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
  CHECK(coffer({"trees", fixture.store(), "--key-exec", kFailing}).exit_code == 3);
  CHECK(coffer({"trees", fixture.store(), "--key-exec", fixture.file("none")}).exit_code == 3);
}

TEST_CASE("A key program's time is a number of seconds above zero") {
  const StoreFixture fixture;
  for (const char* time : {"0", "-1", "x"}) {
    CHECK(fixture.with_key({"trees", fixture.store(), "--key-exec-timeout", time}).exit_code == 2);
  }
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
