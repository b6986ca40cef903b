// create, put, get, del, trees, stat, check

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

using Json = nlohmann::json;

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(engine());
  return bytes;
}

}  // namespace

TEST_CASE("A value comes back byte for byte, and a later one takes its place") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "notes", "first", "hello"});
  CHECK(fixture.must({"get", fixture.store(), "notes", "first"}) == "hello");
  fixture.must({"put", fixture.store(), "notes", "first", "-"}, std::string("a\0b\n", 4));
  CHECK(fixture.must({"get", fixture.store(), "notes", "first"}) == std::string("a\0b\n", 4));
  fixture.must({"put", fixture.store(), "notes", "first", ""});
  CHECK(fixture.must({"get", fixture.store(), "notes", "first"}).empty());
}

TEST_CASE("Values of any size stream in and out") {
  const StoreFixture fixture;
  // Around the command's own chunk of 64 KiB, and well past it.
  const std::size_t size = GENERATE(65'535u, 65'536u, 65'537u, 3'000'001u);
  const std::string value = random_bytes(size, static_cast<unsigned>(size));
  write_file(fixture.file("value"), value);
  fixture.must({"put", fixture.store(), "t", "stdin", "-"}, value);
  fixture.must({"put", fixture.store(), "t", "file", "--file", fixture.file("value")});
  CHECK((fixture.must({"get", fixture.store(), "t", "stdin"}) == value));
  CHECK((fixture.must({"get", fixture.store(), "t", "file"}) == value));
}

TEST_CASE("What is not there ends with exit code 1 and one line") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const std::vector<std::vector<std::string>> missing{
      {"get", fixture.store(), "t", "other"},
      {"get", fixture.store(), "other", "k"},
      {"get", fixture.store(), "t", "other", "--json"},
      {"del", fixture.store(), "t", "other"},
      {"del", fixture.store(), "other", "k"},
      {"scan", fixture.store(), "other"},
      {"export", fixture.store(), "other", "--format", "tsv"}};
  for (const auto& arguments : missing) {
    const Outcome outcome = fixture.with_key(arguments);
    CAPTURE(arguments, outcome.err);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
  }
}

TEST_CASE("A removed key is gone, its neighbours are not") {
  const StoreFixture fixture;
  for (const char* key : {"a", "b", "c"}) fixture.must({"put", fixture.store(), "t", key, "v"});
  fixture.must({"del", fixture.store(), "t", "b"});
  CHECK(fixture.with_key({"get", fixture.store(), "t", "b"}).exit_code == 1);
  CHECK(fixture.must({"scan", fixture.store(), "t"}) == "a\tv\nc\tv\n");
}

TEST_CASE("Keys may be given in hexadecimal") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "00ff", "v", "--hex"});
  CHECK(fixture.must({"get", fixture.store(), "t", "00FF", "--hex"}) == "v");
  CHECK(fixture.must({"scan", fixture.store(), "t"}) == "hex:00ff\tv\n");
  CHECK(fixture.with_key({"get", fixture.store(), "t", "0", "--hex"}).exit_code == 2);
}

TEST_CASE("A multi-value tree keeps a key's values, and one of them can be removed") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "tags", "note", "red", "--multi-value"});
  fixture.must({"put", fixture.store(), "tags", "note", "blue"});
  CHECK(fixture.must({"scan", fixture.store(), "tags"}) == "note\tblue\nnote\tred\n");
  fixture.must({"del", fixture.store(), "tags", "note", "blue"});
  CHECK(fixture.must({"scan", fixture.store(), "tags"}) == "note\tred\n");
  CHECK(fixture.with_key({"del", fixture.store(), "tags", "note", "blue"}).exit_code == 1);
  CHECK(Json::parse(fixture.must({"trees", fixture.store(), "--json"})) ==
        Json::parse(R"([{"name":"tags","multi_value":true,"integer_keys":false}])"));
}

TEST_CASE("A tree that is there is not taken for one of another kind") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "plain", "k", "first"});
  for (const auto& call : std::vector<std::vector<std::string>>{
           {"put", fixture.store(), "plain", "k", "second", "--multi-value"},
           {"put", fixture.store(), "plain", "7", "v", "--integer"}}) {
    const Outcome outcome = fixture.with_key(call);
    CHECK(outcome.exit_code == 2);
    CHECK(is_one_error_line(outcome.err));
  }
  CHECK(fixture.must({"scan", fixture.store(), "plain"}) == "k\tfirst\n");
}

TEST_CASE("An integer-keyed tree orders its keys by number") {
  const StoreFixture fixture;
  for (const char* key : {"10", "9", "256"}) {
    fixture.must({"put", fixture.store(), "n", key, key, "--integer"});
  }
  CHECK(fixture.must({"get", fixture.store(), "n", "9", "--integer"}) == "9");
  const std::string listed =
      fixture.must({"scan", fixture.store(), "n", "--integer", "--from", "10"});
  CHECK(listed == "hex:000000000000000a\t10\nhex:0000000000000100\t256\n");
}

TEST_CASE("A store is created once, with the page size that was asked for") {
  const StoreFixture fixture;
  CHECK(fixture.with_key({"create", fixture.store()}).exit_code == 2);
  const std::string other = fixture.file("other");
  fixture.must({"create", other, "--page-size", "16K"});
  CHECK(Json::parse(fixture.must({"stat", other, "--json"})).at("page_size") == 16384);
  CHECK(fixture.with_key({"create", fixture.file("third"), "--page-size", "5000"}).exit_code == 2);
  CHECK_FALSE(std::filesystem::exists(fixture.file("third")));
}

TEST_CASE("A store that is not there is not created by opening") {
  const StoreFixture fixture;
  const std::string none = fixture.file("none");
  const Outcome outcome = fixture.with_key({"put", none, "t", "k", "v"});
  CHECK(outcome.exit_code != 0);
  CHECK(is_one_error_line(outcome.err));
  CHECK_FALSE(std::filesystem::exists(none));
}

TEST_CASE("Statistics and the check's report are JSON for scripts and lines for people") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "a", "k", "v"});
  fixture.must({"put", fixture.store(), "b", "k", "v"});
  const Json statistics = Json::parse(fixture.must({"stat", fixture.store(), "--json"}));
  CHECK(statistics.at("journal_file_bytes").get<std::uint64_t>() >= 4u << 20);  // a segment
  CHECK(statistics.at("encrypted") == true);
  CHECK(statistics.at("page_size") == 4096);
  CHECK(statistics.at("poisoned") == false);
  CHECK(statistics.at("durable_commit").get<int>() >= 2);
  CHECK(statistics.at("anchor").at("instance").get<std::string>().size() == 32);
  CHECK_THAT(fixture.must({"stat", fixture.store()}),
             Catch::Contains("page size               4.0 KiB"));

  const Json report = Json::parse(fixture.must({"check", fixture.store(), "--json"}));
  CHECK(report.at("ok") == true);
  CHECK(report.at("entries") == 2);
  CHECK(report.at("trees") == 2);
  CHECK_THAT(fixture.must({"check", fixture.store()}),
             Catch::StartsWith("ok: 2 entries in 2 trees;"));
}

TEST_CASE("Commands that only look change no byte of the store") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const auto before = contents_of(fixture.store());
  fixture.must({"get", fixture.store(), "t", "k"});
  fixture.must({"scan", fixture.store(), "t"});
  fixture.must({"trees", fixture.store()});
  fixture.must({"stat", fixture.store()});
  fixture.must({"check", fixture.store()});
  fixture.must({"export", fixture.store(), "t", "--format", "jsonl"});
  CHECK((contents_of(fixture.store()) == before));
}

TEST_CASE("Nothing that was put is readable in the store's files") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "secrettreename", "secretkeyname", "secretvaluetext"});
  std::string all;
  for (const auto& [name, content] : contents_of(fixture.store())) all += content;
  for (const char* text : {"secrettreename", "secretkeyname", "secretvaluetext"}) {
    CHECK((all.find(text) == std::string::npos));
  }
  // The control: the same search finds the text where it does stand.
  const std::string plain = fixture.file("plain");
  REQUIRE(coffer({"create", plain, "--unencrypted"}).exit_code == 0);
  REQUIRE(coffer({"put", plain, "t", "k", "secretvaluetext", "--unencrypted"}).exit_code == 0);
  all.clear();
  for (const auto& [name, content] : contents_of(plain)) all += content;
  CHECK((all.find("secretvaluetext") != std::string::npos));
}

TEST_CASE("A put that fails says nothing of the value") {
  const StoreFixture fixture;
  const std::string too_long(5000, 'k');
  const Outcome outcome =
      fixture.with_key({"put", fixture.store(), "t", too_long, "secretvaluetext"});
  CHECK(outcome.exit_code == 2);
  CHECK(is_one_error_line(outcome.err));
  CHECK(outcome.err.find("secretvaluetext") == std::string::npos);
  CHECK(outcome.err.find("kkkkkkkk") == std::string::npos);
  CHECK(fixture.with_key({"put", fixture.store(), "t", "k"}).exit_code == 2);
  CHECK(fixture.with_key({"put", fixture.store(), "t", "k", "v", "--file", "f"}).exit_code == 2);
  CHECK(fixture.with_key({"put", fixture.store(), "t", "k", "--file", fixture.file("no")})
            .exit_code == 3);
}

}  // namespace coffer::tools::test
