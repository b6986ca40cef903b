// backup list, backup prune, and backups that get their names in a directory.
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/backup/label_files.hpp"
#include "tests/tools/backup_support.hpp"
#include "tests/tools/safety_support.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;
using backup::Label;
using backup::format::KeyOrigin;
using backup::format::Kind;
using coffer::test::full_label_of;
using coffer::test::label_after;
using std::chrono::days;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// 2020-01-02 03:04:05 UTC, as `date -u +%s` has it.
constexpr nanoseconds kLongAgo = seconds(1'577'934'245);

nanoseconds days_ago(int count) {
  return std::chrono::system_clock::now().time_since_epoch() - days(count);
}

class LabelFolder {
 public:
  LabelFolder() { fs::create_directory(directory_ / "b"); }
  void put(const std::string& name, const Label& label, unsigned char store = 1) const {
    const auto bytes = coffer::test::label_file(label, store);
    write_file(file(name), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  [[nodiscard]] std::string place() const { return directory_ / "b"; }
  [[nodiscard]] std::string file(const std::string& name) const {
    return (fs::path(place()) / name).string();
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, content] : contents_of(place())) all.push_back(name);
    return all;
  }

 private:
  TemporaryFolder directory_;
};

Outcome list_of(const LabelFolder& folder, const Words& more = {}) {
  return coffer(Words{"backup", "list", folder.place()} + more);
}

Outcome prune_of(const LabelFolder& folder, const Words& more) {
  return coffer(Words{"backup", "prune", folder.place()} + more);
}

/// A set of 90 and 80 days, one of 60 and 10, one of today, all under the store's key.
void put_three_sets(const LabelFolder& folder) {
  const Label old = full_label_of(1, days_ago(90), KeyOrigin::store);
  folder.put("old", old);
  folder.put("old-1", label_after(old, 2, days_ago(80)));
  const Label running = full_label_of(3, days_ago(60), KeyOrigin::store, Kind::snapshot);
  folder.put("running", running);
  folder.put("running-1", label_after(running, 4, days_ago(10)));
  folder.put("new", full_label_of(5, days_ago(0), KeyOrigin::store));
}

}  // namespace

TEST_CASE("backup list: a table for people") {
  const LabelFolder folder;
  const Label full = full_label_of(0x0a, kLongAgo, KeyOrigin::store, Kind::snapshot);
  folder.put("full", full, 0xab);
  folder.put("next", label_after(full, 0x0b, kLongAgo + seconds(1)), 0xab);
  const Label named = full_label_of(0x0c, kLongAgo + seconds(2), KeyOrigin::none);
  folder.put("orders-20200102T030407.000Z-logical-plain.coffer-backup", named);
  folder.put("renamed", full_label_of(0x0d, kLongAgo + seconds(3), KeyOrigin::provided));
  write_file(folder.file(".x-0123456789abcdef.in-progress"), "");
  write_file(folder.file("notes"), "no backup");
  const Outcome outcome = list_of(folder);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err.empty());
  // The files have 4,708 bytes: 4.6 KiB, all four 18.4.
  CHECK(outcome.out ==
        "set       link  taken                 kind                encryption              size  "
        "store            file\n"
        "0a000000     0  2020-01-02T03:04:05Z  snapshot            use_database_key     4.6 KiB  "
        "id abababab      full\n"
        "0a000000     1  2020-01-02T03:04:06Z  snapshot-increment  use_database_key     4.6 KiB  "
        "id abababab      next\n"
        "0c000000     0  2020-01-02T03:04:07Z  logical             none                 4.6 KiB  "
        "orders           orders-20200102T030407.000Z-logical-plain.coffer-backup\n"
        "0d000000     0  2020-01-02T03:04:08Z  logical             use_provided_key     4.6 KiB  "
        "?                renamed  (of which store does not show)\n"
        "not counted: .x-0123456789abcdef.in-progress (being written, or left over)\n"
        "4 backups in 3 sets, 18.4 KiB; nothing of this is verified\n");

  const LabelFolder empty;
  CHECK(list_of(empty).out == "0 backups in 0 sets, 0 B; nothing of this is verified\n");
}

TEST_CASE("backup list: JSON has everything") {
  const LabelFolder folder;
  const Label full = full_label_of(0x0a, kLongAgo, KeyOrigin::store, Kind::snapshot);
  folder.put("next", label_after(full, 0x0b, kLongAgo + seconds(1)), 0xab);
  write_file(folder.file(".x-0123456789abcdef.in-progress"), "");
  const auto json = nlohmann::json::parse(list_of(folder, {"--json"}).out);
  CHECK(json.at("backups") ==
        nlohmann::json::array({{{"file", folder.file("next")},
                                {"bytes", 4708},
                                {"kind", "snapshot-increment"},
                                {"encryption", "use_database_key"},
                                {"taken", "2020-01-02T03:04:06Z"},
                                {"page_size", 4096},
                                {"link", 1},
                                {"id", "0b" + std::string(30, '0')},
                                {"set", "0a" + std::string(30, '0')},
                                {"parent", "0a" + std::string(30, '0')},
                                {"store_id", "abababababababababababababababab"},
                                {"store_name", nullptr},
                                {"trouble", "orphaned"}}}));
  REQUIRE(json.at("others").size() == 1);
  CHECK(json.at("others")[0].at("file") == folder.file(".x-0123456789abcdef.in-progress"));
  CHECK(json.at("others")[0].at("trouble") == "in_progress");
}

TEST_CASE(
    "backup list and prune: what cannot be used is one line on standard error, and the code") {
  const LabelFolder folder;
  put_three_sets(folder);
  fs::create_directory(folder.file("folder.coffer-backup"));
  CHECK(list_of(folder).exit_code == 3);
  write_file(folder.file("empty.coffer-backup"), "");
  auto bytes = read_file(folder.file("new"));
  bytes[12] = 9;
  write_file(folder.file("unknown"), bytes);
  for (const Words& arguments :
       {Words{"backup", "list", folder.place()},
        Words{"backup", "prune", folder.place(), "--keep-days", "30", "--dry-run"}}) {
    const Outcome outcome = coffer(arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 5);
    CHECK(count_lines(outcome.err) == 3);
    CHECK_THAT(outcome.err, Catch::StartsWith("coffer: " + folder.file("empty.coffer-backup")) &&
                                Catch::Contains("\ncoffer: " + folder.file("unknown")) &&
                                Catch::Contains(folder.file("folder.coffer-backup")));
    CHECK_THAT(outcome.out, Catch::Contains("5 backups in 3 sets") ||
                                Catch::Contains("would remove 2 backups in 1 sets"));
  }
  // It prunes all the same.
  CHECK(prune_of(folder, {"--keep-days", "30"}).exit_code == 5);
  CHECK(folder.names() ==
        std::vector<std::string>{"empty.coffer-backup", "new", "running", "running-1", "unknown"});
}

TEST_CASE("backup prune: sets leave whole, the full one last, and a dry run leaves all") {
  const LabelFolder folder;
  put_three_sets(folder);
  const auto before = contents_of(folder.place());
  const Outcome dry = prune_of(folder, {"--keep-days", "30", "--dry-run"});
  CHECK(dry.exit_code == 0);
  CHECK(dry.err.empty());
  CHECK_THAT(dry.out, Catch::StartsWith("would remove old-1, 4.6 KiB, taken ") &&
                          Catch::Contains("Z\nwould remove old, 4.6 KiB, taken ") &&
                          Catch::EndsWith("would remove 2 backups in 1 sets, 9.2 KiB; would keep 3 "
                                          "backups in 2 sets, 13.8 KiB\n"));
  CHECK((contents_of(folder.place()) == before));

  // The set of 60 and 10 days: one is newer.
  const auto json =
      nlohmann::json::parse(prune_of(folder, {"--keep-count", "1", "--dry-run", "--json"}).out);
  CHECK(json.at("dry_run") == true);
  std::vector<std::string> removed;
  for (const auto& backup : json.at("removed")) removed.push_back(backup.at("file"));
  CHECK(removed == std::vector<std::string>{folder.file("old-1"), folder.file("old"),
                                            folder.file("running-1"), folder.file("running")});
  REQUIRE(json.at("kept").size() == 1);
  CHECK(json.at("kept")[0].at("file") == folder.file("new"));
  CHECK(json.at("others").empty());
  CHECK((contents_of(folder.place()) == before));

  const Outcome done = prune_of(folder, {"--keep-days", "30", "--keep-count", "1"});
  CHECK(done.exit_code == 0);
  CHECK_THAT(done.out, Catch::StartsWith("removed old-1, ") &&
                           Catch::EndsWith("removed 2 backups in 1 sets, 9.2 KiB; kept 3 backups "
                                           "in 2 sets, 13.8 KiB\n"));
  CHECK(folder.names() == std::vector<std::string>{"new", "running", "running-1"});
}

TEST_CASE("backup prune: what stays for its trouble is named") {
  const LabelFolder folder;
  put_three_sets(folder);
  folder.put("later", full_label_of(20, days_ago(-10), KeyOrigin::store));
  const Outcome outcome = prune_of(folder, {"--keep-count", "1"});
  CHECK(outcome.exit_code == 0);
  CHECK_THAT(outcome.out, Catch::Contains("kept later with its set: dated in the future\n"));
  CHECK(folder.names() == std::vector<std::string>{"later", "new"});
}

TEST_CASE("backup list and prune: what is wrong with the command line") {
  const LabelFolder folder;
  put_three_sets(folder);
  const auto before = contents_of(folder.place());
  const auto wrong = [&](const Words& arguments, const std::string& said) {
    const Outcome outcome = coffer(arguments);
    CAPTURE(described(arguments), outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
    CHECK_THAT(outcome.err, Catch::Contains(said));
    CHECK((contents_of(folder.place()) == before));
  };
  const Words prune{"backup", "prune", folder.place()};
  wrong({"backup", "list"}, "coffer backup --help");
  wrong({"backup", "list", ""}, "DIR is empty");
  wrong({"backup", "list", folder.file("absent")}, "there is no directory");
  wrong({"backup", "list", folder.file("new")}, "there is no directory");
  wrong({"backup", "prune"}, "coffer backup --help");
  wrong({"backup", "prune", "", "--keep-days", "1"}, "DIR is empty");
  wrong({"backup", "prune", folder.file("absent"), "--keep-days", "1"}, "there is no directory");
  wrong(prune, "--keep-days N, --keep-count N, or both");
  wrong(prune + Words{"--dry-run"}, "--keep-days N, --keep-count N, or both");
  wrong(prune + Words{"--keep-count", "0"}, "--keep-count 0");
  wrong(prune + Words{"--keep-days", "1", "--keep-count", "0"}, "--keep-count 0");
  wrong(prune + Words{"--keep-days", "-1"}, "--keep-days");
  wrong(prune + Words{"--keep-days", ""}, "--keep-days");
  wrong(prune + Words{"--keep-count", "many"}, "--keep-count");
}

TEST_CASE("backup logical: a directory gets a backup that is named after its store") {
  const BackupFixture fixture;
  fs::create_directory(fixture.file("backups"));
  const auto made = [&](const std::string& store, const Words& more) {
    const auto json = nlohmann::json::parse(
        fixture.must(Words{"backup", "logical", store, fixture.file("backups"), "--json"} + more));
    return json.at("file").get<std::string>();
  };
  // As the system writes paths.
  const auto in_place = [&](const std::string& name) {
    return (fs::path(fixture.file("backups")) / name).string();
  };
  const std::string encrypted = made(fixture.encrypted(), fixture.store_key());
  CHECK_THAT(encrypted, Catch::StartsWith(in_place("encrypted-20")) &&
                            Catch::EndsWith("Z-logical-encrypted.coffer-backup"));
  // However the store is written.
  const std::string plain = made(fixture.plain() + "/./", {"--unencrypted"});
  CHECK_THAT(plain, Catch::StartsWith(in_place("plain-20")) &&
                        Catch::EndsWith("Z-logical-plain.coffer-backup"));
  fixture.must(Words{"backup", "verify", encrypted} + fixture.store_key());
  fixture.must({"backup", "verify", plain, "--unencrypted"});
  const auto list =
      nlohmann::json::parse(fixture.must({"backup", "list", fixture.file("backups"), "--json"}));
  REQUIRE(list.at("backups").size() == 2);
  CHECK(list.at("others").empty());
  for (const auto& backup : list.at("backups")) CHECK(backup.at("trouble") == nullptr);
  CHECK(list.at("backups")[0].at("store_name") == "encrypted");
  CHECK(list.at("backups")[1].at("store_name") == "plain");
  CHECK_THAT(fixture.must(
                 {"backup", "logical", fixture.plain(), fixture.file("backups"), "--unencrypted"}),
             Catch::StartsWith(in_place("plain-20")));
}

}  // namespace coffer::tools::test
