// Linux only: pipes and symbolic links among the files, and modes
//
// Key files as Linux has them; the rest is in key_test.cpp.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "header_support.hpp"
#include "key_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/skip.hpp"

using namespace coffer;
using namespace coffer::test;

TEST_CASE("a key file that is a pipe is refused, with what to give instead") {
  const KeyFolder folder;
  REQUIRE(::mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(Key::from_file(folder.at("pipe")), InvalidArgument);
  CHECK(message_of([&] { return Key::from_file(folder.at("pipe")); }).find("key command") !=
        std::string::npos);
}

TEST_CASE("a key file may be a symbolic link, as mounted secrets are") {
  const KeyFolder folder;
  std::filesystem::create_symlink(folder.write(kHex), folder.at("link"));
  CHECK(secret_of(Key::from_file(folder.at("link"))) == counting(32));
}

TEST_CASE("a saved key is its owner's alone") {
  const KeyFolder folder;
  Key::from_bytes(counting(32)).save(folder.at("key"));
  CHECK(std::filesystem::status(folder.at("key")).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("saving does not follow a symbolic link") {
  const KeyFolder folder;
  std::filesystem::create_symlink(folder.at("nowhere"), folder.at("link"));
  CHECK_THROWS_AS(Key::generate().save(folder.at("link")), InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(folder.at("nowhere")));
}

TEST_CASE("a key that could not be written whole leaves no file") {
  const KeyFolder folder;
  const std::string answer = answer_of_child([&]() -> std::string {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit few{10, 10};
    ::setrlimit(RLIMIT_FSIZE, &few);
    return message_of([&] {
      Key::from_bytes(counting(32)).save(folder.at("key"));
      return 0;
    });
  });
  CHECK(answer.find("File too large") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.at("key")));
}

TEST_CASE("a passphrase whose cost the process cannot pay is an error that says how much it is") {
  if (kSanitized) return skip("sanitizers need more address space than is left here");
  const std::string answer = answer_of_child([]() -> std::string {
    const Key key = Key::from_passphrase("p", {.passes = 1, .memory_bytes = 1ULL << 30});
    const rlimit room{1ULL << 29, 1ULL << 29};
    ::setrlimit(RLIMIT_AS, &room);
    return message_of([&] { return create_golden(&key); });
  });
  CHECK(answer.find("could not have its 1073741824 bytes") != std::string::npos);
}
