#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

// Keys of which every one is its own value; loaded in another order than theirs.
class ScanFixture : public StoreFixture {
 public:
  ScanFixture() {
    must({"import", store(), "t", "-", "--format", "tsv"},
         "ca\tca\nb\tb\nabc\tabc\na\ta\nc\tc\nab\tab\nbb\tbb\n");
  }
  // The keys of a scan, with blanks between them.
  [[nodiscard]] std::string keys(std::vector<std::string> options) const {
    options.insert(options.begin(), {"scan", store(), "t"});
    std::istringstream lines(must(options));
    std::string keys;
    for (std::string line; std::getline(lines, line);) {
      const std::string key = line.substr(0, line.find('\t'));
      CHECK(line == key + "\t" + key);
      keys += (keys.empty() ? "" : " ") + key;
    }
    return keys;
  }
};

}  // namespace

TEST_CASE("A scan lists all, a range, a prefix, in both directions and up to a limit") {
  const ScanFixture fixture;
  CHECK(fixture.keys({}) == "a ab abc b bb c ca");
  CHECK(fixture.keys({"--reverse"}) == "ca c bb b abc ab a");
  CHECK(fixture.keys({"--limit", "2"}) == "a ab");
  CHECK(fixture.keys({"--limit", "0"}).empty());
  CHECK(fixture.keys({"--reverse", "--limit", "2"}) == "ca c");
  CHECK(fixture.keys({"--prefix", "ab"}) == "ab abc");
  CHECK(fixture.keys({"--prefix", "ab", "--reverse"}) == "abc ab");
  CHECK(fixture.keys({"--prefix", "c", "--reverse"}) == "ca c");
  CHECK(fixture.keys({"--prefix", "x"}).empty());
  CHECK(fixture.keys({"--prefix", "x", "--reverse"}).empty());
  CHECK(fixture.keys({"--from", "b"}) == "b bb c ca");
  CHECK(fixture.keys({"--from", "b", "--to", "c"}) == "b bb");
  CHECK(fixture.keys({"--from", "b", "--to", "c", "--reverse"}) == "bb b");
  CHECK(fixture.keys({"--to", "ab"}) == "a");
  CHECK(fixture.keys({"--to", "ab", "--reverse"}) == "a");
  CHECK(fixture.keys({"--to", "a"}).empty());
  CHECK(fixture.keys({"--to", "a", "--reverse"}).empty());
  CHECK(fixture.keys({"--from", "c", "--to", "b"}).empty());
  CHECK(fixture.keys({"--from", "c", "--to", "b", "--reverse"}).empty());
  CHECK(fixture.keys({"--prefix", "a", "--from", "aa"}) == "ab abc");
  CHECK(fixture.keys({"--prefix", "a", "--to", "abc", "--reverse"}) == "ab a");
  CHECK(fixture.keys({"--prefix", "b", "--from", "a"}) == "b bb");
}

TEST_CASE("A reverse scan of a prefix of highest bytes finds its end") {
  const StoreFixture fixture;
  for (const char* key : {"fe", "ff", "ff00", "ffff", "ffff01"}) {
    fixture.must({"put", fixture.store(), "t", key, "v", "--hex"});
  }
  CHECK(fixture.must({"scan", fixture.store(), "t", "--prefix", "ff", "--hex", "--reverse"}) ==
        "hex:ffff01\tv\nhex:ffff\tv\nhex:ff00\tv\nhex:ff\tv\n");
  CHECK(fixture.must({"scan", fixture.store(), "t", "--prefix", "fe", "--hex", "--reverse"}) ==
        "hex:fe\tv\n");
}

TEST_CASE("A scan shows what is no plain text in digits, and large values by their size") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "control", "-"}, "\x1b[2J");
  fixture.must({"put", fixture.store(), "t", "large", "-"}, std::string(100'000, 'x'));
  fixture.must({"put", fixture.store(), "t", "marked", "hex:41"});
  fixture.must({"put", fixture.store(), "t", "words",
                "gr\xc3\xbc\xc3\x9f"
                "e"});
  CHECK(fixture.must({"scan", fixture.store(), "t"}) ==
        "control\thex:1b5b324a\nlarge\tlarge:100000\nmarked\thex:6865783a3431\n"
        "words\tgr\xc3\xbc\xc3\x9f"
        "e\n");
}

TEST_CASE("A scan prints JSON lines that say the same") {
  const StoreFixture fixture;
  const std::string quoted = "say \"hi\" \\ there";
  fixture.must({"put", fixture.store(), "t", "a", quoted});
  fixture.must({"put", fixture.store(), "t", "b", "-"}, std::string("\0\xff", 2));
  fixture.must({"put", fixture.store(), "t", "c", "-"}, std::string(100'000, 'x'));
  std::istringstream lines(fixture.must({"scan", fixture.store(), "t", "--json"}));
  std::string line;
  std::getline(lines, line);
  CHECK(nlohmann::json::parse(line) == nlohmann::json({{"key", "a"}, {"value", quoted}}));
  std::getline(lines, line);
  CHECK(nlohmann::json::parse(line) == nlohmann::json({{"key", "b"}, {"value_base64", "AP8="}}));
  std::getline(lines, line);
  CHECK(nlohmann::json::parse(line) == nlohmann::json({{"key", "c"}, {"value_bytes", 100'000}}));
  CHECK_FALSE(std::getline(lines, line));
}

}  // namespace coffer::tools::test
