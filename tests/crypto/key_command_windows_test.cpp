// Windows only: the programs are those that come with Windows
//
// Keys from programs: what is read, what is refused, and who is stopped.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <thread>

#include "key_support.hpp"

using namespace coffer;
using namespace coffer::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

/// `cmd /c` with more words.
Words shell(Words words) {
  words.insert(words.begin(), {"cmd", "/c"});
  return words;
}

/// Prints a line for ever.
const Words kEndless = shell({"for", "/L", "%i", "in", "(1,0,2)", "do", "@echo", "y"});
/// Does nothing for ever.
const Words kHanging = shell({"for", "/L", "%i", "in", "(1,0,2)", "do", "@rem"});

/// Whether nobody writes to a file any more.
bool stays_as_it_is(const std::filesystem::path& file) {
  for (int i = 0; i < 20; ++i) {
    const auto before = std::filesystem::file_size(file);
    std::this_thread::sleep_for(500ms);
    if (std::filesystem::file_size(file) == before) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("windows: a key command's output is a key, in every form") {
  CHECK(secret_of(Key::from_command(shell({"echo", kHex}))) == counting(32));
  CHECK(secret_of(Key::from_command({"cmd.exe", "/c", "echo", kBase64})) == counting(32));
  const KeyFolder folder;
  // 32 bytes are a key as they are; here of letters, which the shell's `type` leaves alone.
  const std::string raw = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
  CHECK(secret_of(Key::from_command(shell({"type", folder.write(raw).string()}))) ==
        to_vector(std::as_bytes(std::span(raw))));
  for (const std::string& content : {kHex, kHex + "\r\n", kBase64 + "\n"}) {
    CAPTURE(content.size());
    const auto file = folder.write(content);
    CHECK(secret_of(Key::from_command(shell({"type", file.string()}))) == counting(32));
  }
}

TEST_CASE("windows: a key command's words arrive as they were given") {
  const KeyFolder folder;
  for (const char8_t* name : {u8"two  words", u8"größe-東京", u8"[one] {two}", u8"at@end"}) {
    const auto file = folder.path() / name;
    CAPTURE(file.string());
    std::ofstream(file, std::ios::binary) << kHex;
    CHECK(secret_of(Key::from_command(shell({"type", file.string()}))) == counting(32));
  }
}

TEST_CASE("windows: words are quoted as programs take them apart again") {
  // The rules of CommandLineToArgvW.  With its line end, what `echo` shows of its command line is 32 bytes.
  const Key key = Key::from_command(shell({"echo", "x y", "q\"r", "t\\", "u v\\", "", "zzz"}));
  const std::string line = R"("x y" "q\"r" t\ "u v\\" "" zzz)"
                           "\r\n";
  CHECK(secret_of(key) == to_vector(std::as_bytes(std::span(line))));
}

TEST_CASE("windows: no shell touches a key command, and its input is empty") {
  // A shell has a command `echo`; there is no program of that name.
  CHECK_THROWS_AS(Key::from_command({"echo", kHex}), IoError);
  CHECK_THROWS_AS(Key::from_command({"cmd /c echo " + kHex}), IoError);
  // Without a shell this is one word of what is printed.
  CHECK_THROWS_AS(Key::from_command({"hostname", "|", "cmd", "/c", "echo", kHex}), Error);
  // It reads to the end of its input.
  CHECK(message_of([] {
          return Key::from_command({"findstr", "x"}, {.command_time_max = 20s});
        }).find("did not end") == std::string::npos);
  CHECK(message_of([] {
          return Key::from_command({"cmd", "/q"}, {.command_time_max = 20s});
        }).find("none of: 32 raw bytes") != std::string::npos);
}

TEST_CASE("windows: a key command that fails says how, and never what it was given or printed") {
  CHECK_THROWS_AS(Key::from_command(shell({"exit", "3"})), IoError);
  const std::string status = message_of([] {
    return Key::from_command(shell({"echo", kHex, "&", "exit", "3", "&", "rem", "SECRETARGUMENT"}));
  });
  CHECK(status.find("exit status 3") != std::string::npos);
  CHECK(status.find(kHex) == std::string::npos);
  CHECK(status.find("SECRETARGUMENT") == std::string::npos);
  const std::string absent = message_of([] {
    return Key::from_command({"coffer-no-such-program", "SECRETARGUMENT"});
  });
  CHECK(absent.find("coffer-no-such-program") != std::string::npos);
  CHECK(absent.find("SECRETARGUMENT") == std::string::npos);
  CHECK(absent.find('\n') == std::string::npos);
  CHECK(message_of([] {
          return Key::from_command(shell({"exit", "0"}));
        }).find("0 bytes") != std::string::npos);
  const std::string endless = message_of([] { return Key::from_command(kEndless); });
  CHECK(endless.find("more than") != std::string::npos);
  CHECK_THROWS_AS(Key::from_command(kEndless), InvalidArgument);
}

TEST_CASE("windows: a key command that does not end in time is stopped, whatever it does") {
  const Words sleeping{"ping", "-n", "300", "127.0.0.1"};
  // Keeps the output open behind the program's back.
  const Words left_behind = shell({"start", "/b", "ping", "-n", "300", "127.0.0.1"});
  const Words quiet = shell({"ping", "-n", "300", "127.0.0.1", ">NUL"});
  for (const Words& command : {kHanging, sleeping, left_behind, quiet}) {
    CAPTURE(command);
    const auto begin = std::chrono::steady_clock::now();
    const std::string text =
        message_of([&] { return Key::from_command(command, {.command_time_max = 800ms}); });
    const auto taken = std::chrono::steady_clock::now() - begin;
    CHECK(text.find("did not end within 800 ms") != std::string::npos);
    CHECK(text.find("127.0.0.1") == std::string::npos);
    CHECK(taken >= 800ms);
    CHECK(taken < 30s);
  }
  CHECK_THROWS_AS(Key::from_command(kHanging, {.command_time_max = 100ms}), IoError);
  CHECK(secret_of(Key::from_command(shell({"echo", kHex}),
                                    {.command_time_max = std::chrono::hours(9)})) == counting(32));
  CHECK(secret_of(Key::from_command(shell({"echo", kHex}),
                                    {.command_time_max = std::chrono::milliseconds::max()})) ==
        counting(32));
}

TEST_CASE("windows: what a key command started is stopped with it") {
  const KeyFolder folder;
  const auto beat = folder.at("beat");
  // The inner one writes; the outer one waits for it.
  const std::string text = message_of([&] {
    return Key::from_command(shell({"cmd", "/c", "for", "/L", "%i", "in", "(1,0,2)", "do", "@echo",
                                    "x", ">>" + beat.string()}),
                             {.command_time_max = 2s});
  });
  CHECK(text.find("did not end within 2 s") != std::string::npos);
  REQUIRE(std::filesystem::exists(beat));
  CHECK(std::filesystem::file_size(beat) > 0);
  CHECK(stays_as_it_is(beat));
}

TEST_CASE("a key command is looked for along PATH, and never handed to a shell") {
  const KeyFolder folder;
  const auto before = std::filesystem::current_path();
  const auto back = gsl::finally([&] { std::filesystem::current_path(before); });
  const char* const shell_program = std::getenv("ComSpec");
  REQUIRE(shell_program != nullptr);
  std::filesystem::copy_file(shell_program, folder.at("planted.exe"));
  std::filesystem::current_path(folder.path());
  CHECK_THROWS_AS(Key::from_command({"planted", "/c", "echo", kHex}), IoError);
  CHECK(secret_of(Key::from_command({folder.at("planted.exe").string(), "/c", "echo", kHex})) ==
        counting(32));
  std::ofstream(folder.at("key.bat")) << "@echo " << kHex << "\r\n";
  CHECK_THROWS_AS(Key::from_command({folder.at("key.bat").string()}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({folder.at("KEY.BAT").string()}), InvalidArgument);
}
