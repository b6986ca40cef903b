// Names of files in any script and of any length.
#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/platform.hpp"
#include "tests/tools/key_programs.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

// As the command takes it: UTF-8 on every system.
std::string utf8_of(const fs::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

// The names in a folder.
std::vector<std::u8string> names_in(const fs::path& folder) {
  std::vector<std::u8string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().u8string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Below a path that is longer than what Windows' calls take without a prefix.  The standard library's file calls do
// not set that; the engine's own do.
class DeepFolder {
 public:
  DeepFolder() {
    platform::FileSystem& files = platform::native_platform().files();
    for (const char letter : {'a', 'b', 'c'}) {
      path_ /= std::string(110, letter);
      files.make_directory(path_);
    }
  }
  ~DeepFolder() {
    // Nothing that is left over may hide why the test failed.
    try {
      for (fs::path folder = path_; folder != top_.path(); folder = folder.parent_path()) {
        remove(folder);
      }
    } catch (const Error&) {
    }
  }
  DeepFolder(const DeepFolder&) = delete;
  DeepFolder& operator=(const DeepFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  static void remove(const fs::path& folder) {
    platform::FileSystem& files = platform::native_platform().files();
    for (const std::string& name : files.list(folder)) {
      if (files.is_directory(folder / name)) {
        remove(folder / name);
      } else {
        files.remove(folder / name);
      }
    }
    files.remove_directory(folder);
  }

  TemporaryFolder top_;
  fs::path path_ = top_.path();
};

// All that the command does with files, below `folder`, under names that end in `ending`.
void use_files(const fs::path& folder, const std::u8string& ending) {
  const auto named = [&](const char8_t* begin) { return utf8_of(folder / (begin + ending)); };
  const std::string key = named(u8"key");
  const std::string store = named(u8"store");
  const auto succeed = [](const Outcome& outcome) {
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return outcome.out;
  };
  const auto keyed = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--key-file", key});
    return succeed(coffer(arguments));
  };
  succeed(coffer({"keygen", key}));
  keyed({"create", store});
  keyed({"put", store, "t", "k", "v", "--anchor-file", named(u8"anchor"), "--update-anchor"});
  CHECK(keyed({"get", store, "t", "k", "--anchor-file", named(u8"anchor")}) == "v");
  CHECK(succeed(run({.arguments = {"get", store, "t", "k"},
                     .environment = {{"COFFER_KEY_FILE", key}}})) == "v");
  keyed({"put", store, "t", "file", "--file", key});
  CHECK(keyed({"get", store, "t", "file"}).size() == 65);
  keyed({"check", store});
  const Outcome taken = coffer({"keygen", key});
  CHECK(taken.exit_code == 2);
  CHECK_THAT(taken.err, Catch::Contains(key));
}

}  // namespace

TEST_CASE("Stores, keys, anchors and input may have names in any script") {
  const TemporaryFolder folder;
  use_files(folder.path(), u8" größe-東京");
  CHECK(names_in(folder.path()) == std::vector<std::u8string>{u8"anchor größe-東京",
                                                              u8"key größe-東京",
                                                              u8"store größe-東京"});
}

TEST_CASE("Stores, keys, anchors and input may have paths of more than 300 characters") {
  const DeepFolder folder;
  REQUIRE(folder.path().native().size() > 300);
  use_files(folder.path(), u8"");
}

TEST_CASE("A key program is given a name in any script") {
  const TemporaryFolder folder;
  const std::string key = utf8_of(folder.path() / u8"größe-東京");
  const std::string store = folder / "store";
  REQUIRE(coffer({"keygen", key}).exit_code == 0);
  REQUIRE(coffer({"create", store, "--key-file", key}).exit_code == 0);
  const Outcome outcome = coffer({"stat", store, "--key-exec", kPrintFile + " '" + key + "'"});
  CAPTURE(outcome.err);
  CHECK(outcome.exit_code == 0);
}

}  // namespace coffer::tools::test
