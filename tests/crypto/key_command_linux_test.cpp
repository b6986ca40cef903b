// Linux only: the programs are those of a Linux system, and shell scripts
//
// Keys from programs: what is read, what is refused, and who is stopped.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include "key_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/limits.hpp"

using namespace coffer;
using namespace coffer::test;

TEST_CASE("a key command's output is a key, in every form") {
  CHECK(secret_of(Key::from_command({"echo", kHex})) == counting(32));
  CHECK(secret_of(Key::from_command({"printf", "%s", kBase64})) == counting(32));
  CHECK(secret_of(Key::from_command({"/bin/sh", "-c", "printf %s \"$1\"", "sh", kHex})) ==
        counting(32));
  const KeyFolder folder;
  const auto file = folder.write(raw_text());
  CHECK(secret_of(Key::from_command({"cat", file.string()})) == counting(32));
}

TEST_CASE("no shell touches a key command, and its input is empty") {
  // A shell would expand this; `echo` prints it as it is, which is no key.
  CHECK_THROWS_AS(Key::from_command({"echo", "$(printf " + kHex + ")"}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"echo " + kHex}), IoError);
  CHECK(message_of([] { return Key::from_command({"cat"}); }).find("0 bytes") != std::string::npos);
}

TEST_CASE("a key command that fails says how, and never what it was given or printed") {
  const auto failing = [](const std::string& script) {
    return message_of([&] {
      return Key::from_command({"sh", "-c", script, "sh", "SECRETARGUMENT"});
    });
  };
  CHECK_THROWS_AS(Key::from_command({"sh", "-c", "exit 3"}), IoError);
  const std::string status = failing("printf " + kHex + "; exit 3");
  CHECK(status.find("exit status 3") != std::string::npos);
  CHECK(status.find(kHex) == std::string::npos);
  CHECK(status.find("SECRETARGUMENT") == std::string::npos);
  CHECK(failing("kill -9 $$").find("signal 9") != std::string::npos);
  CHECK_THROWS_AS(Key::from_command({"coffer-no-such-program"}), IoError);
  CHECK_THROWS_AS(Key::from_command({}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({""}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"echo", std::string("a\0b", 3)}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"true"}), InvalidArgument);
  const std::string endless = message_of([] { return Key::from_command({"yes"}); });
  CHECK(endless.find("more than") != std::string::npos);
  CHECK_THROWS_AS(Key::from_command({"yes"}), InvalidArgument);
}

namespace {

/// Not there, or ended and only not yet waited for by whoever has to.
bool has_ended(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  return !std::getline(stat, line) || line.find(") Z ") != std::string::npos;
}

}  // namespace

TEST_CASE("a key command that does not end in time is stopped, whatever it does") {
  using namespace std::chrono_literals;
  for (const std::string script : {"sleep 300", "trap '' TERM; while :; do sleep 0.1; done",
                                   "exec >&-; sleep 300", "printf x; sleep 300",
                                   // Keeps the output open behind the program's back.
                                   "sleep 300 & exit 0"}) {
    CAPTURE(script);
    const auto begin = std::chrono::steady_clock::now();
    const std::string text = message_of([&] {
      return Key::from_command({"sh", "-c", script, "sh", "SECRETARGUMENT"},
                               {.command_time_max = 200ms});
    });
    const auto taken = std::chrono::steady_clock::now() - begin;
    CHECK(text.find("did not end within 200 ms") != std::string::npos);
    CHECK(text.find("SECRETARGUMENT") == std::string::npos);
    CHECK(taken >= 200ms);
    CHECK(taken < 30s);
  }
  CHECK_THROWS_AS(Key::from_command({"sleep", "300"}, {.command_time_max = 100ms}), IoError);
  CHECK(message_of([] {
          return Key::from_command({"sleep", "300"}, {.command_time_max = 1s});
        }).find("did not end within 1 s") != std::string::npos);
  CHECK_THROWS_AS(Key::from_command({"true"}, {.command_time_max = 0ms}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"true"}, {.command_time_max = -1ms}), InvalidArgument);
  CHECK(secret_of(Key::from_command({"echo", kHex}, {.command_time_max = std::chrono::hours(9)})) ==
        counting(32));
  CHECK(secret_of(Key::from_command({"echo", kHex},
                                    {.command_time_max = std::chrono::milliseconds::max()})) ==
        counting(32));
}

TEST_CASE("what a key command started is stopped with it") {
  const KeyFolder folder;
  const std::string answer = answer_of_child([&]() -> std::string {
    // Without a terminal, as a service runs: the program is alone in its process group.
    ::setsid();
    return message_of([&] {
      return Key::from_command(
          {"sh", "-c", "sleep 300 & echo $! > \"$1\"; wait", "sh", folder.at("started").string()},
          {.command_time_max = std::chrono::milliseconds(500)});
    });
  });
  CHECK(answer.find("did not end within 500 ms") != std::string::npos);
  pid_t started = 0;
  std::ifstream(folder.at("started")) >> started;
  REQUIRE(started > 0);
  for (int i = 0; i < 100 && !has_ended(started); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(has_ended(started));
  ::kill(started, SIGKILL);
}

namespace {

/// The message of a key command in a child in which a system call answers `code`.
std::string message_without(int system_call, int code) {
  return answer_of_child([=] {
    fake_system_call(system_call, static_cast<std::uint32_t>(code));
    return message_of([] { return Key::from_command({"echo", kHex}); });
  });
}

}  // namespace

TEST_CASE("a system that refuses what a key command needs is named as the cause") {
  CHECK(message_without(SYS_pipe2, EMFILE).find("making a pipe failed: Too many open files") !=
        std::string::npos);
  CHECK(message_without(SYS_read, EIO).find("reading what it prints failed: Input/output error") !=
        std::string::npos);
  const std::string waiting = "waiting for its exit status failed: ";
  CHECK(message_without(SYS_waitid, EPERM).find(waiting + "Operation not permitted") !=
        std::string::npos);
  CHECK(message_without(SYS_wait4, EPERM).find(waiting + "Operation not permitted") !=
        std::string::npos);
  // Nothing to wait with: the read itself waits.
  const std::string without_poll = answer_of_child([]() -> std::string {
    fake_system_call(SYS_poll, ENOMEM);
    return secret_of(Key::from_command({"echo", kHex})) == counting(32) ? "the key" : "another key";
  });
  CHECK(without_poll == "the key");
  // Where a service lets the kernel clear its children away, nobody can say how the program ended.
  const std::string cleared = answer_of_child([] {
    ::signal(SIGCHLD, SIG_IGN);
    return message_of([] { return Key::from_command({"echo", kHex}); });
  });
  CHECK(cleared.find(waiting + "No child processes") != std::string::npos);
}

TEST_CASE("signals that arrive while a key command runs change nothing") {
  const std::string answer = answer_of_child([]() -> std::string {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &action, nullptr);
    const itimerval often{{0, 5'000}, {0, 5'000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    const Key key = Key::from_command({"sh", "-c", "sleep 0.2; echo $1; sleep 0.2", "sh", kHex});
    return secret_of(key) == counting(32) ? "the key" : "another key";
  });
  CHECK(answer == "the key");
}

namespace {

/// What a key command's process group is: ours, or its own.
std::string group_of_command(const KeyFolder& folder) {
  const auto file = folder.at("group");
  static_cast<void>(Key::from_command(
      {"sh", "-c", "cut -d ' ' -f 5 /proc/$$/stat >\"$1\"; echo $2", "sh", file.string(), kHex}));
  pid_t group = -1;
  std::ifstream(file) >> group;
  return group == ::getpgrp() ? "ours" : "its own";
}

/// Makes a terminal of its own this process's, which is then in its foreground.
void take_a_terminal() {
  ::setsid();
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
      ::open(::ptsname(master), O_RDWR) < 0) {  // NOLINT(concurrency-mt-unsafe): one thread
    throw std::runtime_error("cannot make a terminal");
  }
}

}  // namespace

TEST_CASE("only in the foreground of a terminal does a key command stay in our process group") {
  // Elsewhere it is stopped with all that it started; there it must be able to ask.
  const KeyFolder folder;
  CHECK(answer_of_child([&] {
          take_a_terminal();
          return group_of_command(folder);
        }) == "ours");
  CHECK(answer_of_child([&] {
          take_a_terminal();
          return answer_of_child([&] {
            ::setpgid(0, 0);
            return group_of_command(folder);
          });
        }) == "its own");
  CHECK(answer_of_child([&] {
          ::setsid();
          return group_of_command(folder);
        }) == "its own");
}

TEST_CASE("in the foreground of a terminal, too, a key command that takes too long is stopped") {
  CHECK(answer_of_child([] {
          take_a_terminal();
          return message_of([] {
            return Key::from_command({"sleep", "300"},
                                     {.command_time_max = std::chrono::milliseconds(100)});
          });
        }).find("did not end within 100 ms") != std::string::npos);
}
