// The record formats: against themselves with random bytes, against texts written by hand, and
// against the programs that the dump format comes from.

#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_directory.hpp"
#include "tools/formats/record_format.hpp"

namespace coffer::tools {

namespace {

using Record = std::pair<std::string, std::string>;
using Records = std::vector<Record>;

struct Section {
  RecordHeader header;
  Records records;
};

constexpr RecordFormat kFormats[] = {RecordFormat::tsv, RecordFormat::jsonl, RecordFormat::dump,
                                     RecordFormat::dump_print};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string string_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string write(RecordFormat format, const Records& records, const RecordHeader& header = {}) {
  std::string text;
  const auto writer = make_record_writer(format, [&](Bytes bytes) { text += bytes.text(); });
  writer->begin(header);
  for (const Record& r : records) writer->record(bytes_of(r.first), bytes_of(r.second));
  writer->end();
  return text;
}

// Gives the text away `piece` bytes at a time.
ByteSource source_of(std::string text, std::size_t piece) {
  return [text = std::move(text), piece, at = std::size_t{0}](std::span<std::byte> out) mutable {
    const std::size_t length = std::min({piece, out.size(), text.size() - at});
    std::memcpy(out.data(), text.data() + at, length);
    at += length;
    return length;
  };
}

std::vector<Section> read(RecordFormat format, const std::string& text,
                          std::size_t piece = 100000) {
  const auto reader = make_record_reader(format, source_of(text, piece), "records.txt");
  std::vector<Section> sections;
  for (RecordHeader header; reader->begin(header);) {
    Section& section = sections.emplace_back(Section{header, {}});
    for (std::span<const std::byte> key, value; reader->next(key, value);) {
      section.records.emplace_back(string_of(key), string_of(value));
    }
  }
  return sections;
}

Records read_one(RecordFormat format, const std::string& text, std::size_t piece = 100000) {
  const std::vector<Section> sections = read(format, text, piece);
  REQUIRE(sections.size() == 1);
  return sections[0].records;
}

std::string random_bytes(std::mt19937_64& random, std::size_t length, bool with_backslash = true) {
  std::string bytes(length, '\0');
  for (char& c : bytes) {
    do {
      c = static_cast<char>(random() >> 13);
      if (random() % 3 == 0) c = static_cast<char>('a' + random() % 26);
    } while (c == '\\' && !with_backslash);
  }
  return bytes;
}

Records random_records(std::mt19937_64& random, std::size_t count, std::size_t key_min = 0) {
  Records records;
  for (std::size_t i = 0; i < count; ++i) {
    records.emplace_back(random_bytes(random, key_min + random() % 60),
                         random_bytes(random, random() % 400));
  }
  return records;
}

}  // namespace

TEST_CASE("every format gives back any bytes, in pieces of any size", "[formats]") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Records records = random_records(random, 60);
  records.emplace_back("", "");
  records.emplace_back("k", "");
  records.emplace_back("", "v");
  records.emplace_back(" ", "\r");
  records.emplace_back("DATA=END", "HEADER=END");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  records.emplace_back(all, all);
  records.emplace_back("long", random_bytes(random, 300000));
  for (const RecordFormat format : kFormats) {
    for (const std::size_t piece : {1u, 7u, 4096u, 1000000u}) {
      CAPTURE(static_cast<int>(format), piece);
      CHECK(read_one(format, write(format, records), piece) == records);
    }
  }
}

TEST_CASE("a format has the name that the command gives it", "[formats]") {
  CHECK(record_format("tsv") == RecordFormat::tsv);
  CHECK(record_format("jsonl") == RecordFormat::jsonl);
  CHECK(record_format("dump") == RecordFormat::dump);
  CHECK(record_format("dump-print") == RecordFormat::dump_print);
  CHECK_FALSE(record_format("csv"));
}

// Written by hand.
TEST_CASE("the texts are what their description says", "[formats]") {
  const Records records = {{"a\tb", "1\n2\r3\\4"}, {"gr\xC3\xBC\xC3\x9F", "\xC3(\x7F\x01\""}};
  CHECK(write(RecordFormat::tsv, records) ==
        "a\\tb\t1\\n2\\r3\\\\4\n"
        "gr\xC3\xBC\xC3\x9F\t\\xc3(\\x7f\\x01\"\n");
  CHECK(write(RecordFormat::jsonl, records) ==
        "{\"key\":\"a\\tb\",\"value\":\"1\\n2\\u000d3\\\\4\"}\n"
        "{\"key\":\"gr\xC3\xBC\xC3\x9F\",\"value_base64\":\"wyh/ASI=\"}\n");
  RecordHeader header;
  header.tree_name = "a\\b\x01\xC3\xBC";
  header.options.multi_value = true;
  header.map_bytes = 1048576;
  CHECK(write(RecordFormat::dump, records, header) ==
        "VERSION=3\nformat=bytevalue\ndatabase=a\\\\b\\01\xC3\xBC\ntype=btree\nmapsize=1048576\n"
        "duplicates=1\ndupsort=1\nHEADER=END\n"
        " 610962\n 310a320d335c34\n"
        " 6772c3bcc39f\n c3287f0122\n"
        "DATA=END\n");
  CHECK(write(RecordFormat::dump_print, records) ==
        "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n"
        " a\\09b\n 1\\0a2\\0d3\\5c4\n"
        " gr\\c3\\bc\\c3\\9f\n \\c3(\\7f\\01\"\n"
        "DATA=END\n");
}

TEST_CASE("only well-formed UTF-8 goes as text", "[formats]") {
  // Overlong, a surrogate, above U+10FFFF, cut off, a lone continuation.
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF0\x9F\x98", "\x80", "\xFF"}) {
    const std::string text = write(RecordFormat::jsonl, {{bad, "v"}});
    CHECK(text.find("key_base64") != std::string::npos);
    CHECK(write(RecordFormat::tsv, {{bad, "v"}}).find("\\x") == 0);
  }
  for (const char* good : {"", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(write(RecordFormat::jsonl, {{good, "v"}}).find("key_base64") == std::string::npos);
    CHECK(write(RecordFormat::tsv, {{good, "v"}}) == std::string(good) + "\tv\n");
  }
}

TEST_CASE("what the jsonl writer writes is JSON to the JSON library", "[formats]") {
  const Records records = {{"quote\" slash\\ \b\f\x1F", "\xF0\x9F\x98\x80\x7F"},
                           {"", std::string(3, '\0')}};
  std::istringstream lines(write(RecordFormat::jsonl, records));
  std::size_t i = 0;
  for (std::string line; std::getline(lines, line); ++i) {
    const nlohmann::json parsed = nlohmann::json::parse(line);
    CHECK(parsed.size() == 2);
    CHECK(parsed["key"].get<std::string>() == records.at(i).first);
    CHECK(parsed["value"].get<std::string>() == records.at(i).second);
  }
  CHECK(i == 2);
}

TEST_CASE("readers take what people and other programs write", "[formats]") {
  CHECK(read_one(RecordFormat::tsv, "a\tb\r\n\n\xFF\t\\x41") == Records{{"a", "b"}, {"\xFF", "A"}});
  CHECK(read_one(RecordFormat::tsv, "").empty());
  CHECK(
      read_one(RecordFormat::jsonl,
               "{ \"value_hex\" : \"00fF\", \"more\": [1, {\"key\": \"no\"}, null],"
               " \"key\": \"\\u00e9\\ud83d\\ude00\" }\r\n\n"
               "{\"key_base64\":\"\",\"value\":\"\\u0000\"}") ==
      Records{{"\xC3\xA9\xF0\x9F\x98\x80", std::string("\0\xFF", 2)}, {"", std::string(1, '\0')}});

  const std::vector<Section> sections =
      read(RecordFormat::dump,
           "VERSION=3\r\nformat=print\r\ndatabase=one\\20\\\\\r\ntype=hash\r\nh_nelem=3\r\n"
           "whatever=x=y\r\nHEADER=END\r\n A\\0aB\\\\\r\n \r\nDATA=END\r\n"
           "\nVERSION=2\nformat=bytevalue\ndatabase=c:\\new\nmapsize=77\ndupsort=1\nHEADER=END\n"
           " 0aFF\n \nDATA=END\n"
           "VERSION=3\ntype=recno\nkeys=1\nHEADER=END\n 31\n 32\nDATA=END\n"
           "VERSION=3\nintegerkey=1\nduplicates=0\nHEADER=END\n 01020304\n 00\n"
           " 0102030405060708\n 01\nDATA=END");
  REQUIRE(sections.size() == 4);
  CHECK(sections[0].header.tree_name == "one \\");
  CHECK_FALSE(sections[0].header.options.multi_value);
  CHECK(sections[0].records == Records{{"A\nB\\", ""}});
  CHECK(sections[1].header.tree_name == "c:\\new");  // no escape: it stands for itself
  CHECK(sections[1].header.options.multi_value);
  CHECK(sections[1].header.map_bytes == 77);
  CHECK(sections[1].records == Records{{"\x0A\xFF", ""}});
  CHECK_FALSE(sections[2].header.tree_name);
  CHECK(sections[2].records == Records{{"1", "2"}});
  CHECK(sections[3].header.options.integer_keys);
  CHECK(sections[3].records == Records{{std::string("\0\0\0\0\4\3\2\1", 8), std::string(1, '\0')},
                                       {"\x08\x07\x06\x05\x04\x03\x02\x01", "\x01"}});
}

TEST_CASE("the rest of a tree can be skipped", "[formats]") {
  const std::string one = write(RecordFormat::dump, {{"a", "1"}, {"b", "2"}});
  const std::string two = write(RecordFormat::dump_print, {{"c", "3"}});
  const auto reader = make_record_reader(RecordFormat::dump, source_of(one + two, 10), "f");
  RecordHeader header;
  std::span<const std::byte> key;
  std::span<const std::byte> value;
  REQUIRE(reader->begin(header));
  REQUIRE(reader->next(key, value));
  REQUIRE(reader->begin(header));
  REQUIRE(reader->next(key, value));
  CHECK(string_of(key) == "c");
  CHECK_FALSE(reader->next(key, value));
  CHECK_FALSE(reader->next(key, value));
  CHECK_FALSE(reader->begin(header));
}

TEST_CASE("errors name file and line, say what is wrong, and never what the line holds",
          "[formats]") {
  struct Case {
    RecordFormat format;
    std::string text;
    int line;
    const char* says;
  };
  const std::string head = "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n";
  const std::string print = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n";
  const Case cases[] = {
      {RecordFormat::tsv, "a\tb\nSECRET\n", 2, "no TAB"},
      {RecordFormat::tsv, "SECRET\tb\tc\n", 1, "more than one TAB"},
      {RecordFormat::tsv, "\n\nSECRET\\q\tb\n", 3, "unknown escape"},
      {RecordFormat::tsv, "SECRET\\x4\tb\n", 1, "two hexadecimal digits"},
      {RecordFormat::tsv, "a\tSECRET\\", 1, "nothing behind it"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\",\"value\":\"1\"", 1, "no JSON object"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\xFF\",\"value\":\"1\"}", 1, "well-formed UTF-8"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\\ud800\",\"value\":\"1\"}", 1, "well-formed UTF-8"},
      {RecordFormat::jsonl, "{\"key\":\"a\",\"value\":\"1\"}{\"SECRET\":1}", 1, "no JSON object"},
      {RecordFormat::jsonl, "\n[\"SECRET\"]", 2, "should be a JSON object"},
      {RecordFormat::jsonl, "\"SECRET\"", 1, "should be a JSON object"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\",\"value\":1}", 1, "JSON strings"},
      {RecordFormat::jsonl, "{\"key\":{\"SECRET\":1},\"value\":\"\"}", 1, "JSON strings"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\",\"key_hex\":\"\",\"value\":\"\"}", 1, "two keys"},
      {RecordFormat::jsonl, "{\"key\":\"\",\"value\":\"SECRET\",\"value\":\"\"}", 1, "two values"},
      {RecordFormat::jsonl, "{\"key\":\"SECRET\",\"value_bytes\":7}", 1, "without value"},
      {RecordFormat::jsonl, "{\"value\":\"SECRET\"}", 1, "without key"},
      {RecordFormat::jsonl, "{\"key_base64\":\"SECRET!=\",\"value\":\"\"}", 1, "no base64"},
      {RecordFormat::jsonl, "{\"key_hex\":\"SECRET\",\"value\":\"\"}", 1, "hexadecimal digit"},
      {RecordFormat::jsonl, "{\"key_hex\":\"abc\",\"value\":\"SECRET\"}", 1, "odd number"},
      {RecordFormat::dump, "SECRET\n", 1, "VERSION=3"},
      {RecordFormat::dump, "VERSION=4\n", 1, "VERSION=3"},
      {RecordFormat::dump, "VERSION=3\nformat=SECRET\n", 2, "print or bytevalue"},
      {RecordFormat::dump, "VERSION=3\nSECRET\n", 2, "NAME=VALUE"},
      {RecordFormat::dump, "VERSION=3\nformat=print\n", 2, "inside a header"},
      {RecordFormat::dump, "VERSION=3\ndupsort=SECRET\n", 2, "0 or 1"},
      {RecordFormat::dump, "VERSION=3\nmapsize=SECRET\n", 2, "number of bytes"},
      {RecordFormat::dump, "VERSION=3\ntype=queue\nHEADER=END\n SECRET\nDATA=END\n", 3, "-k"},
      {RecordFormat::dump, head + " 61\nSECRET\n", 6, "expected a value"},
      {RecordFormat::dump, head + "\n", 5, "expected a key"},
      {RecordFormat::dump, head + " 6\n 61\n", 5, "odd number"},
      {RecordFormat::dump, head + " SECRET\n 61\n", 5, "no hexadecimal digit"},
      {RecordFormat::dump, head + " 61\nDATA=END\n", 6, "without a value"},
      {RecordFormat::dump, head + " 61\n 61\n", 6, "cut off"},
      {RecordFormat::dump, head + " 61\n", 5, "cut off"},
      {RecordFormat::dump, head, 4, "cut off"},
      {RecordFormat::dump, print + " SECRET\\q1\n a\n", 5, "without -p"},
      {RecordFormat::dump, print + " SECRET\\4\n a\n", 5, "without -p"},
      {RecordFormat::dump, print + " SECRET\\\n a\n", 5, "without -p"},
      {RecordFormat::dump, "VERSION=3\nintegerkey=1\nHEADER=END\n 616263\n 61\n", 4, "4 or 8"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    std::string message;
    try {
      static_cast<void>(read(c.format, c.text));
    } catch (const InvalidArgument& e) {
      message = e.what();
    }
    CHECK_THAT(message, Catch::StartsWith("records.txt:" + std::to_string(c.line) + ": "));
    CHECK_THAT(message, Catch::Contains(c.says));
    CHECK(message.find("SECRET") == std::string::npos);
  }
}

TEST_CASE("a failing source or sink is not swallowed", "[formats]") {
  const auto fail = [](std::string_view what) { throw IoError(std::string(what), "test", "f", 5); };
  const auto reader = make_record_reader(
      RecordFormat::tsv,
      [&](std::span<std::byte>) -> std::size_t {
        fail("read");
        return 0;
      },
      "f");
  RecordHeader header;
  std::span<const std::byte> key;
  std::span<const std::byte> value;
  REQUIRE(reader->begin(header));
  CHECK_THROWS_AS(reader->next(key, value), IoError);
  const auto writer = make_record_writer(RecordFormat::dump, [&](Bytes) { fail("write"); });
  CHECK_THROWS_AS(writer->begin({}), IoError);
}

// --- the programs that the dump format comes from

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

}  // namespace coffer::tools
