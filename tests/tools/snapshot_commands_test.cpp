// backup snapshot, backup incremental, and restoring and verifying chains.
#include <coffer/coffer.hpp>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/tools/backup_support.hpp"
#include "tests/tools/safety_support.hpp"

namespace coffer::tools::test {
namespace {

/// The words that open the store in question.
struct SnapshotCase {
  const BackupFixture& fixture;
  bool encrypted;
  [[nodiscard]] std::string store() const {
    return encrypted ? fixture.encrypted() : fixture.plain();
  }
  [[nodiscard]] Words key() const {
    return encrypted ? fixture.store_key() : Words{"--unencrypted"};
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    return fixture.file((encrypted ? "e-" : "p-") + name);
  }
  std::string run(Words words) const { return fixture.must(words + key()); }
  void put(const std::string& key_text, const std::string& value) const {
    run({"put", store(), "changes", key_text, value});
  }
};

}  // namespace

TEST_CASE("backup: a chain of a snapshot and increments restores to every point of it") {
  const BackupFixture fixture;
  for (const bool encrypted : {true, false}) {
    CAPTURE(encrypted);
    const SnapshotCase c{fixture, encrypted};
    std::vector<std::string> records;
    Words chain;
    const auto note = [&] {
      chain.push_back(c.file("link" + std::to_string(chain.size())));
      records.push_back(c.run({"export", c.store(), "--all", "--format", "dump"}));
    };
    note();
    CHECK_THAT(c.run({"backup", "snapshot", c.store(), chain[0]}),
               Catch::Contains(" pages of 4096 bytes, ") &&
                   Catch::Contains(encrypted ? ", encrypted, " : ", not encrypted, "));
    for (int i = 1; i < 4; ++i) {
      c.put("key" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 100, 'x'));
      note();
      const auto json =
          nlohmann::json::parse(c.run({"backup", "incremental", c.store(), chain.back(), "--parent",
                                       chain[chain.size() - 2], "--json"}));
      CHECK(json["kind"] == "snapshot-increment");
      CHECK(json["link"] == i);
      CHECK(json["pages"] < 30);
      CHECK(json["encrypted"] == encrypted);
      CHECK(json["bytes"] == std::filesystem::file_size(chain.back()));
    }
    CHECK_THAT(c.run(Words{"backup", "verify"} + chain), Catch::Contains(", link 3, "));
    CHECK_THAT(c.run(Words{"restore"} + chain + Words{"--verify-only"}), Catch::Contains("ok, "));
    for (std::size_t links = 1; links <= chain.size(); ++links) {
      CAPTURE(links);
      const Words part(chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(links));
      const std::string restored = c.file("restored" + std::to_string(links));
      c.run(Words{"restore"} + part + Words{restored});
      CHECK(c.run({"export", restored, "--all", "--format", "dump"}) == records[links - 1]);
      c.run({"check", restored});
    }
    // Of two full backups in one call, each with its increments.
    const auto lines = c.run({"backup", "verify", chain[0], chain[1], chain[0], "--json"});
    std::istringstream in(lines);
    std::string first;
    std::string second;
    std::getline(in, first);
    std::getline(in, second);
    CHECK(nlohmann::json::parse(first)["chain"].size() == 2);
    CHECK(!nlohmann::json::parse(second).contains("chain"));
  }
}

TEST_CASE("backup: a snapshot as a directory is a store, and a directory takes files by name") {
  const BackupFixture fixture;
  const SnapshotCase c{fixture, true};
  c.run({"backup", "snapshot", c.store(), c.file("copy"), "--directory"});
  CHECK(c.run({"export", c.file("copy"), "--all", "--format", "dump"}) == fixture.records());
  c.run({"put", c.file("copy"), "changes", "a", "b"});
  c.run({"check", c.file("copy")});
  std::filesystem::create_directory(c.file("many"));
  c.run({"backup", "snapshot", c.store(), c.file("many"), "--no-verify"});
  const auto listed =
      nlohmann::json::parse(fixture.must({"backup", "list", c.file("many"), "--json"}));
  const std::string made = listed["backups"][0]["file"];
  CHECK_THAT(made, Catch::Contains("-snapshot-encrypted.coffer-backup"));
  c.run({"backup", "incremental", c.store(), c.file("many"), "--parent", made});
  CHECK_THAT(fixture.must({"backup", "list", c.file("many")}),
             Catch::Contains("2 backups in 1 sets"));
  c.run({"backup", "verify", made});
}

TEST_CASE("backup: what a snapshot cannot be is refused with its reason, and nothing changes") {
  const BackupFixture fixture;
  const SnapshotCase e{fixture, true};
  const SnapshotCase p{fixture, false};
  for (const SnapshotCase& c : {e, p}) {
    c.run({"backup", "snapshot", c.store(), c.file("full")});
    c.put("a", "1");
    c.run({"backup", "incremental", c.store(), c.file("one"), "--parent", c.file("full")});
    c.run({"backup", "incremental", c.store(), c.file("two"), "--parent", c.file("one")});
    // A store's checkpoint is made before the parent is looked at, so these change its superblock only.
    CHECK(
        coffer(Words{"backup", "incremental", c.store(), c.file("no"), "--parent", c.file("none")} +
               c.key())
            .exit_code == 2);
    fixture.refused(Words{"restore", c.file("one"), c.file("no")} + c.key(), 2,
                    "name the full snapshot of its chain first");
    fixture.refused(Words{"restore", c.file("full"), c.file("two"), c.file("no")} + c.key(), 2,
                    "is missing");
    fixture.refused(Words{"restore", c.file("full"), c.file("one"), c.store()} + c.key(), 2,
                    "already there");
    fixture.refused(
        Words{"restore", c.file("full"), c.file("no"), "--new-key-file", fixture.file("new.key")} +
            c.key(),
        2, "leave out the new key");
    fixture.refused(Words{"restore", c.file("full"), c.file("no"), "--page-size", "8192"} + c.key(),
                    2, "its own page size");
  }
  fixture.refused(Words{"restore", e.file("full"), e.file("no")} + fixture.key("other.key"), 4);
  fixture.refused({"restore", e.file("full"), e.file("no"), "--unencrypted"}, 2, "encrypted");
  fixture.refused(Words{"restore", p.file("full"), p.file("no")} + fixture.store_key(), 2,
                  "a key was given");
  fixture.refused(Words{"restore", e.file("full"), p.file("one"), e.file("no")} + e.key(), 2);
}

TEST_CASE("backup: a store that is open elsewhere is busy for a snapshot") {
  const BackupFixture fixture;
  const SnapshotCase c{fixture, true};
  const coffer::Key key = coffer::Key::from_file(fixture.file("store.key"));
  const coffer::Store open = coffer::Store::open(c.store(), key);
  CHECK(coffer(Words{"backup", "snapshot", c.store(), c.file("full")} + c.key()).exit_code == 7);
  CHECK(!std::filesystem::exists(c.file("full")));
}

TEST_CASE("backup: a chain of logical backups restores to every point of it, under any key") {
  const BackupFixture fixture;
  for (const bool encrypted : {true, false}) {
    for (const bool own_key : {true, false}) {
      CAPTURE(encrypted, own_key);
      const SnapshotCase c{fixture, encrypted};
      const std::string prefix = own_key ? "own" : "same";
      const Words how = own_key ? Words{"--encryption", "use_provided_key", "--backup-key-file",
                                        fixture.file("backup.key")}
                                : Words{};
      const Words opens = own_key ? fixture.backup_key() : c.key();
      std::vector<std::string> records;
      Words chain;
      for (int i = 0; i < 3; ++i) {
        c.put(prefix + std::to_string(i), std::string(static_cast<std::size_t>(i) * 100, 'x'));
        chain.push_back(c.file(prefix + "link" + std::to_string(i)));
        const Words parent = i == 0 ? Words{} : Words{"--parent", chain[chain.size() - 2]};
        c.run(Words{"backup", "logical", c.store(), chain.back()} + parent + how);
        records.push_back(c.run({"export", c.store(), "--all", "--format", "dump"}));
        if (i > 0)
          CHECK(std::filesystem::file_size(chain.back()) <
                std::filesystem::file_size(chain[0]) / 4);
      }
      fixture.must(Words{"backup", "verify"} + chain + opens);
      for (std::size_t links = 1; links <= chain.size(); ++links) {
        CAPTURE(links);
        const std::string restored = c.file(prefix + "restored" + std::to_string(links));
        fixture.must(
            Words{"restore"} +
            Words(chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(links)) +
            Words{restored, "--new-key-file", fixture.file("new.key"), "--page-size", "8192"} +
            opens);
        CHECK(fixture.records_of(restored, fixture.key("new.key")) == records[links - 1]);
      }
      CHECK(coffer(Words{"restore", chain[1], c.file("no")} + opens).exit_code == 2);
      CHECK(coffer(Words{"restore", chain[0], chain[2], c.file("no")} + opens).exit_code == 2);
    }
    const SnapshotCase c{fixture, encrypted};
    c.run({"backup", "logical", c.store(), c.file("untouched"), "--read-only"});
    const Outcome outcome = coffer(
        Words{"backup", "logical", c.store(), c.file("no"), "--parent", c.file("untouched")} +
        c.key());
    CHECK(outcome.exit_code == 2);
    CHECK_THAT(outcome.err, Catch::Contains("read-only"));
  }
}

TEST_CASE("bench: backups are measured, with what bounds them, and what was restored is compared") {
  const TemporaryFolder folder;
  const Outcome outcome = coffer({"bench", "--backups-of", "3M", "--rounds", "2", "--dir",
                                  folder.path().string(), "--locked-max", "4M", "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["pages"] > 600);
  CHECK(json["pages_in_increment"] > 3);
  CHECK(json["pages_in_increment"] < json["pages"]);
  CHECK(json["seconds"].size() == 9);
  CHECK(json["ratios"].size() == 6);
  for (const auto& [task, seconds] : json["seconds"].items()) {
    CAPTURE(task);
    REQUIRE(seconds.size() == 2);
    CHECK(seconds[0] > 0);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace coffer::tools::test
