#include "tools/key_source.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace coffer::tools {

using Words = std::vector<std::string>;

TEST_CASE("A key command is split at blanks, with quotes, as a shell would without expansions") {
  CHECK(split_command("pass show store") == Words{"pass", "show", "store"});
  CHECK(split_command("  a \t b  ") == Words{"a", "b"});
  CHECK(split_command("cat 'my key'") == Words{"cat", "my key"});
  CHECK(split_command("cat \"my key\"") == Words{"cat", "my key"});
  CHECK(split_command("cat my\\ key") == Words{"cat", "my key"});
  CHECK(split_command("a'b c'd") == Words{"ab cd"});
  CHECK(split_command("a \"\" b") == Words{"a", "", "b"});
  CHECK(split_command("'back\\slash'") == Words{"back\\slash"});
  CHECK(split_command(R"("say \"hi\" \\ \n")") == Words{R"(say "hi" \ \n)"});
  CHECK(split_command("echo $HOME; rm *") == Words{"echo", "$HOME;", "rm", "*"});
}

TEST_CASE("A key command with an open quote or without words is refused") {
  CHECK_THROWS_AS(split_command("cat 'key"), UsageError);
  CHECK_THROWS_AS(split_command("cat \"key"), UsageError);
  CHECK_THROWS_AS(split_command(""), UsageError);
  CHECK_THROWS_AS(split_command(" \t"), UsageError);
}

TEST_CASE("Two key sources at once are refused") {
  GlobalOptions options;
  options.key_file = "a";
  CHECK_NOTHROW(check_key_options(options));
  options.passphrase_file = "b";
  CHECK_THROWS_AS(check_key_options(options), UsageError);
  options.key_file.clear();
  CHECK_NOTHROW(check_key_options(options));
  options.unencrypted = true;
  CHECK_THROWS_AS(check_key_options(options), UsageError);
}

}  // namespace coffer::tools
