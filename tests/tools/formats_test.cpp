// The record formats: against themselves with random bytes, and against texts written by hand.  Against the
// programs that the dump format comes from: formats_linux_test.cpp.

#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/formats_support.hpp"
#include "tools/formats/record_format.hpp"

namespace coffer::tools::formats_test {

namespace {

constexpr RecordFormat kFormats[] = {RecordFormat::tsv, RecordFormat::jsonl, RecordFormat::dump,
                                     RecordFormat::dump_print};

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

}  // namespace coffer::tools::formats_test
