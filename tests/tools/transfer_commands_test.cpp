// import and export as the command does them; the formats themselves are tested in
// formats_test.cpp.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/tools/store_fixture.hpp"
#include "tests/tools/three_databases.hpp"

namespace coffer::tools::test {
namespace {

// Names of letters by code point, as any text of two columns.
const std::string kLetters = "0041\tLATIN A\n0042\tLATIN B\n0043\tLATIN C\n";

std::string all_formats() {
  return GENERATE("tsv", "jsonl", "dump");
}

}  // namespace

TEST_CASE("What is exported in any format comes back the same when imported") {
  const std::string format = all_formats();
  CAPTURE(format);
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "letters", "-", "--format", "tsv"}, kLetters);
  fixture.must({"put", fixture.store(), "letters", "00ff10", "-", "--hex"},
               std::string("tab\t line\n back\\ \0 \xff", 20));
  const std::string exported =
      fixture.must({"export", fixture.store(), "letters", "--format", format});
  write_file(fixture.file("exported"), exported);
  fixture.must({"import", fixture.store(), "again", fixture.file("exported"), "--format", format});
  CHECK(fixture.must({"scan", fixture.store(), "again", "--json"}) ==
        fixture.must({"scan", fixture.store(), "letters", "--json"}));
  // A dump names its tree, and is otherwise the same.
  std::string again = fixture.must({"export", fixture.store(), "again", "--format", format});
  if (const std::size_t name = again.find("database=again\n"); name != std::string::npos) {
    again.replace(name + 9, 5, "letters");
  }
  CHECK(again == exported);
}

TEST_CASE("An import says how much it loaded, and acknowledges batches on request") {
  const StoreFixture fixture;
  CHECK(fixture.must({"import", fixture.store(), "a", "-", "--format", "tsv"}, kLetters) ==
        "imported 3 records\n");
  CHECK(fixture.must(
            {"import", fixture.store(), "b", "-", "--format", "tsv", "--batch", "2", "--progress"},
            kLetters) == "committed 2 records\ncommitted 3 records\nimported 3 records\n");
  CHECK(nlohmann::json::parse(fixture.must(
            {"import", fixture.store(), "c", "-", "--format", "tsv", "--json"}, kLetters)) ==
        nlohmann::json({{"imported", 3}}));
  CHECK(fixture.with_key({"import", fixture.store(), "d", "-", "--format", "tsv", "--batch", "0"})
            .exit_code == 2);
}

TEST_CASE("All databases of a dump go into the trees of their names, and come out so again") {
  const StoreFixture fixture;
  const std::string dump = fixture.file("dump");
  write_file(dump, kThree);
  SECTION("from a file") {
    CHECK(fixture.must({"import", fixture.store(), "--all", dump, "--format", "dump"}) ==
          "imported 7 records into 3 trees\n");
  }
  SECTION("from a pipe, in small batches") {
    CHECK(fixture.must({"import", fixture.store(), "-", "--all", "--format", "dump", "--batch", "1",
                        "--progress"},
                       kCounts + kPairs) ==
          "committed 1 records\ncommitted 2 records\n"
          "committed 3 records\ncommitted 4 records\n"
          "imported 4 records into 2 trees\n");
    const auto report = nlohmann::json::parse(fixture.must(
        {"import", fixture.store(), "-", "--all", "--format", "dump", "--json"}, kNames));
    CHECK(report ==
          nlohmann::json::parse(R"({"imported":3,"trees":[{"name":"names","imported":3}]})"));
  }
  check_three(fixture);
  CHECK(fixture.must({"export", fixture.store(), "--all", "--format", "dump", "--map-size",
                      "1M"}) == kThree);
}

TEST_CASE("One database of a dump is chosen by its name") {
  const StoreFixture fixture;
  CHECK(fixture.must(
            {"import", fixture.store(), "mine", "-", "--database", "names", "--format", "dump"},
            kThree) == "imported 3 records\n");
  CHECK(fixture.must({"trees", fixture.store()}) == "mine\n");
  CHECK(fixture.must({"scan", fixture.store(), "mine"}) == "a\t1\nb\t2\nc\t3\n");
  const Outcome absent = fixture.with_key(
      {"import", fixture.store(), "other", "-", "--database", "nine", "--format", "dump"}, kThree);
  CHECK(absent.exit_code == 1);
  CHECK(is_one_error_line(absent.err));
  CHECK_THAT(absent.err, Catch::Contains("3 databases: counts, names, pairs"));
  CHECK(fixture.must({"trees", fixture.store()}) == "mine\n");
}

TEST_CASE("A dump of several databases is not taken for one") {
  const StoreFixture fixture;
  const std::string dump = fixture.file("dump");
  write_file(dump, kThree);
  const std::vector<std::string> import{"import", fixture.store(), "t", "-", "--format", "dump"};
  const auto refused = [&](const Outcome& outcome, const std::string& said) {
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
    CHECK_THAT(outcome.err, Catch::Contains("3 databases: counts, names, pairs") &&
                                Catch::Contains(said) && Catch::Contains("--all") &&
                                Catch::Contains("--database"));
  };
  refused(fixture.with_key({"import", fixture.store(), "t", dump, "--format", "dump"}),
          "nothing was imported");
  CHECK(fixture.must({"trees", fixture.store()}).empty());
  // What comes through a pipe is known when it has come.
  refused(run({.arguments = fixture.keyed(import), .input = kThree, .input_is_pipe = true}),
          "only the first was imported");
  CHECK(fixture.must({"trees", fixture.store()}) == "t\tinteger-keys\n");
}

TEST_CASE("--all and --database are refused where they make no sense") {
  const StoreFixture fixture;
  const std::string nameless = "VERSION=3\nHEADER=END\n 61\n 31\nDATA=END\n";
  const std::string store = fixture.store();
  for (const auto& call : std::vector<std::vector<std::string>>{
           {"import", store, "t", "-", "--all", "--format", "dump"},
           {"import", store, "--all", "--format", "dump"},
           {"import", store, "--all", "-", "--format", "tsv"},
           {"import", store, "t", "-", "--database", "a", "--format", "jsonl"},
           {"import", store, "-", "--all", "--database", "a", "--format", "dump"},
           {"import", store, "--all", "-", "--format", "dump"},
           {"import", store, "t", "--format", "dump"},
           {"import", store, "--format", "dump"},
           {"export", store, "t", "--all", "--format", "dump"},
           {"export", store, "--all", "--format", "tsv"},
           {"export", store, "--format", "dump"}}) {
    const Outcome outcome = fixture.with_key(call, nameless);
    CAPTURE(call.size(), outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(is_one_error_line(outcome.err));
  }
  CHECK(fixture.must({"trees", store}).empty());
  // No tree at all is also all trees.
  CHECK(fixture.must({"export", store, "--all", "--format", "dump"}).empty());
  CHECK(fixture.must({"import", store, "--all", "-", "--format", "dump"}) ==
        "imported 0 records into 0 trees\n");
}

TEST_CASE("A malformed line is named, and the batches before it stay") {
  const StoreFixture fixture;
  const Outcome outcome =
      fixture.with_key({"import", fixture.store(), "t", "-", "--format", "jsonl", "--batch", "1"},
                       "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"secretvalue\n");
  CHECK(outcome.exit_code == 2);
  CHECK(is_one_error_line(outcome.err));
  CHECK_THAT(outcome.err, Catch::Contains("2"));
  CHECK(outcome.err.find("secretvalue") == std::string::npos);
  CHECK(fixture.must({"scan", fixture.store(), "t"}) == "a\t1\n");
}

TEST_CASE("An import from a file that is not there, or in a format that is none, fails") {
  const StoreFixture fixture;
  CHECK(fixture.with_key({"import", fixture.store(), "t", fixture.file("no"), "--format", "tsv"})
            .exit_code == 3);
  CHECK(fixture.with_key({"import", fixture.store(), "t", "-", "--format", "xml"}).exit_code == 2);
  CHECK(fixture.with_key({"import", fixture.store(), "t", "-"}).exit_code == 2);
}

TEST_CASE("Values that fit no page are exported and imported") {
  const StoreFixture fixture;
  const std::string large(300'000, 'x');
  fixture.must({"put", fixture.store(), "t", "k", "-"}, large);
  const std::string format = all_formats();
  const std::string exported = fixture.must({"export", fixture.store(), "t", "--format", format});
  fixture.must({"import", fixture.store(), "u", "-", "--format", format}, exported);
  CHECK((fixture.must({"get", fixture.store(), "u", "k"}) == large));
}

}  // namespace coffer::tools::test
