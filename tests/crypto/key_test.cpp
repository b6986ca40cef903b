// coffer::Key: where a secret comes from, the forms it is read in, and saving it.
#include <coffer/key.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

#include <coffer/error.hpp>

#include "key_support.hpp"

using namespace coffer;
using namespace coffer::test;

TEST_CASE("a key file is read in every form") {
  const KeyFolder folder;
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
  const KeyFolder folder;
  std::string no_hex = kHex;
  no_hex[10] = 'g';
  std::string no_base64 = kBase64;
  no_base64[10] = '*';
  // As long as a key's base64 and just as well formed, by `base64` of coreutils.
  const std::string base64_of_31 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==";
  for (const std::string& content :
       {std::string(), std::string("\n"), raw_text().substr(1), raw_text() + "\n", raw_text() + "x",
        kHex.substr(1), kHex + "0", kHex + "\n\n", kHex + " ", " " + kHex, no_hex, no_base64,
        kBase64.substr(0, 43), kBase64.substr(0, 42) + "==", base64_of_31,
        std::string(100000, 'a')}) {
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
  const KeyFolder folder;
  CHECK_THROWS_AS(Key::from_file(folder.at("absent")), IoError);
  CHECK_THROWS_AS(Key::from_file(folder.at("")), InvalidArgument);
  std::filesystem::create_directory(folder.at("folder"));
  CHECK_THROWS_AS(Key::from_file(folder.at("folder")), InvalidArgument);
  CHECK(message_of([&] { return Key::from_file(folder.at("folder")); }).find("key command") !=
        std::string::npos);
}

TEST_CASE("a key is saved as 64 digits and a line end, and read again") {
  const KeyFolder folder;
  const Key key = Key::from_bytes(counting(32));
  key.save(folder.at("key"));
  std::ifstream file(folder.at("key"), std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  CHECK(content == kHex + "\n");
  CHECK(secret_of(Key::from_file(folder.at("key"))) == counting(32));
}

TEST_CASE("saving never overwrites, and never writes a passphrase") {
  const KeyFolder folder;
  const auto file = folder.write("precious");
  CHECK_THROWS_AS(Key::generate().save(file), InvalidArgument);
  CHECK(std::filesystem::file_size(file) == 8);
  CHECK_THROWS_AS(Key::from_passphrase("secret").save(folder.at("new")), InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(folder.at("new")));
  CHECK_THROWS_AS(Key::generate().save(folder.at("no/such/folder/key")), IoError);
}

TEST_CASE("a key file's name may be in any script, and a message shows it as it is") {
  const KeyFolder folder;
  const auto file = folder.path() / u8"größe-東京";
  Key::from_bytes(counting(32)).save(file);
  CHECK(secret_of(Key::from_file(file)) == counting(32));
  const auto entry = std::filesystem::directory_iterator(folder.path())->path();
  CHECK(entry.filename().u8string() == u8"größe-東京");
  const std::string text = message_of([&] { return Key::from_file(folder.path() / u8"ключ"); });
  CHECK(text.find("\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87") != std::string::npos);
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
  const KeyFolder folder;
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

TEST_CASE("a key command that is none is refused before anything runs") {
  using namespace std::chrono_literals;
  CHECK_THROWS_AS(Key::from_command({}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({""}), InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"coffer-no-such-program", std::string("a\0b", 3)}),
                  InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"coffer-no-such-program"}, {.command_time_max = 0ms}),
                  InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"coffer-no-such-program"}, {.command_time_max = -1ms}),
                  InvalidArgument);
  CHECK_THROWS_AS(Key::from_command({"coffer-no-such-program"}), IoError);
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
