// What the command does when something is wrong: edited files, rollbacks, closed streams, little memory.

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "tests/tools/safety_support.hpp"
#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

TEST_CASE("Random damage to any file is reported with exit code 5, or changes nothing") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 2000));
  const std::string honest = fixture.must({"scan", fixture.store(), "t"});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 engine(seed);
  int detected = 0;
  for (const auto& [name, content] : contents_of(fixture.store())) {
    if (content.empty()) continue;
    for (int round = 0; round < 6; ++round) {
      std::string edited = content;
      const std::size_t place = engine() % edited.size();
      edited[place] = static_cast<char>(edited[place] ^ static_cast<char>(1u << (engine() % 8)));
      write_file(fs::path(fixture.store()) / name, edited);
      const Outcome outcome = fixture.with_key({"check", fixture.store()});
      CAPTURE(name, place, outcome.err);
      if (outcome.exit_code == 0) {
        CHECK((fixture.must({"scan", fixture.store(), "t"}) == honest));
      } else {
        CHECK(outcome.exit_code == 5);
        CHECK(is_one_error_line(outcome.err));
        CHECK(outcome.out.empty());
        ++detected;
      }
    }
    write_file(fs::path(fixture.store()) / name, content);
  }
  // The store is full of sealed bytes: some of so many edits must have hit one.
  CHECK(detected > 0);
  CHECK((fixture.must({"scan", fixture.store(), "t"}) == honest));
}

TEST_CASE("A zeroed page file is tampering, not an empty store") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 2000));
  const fs::path file = fs::path(fixture.store()) / "pages";
  write_file(file, std::string(fs::file_size(file), '\0'));
  CHECK(fixture.with_key({"check", fixture.store()}).exit_code == 5);
  CHECK(fixture.with_key({"scan", fixture.store(), "t"}).exit_code == 5);
}

TEST_CASE("A page file that was cut short ends every command with exit code 5 and says so") {
  const StoreFixture fixture;
  const std::string plain = fixture.file("plain");
  REQUIRE(coffer({"create", plain, "--unencrypted"}).exit_code == 0);
  const std::string lines = numbered_lines(0, 5000);
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, lines);
  REQUIRE(
      coffer({"import", plain, "t", "-", "--format", "tsv", "--unencrypted"}, lines).exit_code ==
      0);
  for (const fs::path store : {fixture.store(), plain}) {
    const fs::path file = store / "pages";
    for (const std::uintmax_t size : {fs::file_size(file) / 2, std::uintmax_t{0}}) {
      fs::resize_file(file, size);
      for (const char* command : {"check", "trees", "stat"}) {
        const Outcome outcome = store == fs::path(plain)
                                    ? coffer({command, plain, "--unencrypted"})
                                    : fixture.with_key({command, store.string()});
        CAPTURE(store, size, command, outcome.err);
        CHECK(outcome.exit_code == 5);
        CHECK(is_one_error_line(outcome.err));
        CHECK_THAT(outcome.err, Catch::Contains("was cut") && Catch::Contains("backup"));
      }
    }
  }
}

TEST_CASE("With an anchor an older copy of the store is refused, without one it is not seen") {
  const StoreFixture fixture;
  const std::string anchor = fixture.file("anchor");
  const std::vector<std::string> anchored{"--anchor-file", anchor, "--update-anchor"};
  const auto with_anchor = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), anchored.begin(), anchored.end());
    return arguments;
  };
  fixture.must(with_anchor({"put", fixture.store(), "t", "k", "old"}));
  const std::string old_anchor = read_file(anchor);
  fs::copy(fixture.store(), fixture.file("older"), fs::copy_options::recursive);
  fixture.must(with_anchor({"put", fixture.store(), "t", "k", "new"}));
  CHECK(read_file(anchor) != old_anchor);
  CHECK(fixture.must({"get", fixture.store(), "t", "k", "--anchor-file", anchor}) == "new");

  fs::remove_all(fixture.store());
  fs::rename(fixture.file("older"), fixture.store());
  CHECK(fixture.must({"get", fixture.store(), "t", "k"}) == "old");
  const Outcome refused =
      fixture.with_key({"get", fixture.store(), "t", "k", "--anchor-file", anchor});
  CHECK(refused.exit_code == 5);
  CHECK(refused.out.empty());
  CHECK(is_one_error_line(refused.err));
  // A refused store does not move the anchor.
  const std::string kept = read_file(anchor);
  CHECK(fixture.with_key(with_anchor({"put", fixture.store(), "t", "k", "x"})).exit_code == 5);
  CHECK(read_file(anchor) == kept);
}

TEST_CASE("An anchor that is missing or malformed is not passed over") {
  const StoreFixture fixture;
  const std::string anchor = fixture.file("anchor");
  CHECK(fixture.with_key({"trees", fixture.store(), "--anchor-file", anchor}).exit_code == 2);
  write_file(anchor, "coffer-anchor 1\n");
  const Outcome malformed = fixture.with_key({"trees", fixture.store(), "--anchor-file", anchor});
  CHECK(malformed.exit_code == 2);
  CHECK(is_one_error_line(malformed.err));
}

TEST_CASE("A reader of the output that goes away ends a scan without a word") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv"}, numbered_lines(0, 20'000));
  const Outcome outcome =
      run({.arguments = fixture.keyed({"scan", fixture.store(), "t"}), .output_is_unread = true});
#ifdef _WIN32
  CHECK(outcome.exit_code == 3);  // There are no signals.
#else
  CHECK(outcome.signal == SIGPIPE);
#endif
  CHECK(outcome.err.empty());
}

TEST_CASE("A closed standard stream is an error, and never a file of the store") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v"});
  const auto before = contents_of(fixture.store());
  const auto without = [&](std::vector<Stream> streams, std::vector<std::string> arguments) {
    return run({.arguments = fixture.keyed(std::move(arguments)), .closed = std::move(streams)});
  };
  for (const char* command : {"get", "scan", "export"}) {
    std::vector<std::string> arguments{command, fixture.store(), "t"};
    if (std::string(command) == "get") arguments.emplace_back("k");
    if (std::string(command) == "export") arguments.insert(arguments.end(), {"--format", "tsv"});
    const Outcome outcome = without({Stream::output}, arguments);
    CAPTURE(command, outcome.err);
    CHECK(outcome.exit_code == 3);
    CHECK(is_one_error_line(outcome.err));
  }
  CHECK((contents_of(fixture.store()) == before));
  CHECK(without({Stream::input}, {"put", fixture.store(), "t", "l", "-"}).exit_code == 3);
  CHECK(without({Stream::input}, {"import", fixture.store(), "t", "-", "--format", "tsv"})
            .exit_code == 3);
  // Nobody hears of the error, but its line goes nowhere else.
  CHECK(without({Stream::input, Stream::output, Stream::error}, {"get", fixture.store(), "t", "k"})
            .exit_code == 3);
  CHECK(without({Stream::error}, {"get", fixture.store(), "t", "absent"}).exit_code == 1);
  CHECK(fixture.must({"scan", fixture.store(), "t"}) == "k\tv\n");
  for (const auto& [name, content] : contents_of(fixture.store())) {
    CAPTURE(name);
    CHECK(content.find("coffer: ") == std::string::npos);
    if (name == "lock") CHECK(content.empty());
  }
}

TEST_CASE("A small budget of locked memory is kept") {
  const StoreFixture fixture;
  fixture.must({"import", fixture.store(), "t", "-", "--format", "tsv", "--locked-max", "1M"},
               numbered_lines(0, 20'000));
  CHECK(count_lines(fixture.must({"scan", fixture.store(), "t", "--locked-max", "1M"})) == 20'000);
  const auto statistics = nlohmann::json::parse(
      fixture.must({"stat", fixture.store(), "--locked-max", "1M", "--json"}));
  CHECK(statistics.at("locked_bytes_max") == 1'048'576);
  CHECK(statistics.at("locked_bytes_store").get<int>() <= 1'048'576);
}

TEST_CASE("Relaxed durability keeps what a finished command wrote") {
  const StoreFixture fixture;
  fixture.must({"put", fixture.store(), "t", "k", "v", "--durability", "relaxed"});
  CHECK(fixture.must({"get", fixture.store(), "t", "k"}) == "v");
}

}  // namespace coffer::tools::test
