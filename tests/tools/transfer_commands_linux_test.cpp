// Linux only: LMDB's and Berkeley DB's programs, run by a shell
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/skip.hpp"
#include "tests/tools/store_fixture.hpp"
#include "tests/tools/three_databases.hpp"

namespace coffer::tools::test {
namespace {

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

}  // namespace

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

}  // namespace coffer::tools::test
