// import and export as the command does them; the formats themselves are tested in
// formats_test.cpp.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/skip.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

// Names of letters by code point, as any text of two columns.
const std::string kLetters = "0041\tLATIN A\n0042\tLATIN B\n0043\tLATIN C\n";

// Three databases, as mdb_dump -a writes them, by hand: `counts` has the integer keys 2 and 256 as
// LMDB keeps them, `pairs` two values of a key.
const std::string kCounts =
    "VERSION=3\nformat=bytevalue\ndatabase=counts\ntype=btree\nmapsize=1048576\nintegerkey=1\n"
    "HEADER=END\n 0200000000000000\n 74776f\n 0001000000000000\n 323536\nDATA=END\n";
const std::string kNames =
    "VERSION=3\nformat=bytevalue\ndatabase=names\ntype=btree\nmapsize=1048576\nHEADER=END\n"
    " 61\n 31\n 62\n 32\n 63\n 33\nDATA=END\n";
const std::string kPairs =
    "VERSION=3\nformat=bytevalue\ndatabase=pairs\ntype=btree\nmapsize=1048576\nduplicates=1\n"
    "dupsort=1\nHEADER=END\n 6b\n 31\n 6b\n 32\nDATA=END\n";
const std::string kThree = kCounts + kNames + kPairs;

// What a store with those three trees says of itself.
void check_three(const StoreFixture& fixture) {
  CHECK(fixture.must({"trees", fixture.store()}) ==
        "counts\tinteger-keys\nnames\npairs\tmulti-value\n");
  CHECK(fixture.must({"get", fixture.store(), "counts", "2", "--integer"}) == "two");
  CHECK(fixture.must({"get", fixture.store(), "counts", "256", "--integer"}) == "256");
  CHECK(fixture.must({"scan", fixture.store(), "names"}) == "a\t1\nb\t2\nc\t3\n");
  CHECK(fixture.must({"scan", fixture.store(), "pairs"}) == "k\t1\nk\t2\n");
}

// Standard output of a shell command that must succeed.
std::string shell(const StoreFixture& fixture, const std::string& command) {
  const std::string out = fixture.file("shell.out");
  INFO(command);
  REQUIRE(std::system((command + " >'" + out + "'").c_str()) == 0);
  return read_file(out);
}

bool installed(const std::string& program) {
  if (std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0) return true;
  coffer::test::skip(program + " is not installed");
  return false;
}

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
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], kThree.data(), kThree.size()) == static_cast<ssize_t>(kThree.size()));
  ::close(ends[1]);
  refused(run({.arguments = fixture.keyed(import),
               .input = {},
               .environment = {},
               .standard_output = {},
               .in_child = [&] { ::dup2(ends[0], STDIN_FILENO); }}),
          "only the first was imported");
  ::close(ends[0]);
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

TEST_CASE("All databases pass from LMDB's programs to a store and back") {
  if (!installed("mdb_load") || !installed("mdb_dump")) return;
  const StoreFixture fixture;
  write_file(fixture.file("dump"), kThree);
  std::filesystem::create_directory(fixture.file("from"));
  std::filesystem::create_directory(fixture.file("to"));
  shell(fixture, "mdb_load -f '" + fixture.file("dump") + "' '" + fixture.file("from") + "'");
  const std::string theirs = shell(fixture, "mdb_dump -a '" + fixture.file("from") + "'");
  fixture.must({"import", fixture.store(), "--all", "-", "--format", "dump"}, theirs);
  check_three(fixture);

  const std::string format = GENERATE("dump", "dump-print");
  CAPTURE(format);
  write_file(fixture.file("ours"), fixture.must({"export", fixture.store(), "--all", "--format",
                                                 format, "--map-size", "1M"}));
  shell(fixture, "mdb_load -f '" + fixture.file("ours") + "' '" + fixture.file("to") + "'");
  CHECK(shell(fixture, "mdb_dump -a '" + fixture.file("to") + "'") == theirs);
}

TEST_CASE("All databases pass from Berkeley DB's programs to a store and back") {
  if (!installed("db_load") || !installed("db_dump")) return;
  const StoreFixture fixture;
  // Berkeley DB has no trees of integer keys, and takes no mapsize.
  std::string dump = kNames + kPairs;
  for (std::size_t at = 0; (at = dump.find("mapsize=1048576\n")) != std::string::npos;) {
    dump.erase(at, 16);
  }
  write_file(fixture.file("dump"), dump);
  shell(fixture, "db_load -f '" + fixture.file("dump") + "' '" + fixture.file("from.db") + "'");
  const std::string theirs = shell(fixture, "db_dump '" + fixture.file("from.db") + "'");
  fixture.must({"import", fixture.store(), "--all", "-", "--format", "dump"}, theirs);
  CHECK(fixture.must({"trees", fixture.store()}) == "names\npairs\tmulti-value\n");
  CHECK(fixture.must({"scan", fixture.store(), "pairs"}) == "k\t1\nk\t2\n");

  write_file(fixture.file("ours"),
             fixture.must({"export", fixture.store(), "--all", "--format", "dump"}));
  shell(fixture, "db_load -f '" + fixture.file("ours") + "' '" + fixture.file("to.db") + "'");
  CHECK(shell(fixture, "db_dump '" + fixture.file("to.db") + "'") == theirs);
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
