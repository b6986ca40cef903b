// coffer::Key: where a secret comes from, the forms it is read in, and saving it.
#include <coffer/key.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/key_secret.hpp"
#include "support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/temp_directory.hpp"

using namespace coffer;
using namespace coffer::test;

namespace {

// 32 bytes 00 01 ... 1f: by hand, and by `base64` of coreutils.
const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string kBase64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

ByteVector secret_of(const Key& key) {
  return to_vector(key.secret().bytes());
}

/// A folder that goes with its test.
class Folder {
 public:
  [[nodiscard]] std::filesystem::path at(const std::string& name) const {
    return directory_.path() / name;
  }
  [[nodiscard]] std::filesystem::path write(const std::string& content) const {
    std::ofstream(at("file"), std::ios::binary | std::ios::trunc) << content;
    return at("file");
  }

 private:
  test::TempDirectory directory_;
};

std::string raw_text() {
  std::string raw;
  for (int i = 0; i < 32; ++i) {
    raw.push_back(static_cast<char>(i));
  }
  return raw;
}

template <typename Call>
std::string message_of(Call call) {
  try {
    static_cast<void>(call());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a key file is read in every form") {
  const Folder folder;
  std::string upper = kHex;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const std::string& content : {raw_text(), kHex, kHex + "\n", kHex + "\r\n", upper, kBase64,
                                     kBase64 + "\n", kBase64 + "\r\n"}) {
    CAPTURE(content.size());
    const Key key = Key::from_file(folder.write(content));
    CHECK(secret_of(key) == counting(32));
    CHECK_FALSE(key.is_passphrase());
    CHECK(to_vector(key.secret().scratch()) == ByteVector(Key::Secret::kScratchBytes));
  }
}

TEST_CASE("a file that is no key is an error and stays as it is") {
  const Folder folder;
  std::string no_hex = kHex;
  no_hex[10] = 'g';
  std::string no_base64 = kBase64;
  no_base64[10] = '*';
  for (const std::string& content :
       {std::string(), std::string("\n"), raw_text().substr(1), raw_text() + "\n", raw_text() + "x",
        kHex.substr(1), kHex + "0", kHex + "\n\n", kHex + " ", " " + kHex, no_hex, no_base64,
        kBase64.substr(0, 43), kBase64.substr(0, 42) + "==", std::string(100000, 'a')}) {
    CAPTURE(content.size());
    const auto file = folder.write(content);
    CHECK_THROWS_AS(Key::from_file(file), InvalidArgument);
    CHECK(std::filesystem::file_size(file) == content.size());
  }
  const std::string text = message_of([&] { return Key::from_file(folder.write(no_hex)); });
  CHECK(text.find("64 bytes") != std::string::npos);
  CHECK(text.find(no_hex.substr(0, 8)) == std::string::npos);
}

TEST_CASE("a key file that is not there, or no regular file, is said to be so") {
  const Folder folder;
  CHECK_THROWS_AS(Key::from_file(folder.at("absent")), IoError);
  CHECK_THROWS_AS(Key::from_file(folder.at("")), InvalidArgument);
  REQUIRE(::mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(Key::from_file(folder.at("pipe")), InvalidArgument);
  CHECK(message_of([&] { return Key::from_file(folder.at("pipe")); }).find("key command") !=
        std::string::npos);
}

TEST_CASE("a key file may be a symbolic link, as mounted secrets are") {
  const Folder folder;
  std::filesystem::create_symlink(folder.write(kHex), folder.at("link"));
  CHECK(secret_of(Key::from_file(folder.at("link"))) == counting(32));
}

TEST_CASE("a key is saved as 64 digits and a line end, owner only, and read again") {
  const Folder folder;
  const Key key = Key::from_bytes(counting(32));
  key.save(folder.at("key"));
  std::ifstream file(folder.at("key"), std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  CHECK(content == kHex + "\n");
  CHECK(std::filesystem::status(folder.at("key")).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(secret_of(Key::from_file(folder.at("key"))) == counting(32));
}

TEST_CASE("saving never overwrites, and never writes a passphrase") {
  const Folder folder;
  const auto file = folder.write("precious");
  CHECK_THROWS_AS(Key::generate().save(file), InvalidArgument);
  CHECK(std::filesystem::file_size(file) == 8);
  std::filesystem::create_symlink(folder.at("nowhere"), folder.at("link"));
  CHECK_THROWS_AS(Key::generate().save(folder.at("link")), InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(folder.at("nowhere")));
  CHECK_THROWS_AS(Key::from_passphrase("secret").save(folder.at("new")), InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(folder.at("new")));
  CHECK_THROWS_AS(Key::generate().save(folder.at("no/such/folder/key")), IoError);
}

TEST_CASE("a key is exactly 32 bytes") {
  CHECK(secret_of(Key::from_bytes(counting(32))) == counting(32));
  for (const std::size_t size : {0U, 1U, 31U, 33U, 64U}) {
    CHECK_THROWS_AS(Key::from_bytes(counting(size)), InvalidArgument);
  }
}

TEST_CASE("generated keys differ") {
  const Key one = Key::generate();
  const Key two = Key::generate();
  CHECK(one.secret().bytes().size() == 32);
  CHECK(secret_of(one) != secret_of(two));
  CHECK(secret_of(one) != ByteVector(32));
}

TEST_CASE("a passphrase is 1 to 1024 bytes, taken as they are, at a cost within bounds") {
  const std::string longest(1024, 'p');
  CHECK(secret_of(Key::from_passphrase(longest)).size() == 1024);
  CHECK(Key::from_passphrase("p").is_passphrase());
  CHECK_THROWS_AS(Key::from_passphrase(""), InvalidArgument);
  CHECK_THROWS_AS(Key::from_passphrase(longest + "p"), InvalidArgument);
  CHECK(Key::from_passphrase("p").secret().cost.passes == 3);

  const std::uint64_t mib = 1 << 20;
  CHECK_NOTHROW(Key::from_passphrase("p", {.passes = 64, .memory_bytes = 4096 * mib}));
  CHECK_NOTHROW(Key::from_passphrase("p", {.passes = 1, .memory_bytes = 8 * mib}));
  for (const PassphraseCost& cost : {PassphraseCost{.passes = 0, .memory_bytes = 8 * mib},
                                     PassphraseCost{.passes = 65, .memory_bytes = 8 * mib},
                                     PassphraseCost{.passes = 1, .memory_bytes = 8 * mib - 1},
                                     PassphraseCost{.passes = 1, .memory_bytes = 4096 * mib + 1}}) {
    CHECK_THROWS_AS(Key::from_passphrase("p", cost), InvalidArgument);
  }
}

TEST_CASE("a passphrase file loses one line end and nothing else") {
  const Folder folder;
  const auto read = [&](const std::string& content) {
    const auto bytes = secret_of(Key::from_passphrase_file(folder.write(content)));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  CHECK(read("open sesame") == "open sesame");
  CHECK(read("open sesame\n") == "open sesame");
  CHECK(read("open sesame\r\n") == "open sesame");
  CHECK(read("open sesame\n\n") == "open sesame\n");
  CHECK(read(" open\nsesame ") == " open\nsesame ");
  CHECK(read(std::string(1024, 'p') + "\n").size() == 1024);
  CHECK_THROWS_AS(read(""), InvalidArgument);
  CHECK_THROWS_AS(read("\n"), InvalidArgument);
  CHECK_THROWS_AS(read(std::string(1025, 'p')), InvalidArgument);
  CHECK_THROWS_AS(read(std::string(5000, 'p')), InvalidArgument);
}

TEST_CASE("a key command's output is a key, in every form") {
  CHECK(secret_of(Key::from_command({"echo", kHex})) == counting(32));
  CHECK(secret_of(Key::from_command({"printf", "%s", kBase64})) == counting(32));
  CHECK(secret_of(Key::from_command({"/bin/sh", "-c", "printf %s \"$1\"", "sh", kHex})) ==
        counting(32));
  const Folder folder;
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
  CHECK_THROWS_AS(Key::from_command({"true"}, {.command_time_max = 0ms}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"true"}, {.command_time_max = -1ms}), InvalidArgument);
  CHECK(secret_of(Key::from_command({"echo", kHex}, {.command_time_max = std::chrono::hours(9)})) ==
        counting(32));
  CHECK(secret_of(Key::from_command({"echo", kHex},
                                    {.command_time_max = std::chrono::milliseconds::max()})) ==
        counting(32));
}

TEST_CASE("what a key command started is stopped with it") {
  const Folder folder;
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

TEST_CASE("a key moves, and each lives in one locked page that it gives back") {
  auto& memory = platform::native_platform().memory();
  const auto before = memory.account();
  {
    Key one = Key::from_bytes(counting(32));
    CHECK(memory.account().locked_bytes == before.locked_bytes + memory.page_bytes());
    Key two = std::move(one);
    CHECK(secret_of(two) == counting(32));
    Key three = Key::generate();
    three = std::move(two);
    CHECK(secret_of(three) == counting(32));
    CHECK(memory.account().locked_bytes == before.locked_bytes + memory.page_bytes());
  }
  CHECK(memory.account().locked_bytes == before.locked_bytes);
  CHECK(memory.account().failed_locks == before.failed_locks);
}
