// Linux only: LMDB's and Berkeley DB's programs, run by a shell
//
// The record formats against the programs that the dump format comes from.
#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/support/temp_directory.hpp"
#include "tests/tools/formats_support.hpp"

namespace coffer::tools::formats_test {

namespace {

namespace fs = std::filesystem;

class Workshop {
 public:
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  void make_directory(const std::string& name) const { fs::create_directory(directory_ / name); }
  /// Standard output of a shell command run in the workshop, which must succeed.
  [[nodiscard]] std::string run(const std::string& command) const {
    const std::string line =
        "cd '" + directory_.path().string() + "' && " + command + " >out 2>err";
    const int status = std::system(line.c_str());
    INFO(command << ": " << slurp("err"));
    REQUIRE(status == 0);
    return slurp("out");
  }

 private:
  [[nodiscard]] std::string slurp(const std::string& name) const {
    std::ifstream file(directory_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  coffer::test::TempDirectory directory_;
};

// True when the shell finds all of them; says aloud when not.
bool installed(const std::vector<std::string>& programs) {
  for (const std::string& program : programs) {
    const std::string look = "command -v " + program + " >/dev/null 2>&1";
    if (std::system(look.c_str()) != 0) {
      WARN("skipped: " << program << " is not installed");
      return false;
    }
  }
  return true;
}

Records sorted_unique(Records records) {
  std::ranges::sort(records);
  const auto same = [](const Record& a, const Record& b) { return a.first == b.first; };
  records.erase(std::unique(records.begin(), records.end(), same), records.end());
  return records;
}

const char* const kByHand =
    "type=btree\nHEADER=END\n"
    " apple\n red \\26 green\n"
    " caf\\c3\\a9\n \n"
    " null\\00byte\n line\\0abreak\n"
    "DATA=END\n";
const Records kByHandRecords = {
    {"apple", "red & green"}, {"caf\xC3\xA9", ""}, {std::string("null\0byte", 9), "line\nbreak"}};

}  // namespace

TEST_CASE("dumps of mdb_dump are read", "[formats][programs]") {
  if (!installed({"mdb_load", "mdb_dump"})) return;
  const Workshop workshop;
  workshop.put("text", std::string("VERSION=3\nformat=print\nmapsize=1048576\n") + kByHand);
  workshop.make_directory("env");
  static_cast<void>(workshop.run("mdb_load -f text env"));
  CHECK(read_one(RecordFormat::dump, workshop.run("mdb_dump env")) == kByHandRecords);
  CHECK(read_one(RecordFormat::dump, workshop.run("mdb_dump -p env")) == kByHandRecords);
}

TEST_CASE("dumps of ours are loaded by mdb_load", "[formats][programs]") {
  if (!installed({"mdb_load", "mdb_dump"})) return;
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const Records records = sorted_unique(random_records(random, 200, 1));
  RecordHeader header;
  header.map_bytes = 16 << 20;
  for (const RecordFormat format : {RecordFormat::dump, RecordFormat::dump_print}) {
    const Workshop workshop;
    workshop.make_directory("env");
    workshop.put("text", write(format, records, header));
    static_cast<void>(workshop.run("mdb_load -f text env"));
    const std::vector<Section> back = read(RecordFormat::dump, workshop.run("mdb_dump env"));
    REQUIRE(back.size() == 1);
    CHECK(back[0].records == records);
    CHECK(back[0].header.map_bytes == 16 << 20);
  }
}

TEST_CASE("named, multi-value and integer-keyed trees pass through LMDB", "[formats][programs]") {
  if (!installed({"mdb_load", "mdb_dump"})) return;
  RecordHeader multi;
  multi.tree_name = "several values";
  multi.options.multi_value = true;
  multi.map_bytes = 1 << 20;
  RecordHeader numbers;
  numbers.tree_name = "numbers";
  numbers.options.integer_keys = true;
  numbers.map_bytes = 1 << 20;
  const Records pairs = {{"k", "v1"}, {"k", "v2"}, {"l", "\\"}};
  // 2, 256 and 2^56 as Coffer's integer keys; LMDB keeps numeric order only when they are turned.
  const Records counted = {{std::string("\0\0\0\0\0\0\0\2", 8), "two"},
                           {std::string("\0\0\0\0\0\0\1\0", 8), "256"},
                           {std::string("\1\0\0\0\0\0\0\0", 8), "2^56"}};
  const Workshop workshop;
  workshop.make_directory("env");
  workshop.put("text", write(RecordFormat::dump, pairs, multi) +
                           write(RecordFormat::dump, counted, numbers));
  static_cast<void>(workshop.run("mdb_load -f text env"));
  const std::vector<Section> back = read(RecordFormat::dump, workshop.run("mdb_dump -a env"));
  REQUIRE(back.size() == 2);  // in the order of their names
  CHECK(back[0].header.tree_name == "numbers");
  CHECK(back[0].header.options == numbers.options);
  CHECK(back[0].records == counted);
  CHECK(back[1].header.tree_name == "several values");
  CHECK(back[1].header.options == multi.options);
  CHECK(back[1].records == pairs);
}

TEST_CASE("dumps of db_dump are read", "[formats][programs]") {
  if (!installed({"db_load", "db_dump"})) return;
  const Workshop workshop;
  workshop.put("text", std::string("VERSION=3\nformat=print\n") + kByHand);
  static_cast<void>(workshop.run("db_load -f text file.db"));
  CHECK(read_one(RecordFormat::dump, workshop.run("db_dump file.db")) == kByHandRecords);
  CHECK(read_one(RecordFormat::dump, workshop.run("db_dump -p file.db")) == kByHandRecords);
  workshop.put("lines", "first\nsecond\n");
  static_cast<void>(workshop.run("db_load -T -t recno -f lines list.db"));
  CHECK_THROWS_AS(read(RecordFormat::dump, workshop.run("db_dump list.db")), InvalidArgument);
  CHECK(read_one(RecordFormat::dump, workshop.run("db_dump -k list.db")).size() == 2);
}

TEST_CASE("dumps of ours are loaded by db_load", "[formats][programs]") {
  if (!installed({"db_load", "db_dump"})) return;
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const Records records = sorted_unique(random_records(random, 200, 1));
  for (const RecordFormat format : {RecordFormat::dump, RecordFormat::dump_print}) {
    const Workshop workshop;
    workshop.put("text", write(format, records));
    static_cast<void>(workshop.run("db_load -f text file.db"));
    CHECK(read_one(RecordFormat::dump, workshop.run("db_dump file.db")) == records);
    CHECK(read_one(RecordFormat::dump, workshop.run("db_dump -p file.db")) == records);

    RecordHeader header;
    header.tree_name = "a\\41 name";
    header.options.multi_value = true;
    const Records pairs = {{"k", "v1"}, {"k", "v2"}, {"l", "x"}};
    workshop.put("named", write(format, pairs, header));
    static_cast<void>(workshop.run("db_load -f named named.db"));
    const std::vector<Section> back =
        read(RecordFormat::dump, workshop.run("db_dump -s 'a\\41 name' named.db"));
    REQUIRE(back.size() == 1);
    CHECK(back[0].header.options.multi_value);
    CHECK(back[0].records == pairs);
  }
}

}  // namespace coffer::tools::formats_test
