// Linux only: modes of files, bash, and a device that is always full
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "tests/tools/command_driver_linux.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {

TEST_CASE("A key file is its owner's alone") {
  const TemporaryFolder folder;
  const std::string file = folder / "key";
  REQUIRE(coffer({"keygen", file}).exit_code == 0);
  struct stat status = {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("The completion script completes subcommands and options in bash") {
  const TemporaryFolder folder;
  const Outcome script = coffer({"completion", "bash"});
  REQUIRE(script.exit_code == 0);
  const std::string file = folder / "completion";
  write_file(file, script.out + R"(
ask() { COMP_WORDS=(coffer "$@"); COMP_CWORD=$#; COMPREPLY=(); _coffer; echo "${COMPREPLY[*]}"; }
ask exp; ask scan s t --pre; ask import s t f --format j; ask --key-f; ask get s --durability re
ask stress m; ask stress memlock --pla; ask backup lo; ask backup logical s f --encryption use_p
)");
  const std::string command = "bash " + file + " >" + (folder / "out");
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(read_file(folder / "out") ==
        "export\n--prefix\njsonl\n--key-file\nrelaxed\nmemlock\n--plant\nlogical\nuse_provided_"
        "key\n");
}

TEST_CASE("A full standard output is an input/output error") {
  const Outcome outcome = run_in_child({.arguments = {"completion", "bash"}}, print_to_full_device);
  CHECK(outcome.exit_code == 3);
  CHECK(is_one_error_line(outcome.err));
}

}  // namespace coffer::tools::test
