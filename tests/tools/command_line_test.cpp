// How the command is called and how it answers, without a store.

#include <catch2/catch.hpp>
#include <string>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {

TEST_CASE("Help and version are not errors") {
  const Outcome help = coffer({"--help"});
  CHECK(help.exit_code == 0);
  for (const char* name : {"keygen", "create", "put", "get", "del", "scan", "trees", "import",
                           "export", "stat", "check", "backup", "restore", "completion"}) {
    CHECK_THAT(help.out, Catch::Contains(name));
  }
  CHECK(help.err.empty());
  CHECK_THAT(coffer({"--version"}).out, Catch::StartsWith("coffer 0."));
  CHECK(coffer({"put", "--help"}).exit_code == 0);
}

TEST_CASE("A command line that does not parse ends with exit code 2 and one line") {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"frobnicate"},
      {"put"},
      {"keygen"},
      {"get", "s", "t"},
      {"trees", "s", "--no-such"},
      {"get", "s", "t", "k", "--durability", "none", "--unencrypted"},
      {"trees", "s", "--locked-max", "many"},
      {"trees", "s", "--locked-max", "-1"},
      {"trees", "s", "--locked-max", "16777216T"},
      {"trees", "s", "--locked-max", "1X"},
      {"trees", "s", "--locked-max", ""},
      {"trees", "s", "--unencrypted", "--locked-max", "0"},
      {"create", "s", "--page-size", "5000"},
      {"scan", "s", "t", "--limit", "-1"},
      {"scan", "s", "t", "--limit", "1x"},
      {"export", "s", "t", "--format", "dump", "--map-size", "-1"},
      {"export", "s", "t", "--format", "xml"},
      {"completion", "fish"}};
  for (const auto& arguments : wrong) {
    const Outcome outcome = coffer(arguments);
    CAPTURE(arguments, outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
  }
}

TEST_CASE("What is wrong with a command line is said in words, with where to read more") {
  const auto said = [](const std::vector<std::string>& arguments) { return coffer(arguments).err; };
  CHECK(said({"frobnicate", "x"}) == "coffer: frobnicate is no subcommand; see coffer --help\n");
  CHECK(said({"--frobnicate"}) == "coffer: --frobnicate is no option; see coffer --help\n");
  CHECK_THAT(said({}), Catch::EndsWith("see coffer --help\n"));
  CHECK_THAT(said({"put", "s"}), Catch::EndsWith("see coffer put --help\n"));
  CHECK(said({"trees", "s", "--durability", "none"}) ==
        "coffer: --durability: none is none of full|relaxed; see coffer trees --help\n");
  CHECK(said({"scan", "s", "t", "--limit", "-1"}) ==
        "coffer: --limit: -1 is no whole number; see coffer scan --help\n");
  CHECK_THAT(said({"trees", "s", "--locked-max", "many"}),
             Catch::StartsWith("coffer: --locked-max: many is no number of bytes"));
  // The help names each option's values, and nothing of how they are checked.
  for (const char* command : {"import", "export", "create", "scan"}) {
    const std::string help = coffer({command, "--help"}).out;
    CAPTURE(command);
    CHECK(help.find("->") == std::string::npos);
    CHECK(help.find("b, kb") == std::string::npos);
  }
  CHECK_THAT(coffer({"import", "--help"}).out, Catch::Contains("tsv|jsonl|dump|dump-print"));
}

TEST_CASE("An option that is given with nothing in it is not passed over") {
  const StoreFixture fixture;
  for (const char* option : {"--key-file", "--key-exec", "--passphrase-file", "--anchor-file"}) {
    const Outcome outcome = run({.arguments = {"trees", fixture.store(), option, ""},
                                 .environment = {{"COFFER_KEY_FILE", fixture.key()}}});
    CAPTURE(option, outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(is_one_error_line(outcome.err));
    CHECK_THAT(outcome.err, Catch::Contains(option) && Catch::Contains("empty"));
  }
  CHECK(fixture.with_key({"trees", ""}).exit_code == 2);
  CHECK(fixture.with_key({"create", ""}).exit_code == 2);
}

TEST_CASE("Sizes are taken in bytes and in units of 1024") {
  const StoreFixture fixture;
  for (const char* size :
       {"1048576", "1024K", "1024k", "1024KB", "1024KiB", "1M", "1 mib", "1mb"}) {
    CAPTURE(size);
    CHECK_THAT(fixture.must({"stat", fixture.store(), "--json", "--locked-max", size}),
               Catch::Contains("\"locked_bytes_max\":1048576,"));
  }
  for (const char* size : {"4096", "65536", "16K"}) {
    const std::string store = fixture.file(size);
    CHECK(coffer({"create", store, "--unencrypted", "--page-size", size}).exit_code == 0);
  }
  CHECK_THAT(coffer({"stat", fixture.file("16K"), "--unencrypted", "--json"}).out,
             Catch::Contains("\"page_size\":16384,"));
}

TEST_CASE("A key file is new, and 64 hexadecimal digits") {
  const TemporaryFolder folder;
  const std::string file = folder / "key";
  REQUIRE(coffer({"keygen", file}).exit_code == 0);
  const std::string key = read_file(file);
  CHECK(key.size() == 65);
  CHECK(key.find_first_not_of("0123456789abcdef") == 64);
  CHECK(key.back() == '\n');

  const Outcome again = coffer({"keygen", file});
  CHECK(again.exit_code == 2);
  CHECK(is_one_error_line(again.err));
  CHECK(read_file(file) == key);

  REQUIRE(coffer({"keygen", folder / "other"}).exit_code == 0);
  CHECK(read_file(folder / "other") != key);
}

}  // namespace coffer::tools::test
