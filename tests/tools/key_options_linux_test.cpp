// Linux only: key programs are shell scripts, and terminals are pseudo-terminals
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/tools/cheap_create.hpp"
#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {

TEST_CASE("A key program that hangs is stopped, and so is what it started") {
  const StoreFixture fixture;
  const std::string script = fixture.file("hang");
  const std::string started = fixture.file("started");
  write_file(script, "sleep 300 &\necho $! > " + started + "\nwait\n");
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome =
      run_in_child({.arguments = {"trees", fixture.store(), "--key-exec", "sh '" + script + "'",
                                  "--key-exec-timeout", "1"}},
                   // As in a service: no terminal.
                   [] { ::setsid(); });
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

}  // namespace coffer::tools::test
