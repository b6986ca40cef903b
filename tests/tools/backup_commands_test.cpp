// backup logical, backup verify and restore: which keys go together, and what comes back.
#include <catch2/catch.hpp>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "tests/tools/backup_support.hpp"
#include "tests/tools/cheap_create.hpp"
#include "tests/tools/safety_support.hpp"
#include "tools/backup/backup_report.hpp"
#include "tools/backup/backup_watcher.hpp"

namespace coffer::tools::test {
namespace {

namespace fs = std::filesystem;

// What is said of the key when a backup is read.
enum class SaidOfKey { nothing, none, stores_key, backups_key, another_key };
constexpr std::size_t kWaysToSay = 5;

// A store, how it is backed up, and how each of these ends: the backup, and reading it with each SaidOfKey.
struct KeyCase {
  bool encrypted_store;
  const char* mode;  // null: not given
  bool key_given;
  int backup;
  std::array<int, kWaysToSay> reading;
};

// clang-format off
constexpr std::array<KeyCase, 16> kKeyCases{{
    // encrypted                          backup | nothing  none  store's  backup's  another
    {true, nullptr, false,                     0, {      2,    2,       0,        4,       4}},
    {true, nullptr, true,                      2, {}},
    {true, "none", false,                      0, {      0,    0,       2,        2,       2}},
    {true, "none", true,                       2, {}},
    {true, "use_provided_key", false,          2, {}},
    {true, "use_provided_key", true,           0, {      2,    2,       4,        0,       4}},
    {true, "use_database_key", false,          0, {      2,    2,       0,        4,       4}},
    {true, "use_database_key", true,           2, {}},
    // not encrypted
    {false, nullptr, false,                    0, {      0,    0,       2,        2,       2}},
    {false, nullptr, true,                     2, {}},
    {false, "none", false,                     0, {      0,    0,       2,        2,       2}},
    {false, "none", true,                      2, {}},
    {false, "use_provided_key", false,         2, {}},
    {false, "use_provided_key", true,          0, {      2,    2,       4,        0,       4}},
    {false, "use_database_key", false,         2, {}},
    {false, "use_database_key", true,          2, {}},
}};
// clang-format on

Words options_of(const BackupFixture& fixture, SaidOfKey said) {
  switch (said) {
    case SaidOfKey::nothing:
      return {};
    case SaidOfKey::none:
      return {"--unencrypted"};
    case SaidOfKey::stores_key:
      return fixture.key("store.key");
    case SaidOfKey::backups_key:
      return fixture.key("backup.key");
    case SaidOfKey::another_key:
      return fixture.key("other.key");
  }
  return {};
}

// Restores without and with a new key, which must both be all of it.
void restore_and_compare(const BackupFixture& fixture, const std::string& backup,
                         const Words& key) {
  const std::string store = fixture.file("restored");
  const Outcome plain = coffer(Words{"restore", backup, store} + key);
  INFO(plain.err);
  REQUIRE(plain.exit_code == 0);
  CHECK(plain.err == "coffer: the restored store is not encrypted; --new-key-file encrypts it\n");
  CHECK((fixture.records_of(store, {"--unencrypted"}) == fixture.records()));
  CHECK(coffer(Words{"trees", store} + fixture.store_key()).exit_code == 2);
  fs::remove_all(store);

  const Outcome encrypted =
      coffer(Words{"restore", backup, store, "--new-key-file", fixture.file("new.key")} + key);
  INFO(encrypted.err);
  REQUIRE(encrypted.exit_code == 0);
  CHECK(encrypted.err.empty());
  CHECK((fixture.records_of(store, fixture.key("new.key")) == fixture.records()));
  CHECK(coffer({"trees", store, "--unencrypted"}).exit_code == 2);
  CHECK(coffer(Words{"trees", store} + fixture.backup_key()).exit_code == 4);
  fs::remove_all(store);
}

// Neither verifying nor restoring it gets anywhere.
void refused_as_backup(const BackupFixture& fixture, const std::string& backup, const Words& key,
                       int exit_code) {
  const std::string store = fixture.file("restored");
  fixture.refused(Words{"backup", "verify", backup} + key, exit_code);
  fixture.refused(Words{"restore", "--verify-only", backup} + key, exit_code);
  fixture.refused(Words{"restore", backup, store} + key, exit_code);
  fixture.refused(Words{"restore", backup, store, "--new-key-file", fixture.file("new.key")} + key,
                  exit_code);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  return text.data();
}

}  // namespace

TEST_CASE("backup: every store, mode and key, read with every key") {
  const BackupFixture fixture;
  const std::string backup = fixture.file("backup");
  for (const KeyCase& row : kKeyCases) {
    const std::string store = row.encrypted_store ? fixture.encrypted() : fixture.plain();
    Words arguments{"backup", "logical", store, backup};
    if (row.mode != nullptr) arguments = arguments + Words{"--encryption", row.mode};
    if (row.key_given)
      arguments = arguments + Words{"--backup-key-file", fixture.file("backup.key")};
    arguments = arguments + (row.encrypted_store ? fixture.store_key() : Words{"--unencrypted"});
    CAPTURE(row.encrypted_store, std::string(row.mode == nullptr ? "" : row.mode), row.key_given);
    if (row.backup != 0) {
      fixture.refused(arguments, row.backup);
      continue;
    }
    fixture.must(arguments);
    for (std::size_t i = 0; i < kWaysToSay; ++i) {
      const Words key = options_of(fixture, static_cast<SaidOfKey>(i));
      CAPTURE(i);
      if (row.reading[i] != 0) {
        refused_as_backup(fixture, backup, key, row.reading[i]);
        continue;
      }
      CHECK(coffer(Words{"backup", "verify", backup} + key).exit_code == 0);
      CHECK(coffer(Words{"restore", backup, "--verify-only"} + key).exit_code == 0);
      restore_and_compare(fixture, backup, key);
    }
    fs::remove(backup);
  }
}

TEST_CASE("backup: what is wrong with the command line alone is said before anything is opened") {
  const TemporaryFolder folder;
  const std::string absent = folder / "absent";
  const auto wrong = [&](const Words& arguments, const std::string& said) {
    const Outcome outcome = coffer(arguments);
    CAPTURE(described(arguments), outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
    CHECK_THAT(outcome.err, Catch::Contains(said));
    CHECK(fs::is_empty(folder.path()));
  };
  const Words logical{"backup", "logical", absent, folder / "backup"};
  wrong({"backup"}, "coffer backup --help");
  wrong({"backup", "logical", absent}, "coffer backup --help");
  wrong({"backup", "verify"}, "coffer backup --help");
  wrong({"backup", "snapshot", absent}, "coffer backup --help");
  wrong({"backup", "snapshot", absent, "", "--unencrypted"}, "FILE is empty");
  wrong({"backup", "incremental", absent, absent}, "--parent");
  wrong({"backup", "incremental", absent, absent, "--parent", ""}, "its value is empty");
  wrong({"backup", "incremental", absent, absent, "--parent", absent, "--no-verify"},
        "--no-verify");
  wrong(logical + Words{"--encryption", "some"}, "some is none of none|use_provided_key");
  wrong(logical + Words{"--encryption", "use_provided_key"}, "needs the key: --backup-key-file");
  wrong(logical + Words{"--backup-key-file", absent}, "goes with --encryption use_provided_key");
  wrong(logical + Words{"--backup-key-file", absent, "--encryption", "none"},
        "goes with --encryption use_provided_key");
  wrong(logical + Words{"--backup-key-file", absent, "--encryption", "use_database_key"},
        "goes with --encryption use_provided_key");
  wrong(logical + Words{"--backup-key-file", absent, "--backup-passphrase-file", absent,
                        "--encryption", "use_provided_key"},
        "--backup-key-file and --backup-passphrase-file");
  wrong(logical + Words{"--backup-key-file", ""}, "its value is empty");
  wrong(logical + Words{"--encryption", "use_database_key", "--unencrypted"}, "has no key");
  wrong(logical + Words{"--rate-max", "fast"}, "fast is no number of bytes");
  wrong({"backup", "logical", absent, "", "--unencrypted"}, "FILE is empty");
  wrong({"restore", absent}, "--verify-only");
  wrong({"restore", absent, "--verify-only", "--new-key-file", absent},
        "leave out what is said of it");
  wrong({"restore", absent, "--verify-only", "--page-size", "4096"},
        "leave out what is said of it");
  wrong({"restore", absent, absent, "--page-size", "5000"}, "5000 is none of 4096|");
  wrong({"restore", absent, absent, "--new-key-file", absent, "--new-passphrase-file", absent},
        "--new-key-file and --new-passphrase-file");
  wrong({"restore", absent, absent, "--unencrypted", "--key-file", absent},
        "--unencrypted takes no key");
  wrong({"restore", absent, absent, "--unencrypted", "--anchor-file", absent}, "for stores");
  wrong({"backup", "verify", absent, "--unencrypted", "--update-anchor"}, "for stores");
}

TEST_CASE("backup: what is said, as text and as JSON") {
  const BackupFixture fixture;
  const std::string file = fixture.file("backup");
  const std::string before = utc_now();
  const auto made = nlohmann::json::parse(fixture.must(
      Words{"backup", "logical", fixture.encrypted(), file, "--json"} + fixture.store_key()));
  const std::string after = utc_now();
  CHECK(made.at("file") == file);
  CHECK(made.at("encrypted") == true);
  CHECK(made.at("bytes") == fs::file_size(file));
  CHECK(made.at("trees") == kTreesOfAllKinds);
  CHECK(made.at("entries") == kEntriesOfAllKinds);
  CHECK(made.at("page_size") == 4096);
  CHECK(made.at("taken").get<std::string>() >= before);
  CHECK(made.at("taken").get<std::string>() <= after);
  const auto store = nlohmann::json::parse(
      fixture.must(Words{"stat", fixture.encrypted(), "--json"} + fixture.store_key()));
  CHECK(made.at("commit") == store.at("last_commit"));

  const auto without_time = [](nlohmann::json json) {
    CHECK(json.at("elapsed_ms").get<int>() >= 0);
    json.erase("elapsed_ms");
    return json;
  };
  CHECK(without_time(nlohmann::json::parse(
            fixture.must(Words{"backup", "verify", file, "--json"} + fixture.store_key()))) ==
        without_time(made));
  auto restored = without_time(nlohmann::json::parse(fixture.must(
      Words{"restore", file, fixture.file("restored"), "--json"} + fixture.store_key())));
  CHECK(restored.at("store") == fixture.file("restored"));
  restored.erase("store");
  CHECK(restored == without_time(made));

  const std::string amounts = "3012 entries in 7 trees";
  const std::string commit = "commit " + made.at("commit").dump();
  const std::string text = fixture.must(
      {"backup", "logical", fixture.plain(), fixture.file("plain backup"), "--unencrypted"});
  CHECK(count_lines(text) == 1);
  CHECK_THAT(text, Catch::StartsWith(fixture.file("plain backup") + ": backed up " + amounts) &&
                       Catch::Contains(", not encrypted, commit "));
  const std::string verified = fixture.must(Words{"backup", "verify", file} + fixture.store_key());
  CHECK(count_lines(verified) == 1);
  CHECK_THAT(verified, Catch::StartsWith(file + ": ok, encrypted, taken " +
                                         made.at("taken").get<std::string>() + ", " + commit +
                                         ", " + amounts + ", "));
  const std::string again =
      fixture.must(Words{"restore", file, fixture.file("again")} + fixture.store_key());
  CHECK(count_lines(again) == 1);
  CHECK_THAT(again,
             Catch::StartsWith(fixture.file("again") + ": restored " + amounts + ", taken "));
}

TEST_CASE("backup: times are those of the calendar, whatever number a file holds") {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  CHECK(time_as_text(nanoseconds(0)) == "1970-01-01T00:00:00Z");
  CHECK(time_as_text(nanoseconds(-1)) == "1969-12-31T23:59:59Z");
  CHECK(time_as_text(seconds(951'782'400)) == "2000-02-29T00:00:00Z");
  CHECK(time_as_text(seconds(1'893'455'999)) == "2029-12-31T23:59:59Z");
  // As `date -u -d @9223372036` has it; what it makes of the other end is -9223372037.
  CHECK(time_as_text(nanoseconds::max()) == "2262-04-11T23:47:16Z");
  CHECK(time_as_text(nanoseconds::min()) == "1677-09-21T00:12:43Z");
}

TEST_CASE("backup: progress has bytes, entries and the rate, and the time left where it is known") {
  BackupProgress progress{
      .bytes_done = 3 << 20, .entries = 1200, .elapsed = std::chrono::seconds(2)};
  CHECK(progress_as_text("backing up", progress) == "backing up: 3.0 MiB, 1200 entries, 1.5 MiB/s");
  progress.bytes_total = 9 << 20;
  CHECK(progress_as_text("verifying", progress) ==
        "verifying: 3.0 MiB of 9.0 MiB, 1200 entries, 1.5 MiB/s, 4 s left");
  progress.bytes_done = progress.bytes_total;
  CHECK(progress_as_text("verifying", progress) ==
        "verifying: 9.0 MiB of 9.0 MiB, 1200 entries, 4.5 MiB/s");
  CHECK(progress_as_text("restoring", {.bytes_total = 1024}) ==
        "restoring: 0 B of 1.0 KiB, 0 entries, 0 B/s");
}

TEST_CASE("backup: what is there already is refused and stays as it is") {
  const BackupFixture fixture;
  const std::string good = fixture.plain_backup("good");
  write_file(fixture.file("taken"), "somebody's");
  fs::create_directory(fixture.file("directory"));
  fs::create_directory(fixture.file("full"));
  write_file(fixture.file("full/file"), "somebody's");
  for (const std::string target : {"taken", "directory", "full", "plain", "encrypted", "good"}) {
    // Into a directory goes a file of another name, but into no store's.
    if (target != "directory" && target != "full") {
      fixture.refused({"backup", "logical", fixture.plain(), fixture.file(target), "--unencrypted"},
                      2);
    }
    fixture.refused({"restore", good, fixture.file(target), "--unencrypted"}, 2);
    fixture.refused({"restore", good, fixture.file(target), "--unencrypted", "--new-key-file",
                     fixture.file("new.key")},
                    2);
  }
  // No directory to put it in.
  fixture.refused(
      {"backup", "logical", fixture.plain(), fixture.file("no/backup"), "--unencrypted"}, 2);
  fixture.refused({"restore", good, fixture.file("no/store"), "--unencrypted"}, 2);
}

TEST_CASE("backup: a backup or a key that is not there") {
  const BackupFixture fixture;
  const std::string absent = fixture.file("absent");
  const std::string store = fixture.file("restored");
  for (const Words& key : {Words{}, Words{"--unencrypted"}, fixture.backup_key()}) {
    fixture.refused(Words{"restore", absent, store} + key, 2, "absent");
    fixture.refused(Words{"backup", "verify", absent} + key, 2, "absent");
  }
  const std::string backup = fixture.encrypted_backup("backup");
  fixture.refused({"restore", backup, store, "--key-file", absent}, 3);
  fixture.refused(Words{"restore", backup, store, "--new-key-file", absent} + fixture.backup_key(),
                  3);
  fixture.refused({"backup", "logical", fixture.plain(), fixture.file("new"), "--unencrypted",
                   "--encryption", "use_provided_key", "--backup-key-file", absent},
                  3);
  fixture.refused(Words{"backup", "logical", absent, fixture.file("new")} + fixture.store_key(), 2);
  fixture.refused(Words{"backup", "logical", fixture.encrypted(), fixture.file("new")} +
                      fixture.key("other.key"),
                  4);
}

TEST_CASE("backup: an edited, cut or extended file is damage, and nothing is made of it") {
  const BackupFixture fixture;
  const bool encrypted = GENERATE(true, false);
  CAPTURE(encrypted);
  const std::string backup =
      encrypted ? fixture.encrypted_backup("backup") : fixture.plain_backup("backup");
  const Words key = encrypted ? fixture.backup_key() : Words{"--unencrypted"};
  const std::string honest = read_file(backup);
  const std::string store = fixture.file("restored");
  const auto damaged = [&](const std::string& content) {
    write_file(backup, content);
    fixture.refused(Words{"backup", "verify", backup} + key, 5);
    fixture.refused(Words{"restore", backup, store} + key, 5);
  };

  SECTION("edited") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 engine(seed);
    std::vector<std::size_t> places{0, 7, 8, 12, 13, 20, 31, 32, 63, 64, honest.size() - 1};
    for (int i = 0; i < 4; ++i) places.push_back(engine() % honest.size());
    for (const std::size_t place : places) {
      CAPTURE(place);
      std::string edited = honest;
      edited[place] = static_cast<char>(edited[place] ^ static_cast<char>(1u << (engine() % 8)));
      damaged(edited);
    }
  }
  SECTION("cut") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100},
                                   honest.size() / 4, honest.size() / 2, honest.size() - 1}) {
      CAPTURE(size);
      damaged(honest.substr(0, size));
    }
  }
  SECTION("extended") {
    for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{100'000}}) {
      CAPTURE(size);
      damaged(honest + std::string(size, '\0'));
      damaged(honest + honest.substr(honest.size() - std::min(size, honest.size())));
    }
  }
  SECTION("another file") {
    damaged("no backup at all");
    damaged(all_kinds());
    damaged(read_file(fs::path(fixture.encrypted()) / "keys"));
  }
  // What was damage was not the key, and nothing else.
  write_file(backup, honest);
  fixture.must(Words{"restore", backup, store} + key);
  CHECK((fixture.records_of(store, {"--unencrypted"}) == fixture.records()));
}

TEST_CASE("backup: nothing of an encrypted backup can be read, and all of an unencrypted one") {
  const BackupFixture fixture;
  const std::string provided = read_file(fixture.encrypted_backup("provided"));
  fixture.must(Words{"backup", "logical", fixture.encrypted(), fixture.file("database")} +
               fixture.store_key());
  const std::string database = read_file(fixture.file("database"));
  fixture.must(Words{"backup", "logical", fixture.encrypted(), fixture.file("none"), "--encryption",
                     "none"} +
               fixture.store_key());
  const std::string none_at_all = read_file(fixture.file("none"));
  for (const std::string& marker : kMarkers) {
    CAPTURE(marker);
    CHECK(none_at_all.find(marker) != std::string::npos);
    CHECK(provided.find(marker) == std::string::npos);
    CHECK(database.find(marker) == std::string::npos);
  }
}

TEST_CASE("backup: restored stores have the page size of the store, or the one that is asked for") {
  const BackupFixture fixture;
  const std::string large_pages = fixture.file("large pages");
  fixture.must({"create", large_pages, "--unencrypted", "--page-size", "16384"});
  fixture.must({"import", large_pages, "--all", "-", "--format", "dump", "--unencrypted"},
               all_kinds());
  const std::string of_4096 = fixture.plain_backup("of 4096");
  const std::string of_16384 = fixture.file("of 16384");
  fixture.must({"backup", "logical", large_pages, of_16384, "--unencrypted"});
  struct Migration {
    std::string backup;
    Words options;
    int page_size;
  };
  for (const Migration& row : std::vector<Migration>{{of_4096, {}, 4096},
                                                     {of_16384, {}, 16384},
                                                     {of_4096, {"--page-size", "16384"}, 16384},
                                                     {of_16384, {"--page-size", "4K"}, 4096}}) {
    const std::string store = fixture.file("restored");
    CAPTURE(row.backup, row.options);
    fixture.must(Words{"restore", row.backup, store, "--unencrypted"} + row.options);
    CHECK(nlohmann::json::parse(fixture.must({"stat", store, "--unencrypted", "--json"}))
              .at("page_size") == row.page_size);
    CHECK((fixture.records_of(store, {"--unencrypted"}) == fixture.records()));
    fixture.must({"check", store, "--unencrypted"});
    fs::remove_all(store);
  }
}

TEST_CASE("backup: passphrases open backups, and what is restored from them") {
  const BackupFixture fixture;
  for (const char* name : {"store", "backup", "new"}) {
    write_file(fixture.file(std::string(name) + ".txt"), std::string(name) + " sesame\n");
  }
  const auto passphrase = [&](const std::string& name) {
    return Words{"--passphrase-file", fixture.file(name + ".txt")};
  };
  const Words cheap{"--passphrase-memory", "8M", "--passphrase-passes", "1"};
  const std::string store = fixture.file("passphrase store");
  fixture.must(cheap_create(store) + passphrase("store"));
  fixture.must(Words{"put", store, "t", "k", "v"} + passphrase("store"));

  // The store's own passphrase, and one of the backup's.
  fixture.must(Words{"backup", "logical", store, fixture.file("database")} + passphrase("store"));
  fixture.must(Words{"backup", "logical", store, fixture.file("provided"), "--encryption",
                     "use_provided_key", "--backup-passphrase-file", fixture.file("backup.txt")} +
               cheap + passphrase("store"));
  struct Opening {
    std::string backup;
    std::string right;
    std::string wrong;
  };
  for (const Opening& row :
       {Opening{"database", "store", "backup"}, Opening{"provided", "backup", "store"}}) {
    CAPTURE(row.backup);
    const std::string backup = fixture.file(row.backup);
    const std::string restored = fixture.file("restored");
    refused_as_backup(fixture, backup, passphrase(row.wrong), 4);
    refused_as_backup(fixture, backup, fixture.store_key(), 4);
    fixture.must(Words{"backup", "verify", backup} + passphrase(row.right));
    fixture.must(
        Words{"restore", backup, restored, "--new-passphrase-file", fixture.file("new.txt")} +
        cheap + passphrase(row.right));
    CHECK(fixture.must(Words{"get", restored, "t", "k"} + passphrase("new")) == "v");
    CHECK(coffer(Words{"get", restored, "t", "k"} + passphrase(row.right)).exit_code == 4);
    fs::remove_all(restored);
  }
}

TEST_CASE("backup: the environment's key is that of the backup, and --unencrypted is stronger") {
  const BackupFixture fixture;
  const std::string encrypted = fixture.encrypted_backup("encrypted backup");
  const std::string plain = fixture.plain_backup("plain backup");
  const auto verify = [&](Words arguments) {
    return run({.arguments = Words{"backup", "verify"} + arguments,
                .environment = {{"COFFER_KEY_FILE", fixture.file("backup.key")}}})
        .exit_code;
  };
  CHECK(verify({encrypted}) == 0);
  CHECK(verify({plain}) == 2);
  CHECK(verify({plain, "--unencrypted"}) == 0);
  CHECK(verify({encrypted, "--unencrypted"}) == 2);
}

TEST_CASE("backup: verify looks at every file and ends with the first failure") {
  const BackupFixture fixture;
  const std::string first = fixture.encrypted_backup("first");
  const std::string last = fixture.encrypted_backup("last");
  const std::string foreign = fixture.file("foreign");
  fixture.must(Words{"backup", "logical", fixture.encrypted(), foreign} + fixture.store_key());
  const std::string cut = fixture.file("cut");
  write_file(cut, read_file(first).substr(0, 70'000));
  const std::string superfluous = fixture.plain_backup("superfluous");

  const auto verify = [&](const Words& files, int exit_code) {
    const Outcome outcome = coffer(Words{"backup", "verify"} + files + fixture.backup_key());
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == exit_code);
    CHECK_THAT(outcome.out, Catch::StartsWith(first + ": ok") && Catch::Contains(last + ": ok"));
    CHECK(count_lines(outcome.out) == 2);
    CHECK(count_lines(outcome.err) == files.size() - 2);
    for (const std::string& file : files) {
      if (file != first && file != last) CHECK_THAT(outcome.err, Catch::Contains(file));
    }
  };
  verify({first, last}, 0);
  verify({first, foreign, cut, superfluous, last}, 4);
  verify({first, cut, superfluous, foreign, last}, 5);
  verify({superfluous, first, cut, foreign, last}, 2);
  const Outcome unsaid = coffer({"backup", "verify", first, superfluous});
  CHECK(unsaid.exit_code == 2);
  CHECK_THAT(unsaid.out, Catch::StartsWith(superfluous + ": ok, not encrypted"));
}

TEST_CASE("backup: a rate is kept") {
  const BackupFixture fixture;
  const std::string backup = fixture.file("backup");
  const auto made =
      nlohmann::json::parse(fixture.must({"backup", "logical", fixture.plain(), backup,
                                          "--unencrypted", "--rate-max", "256K", "--json"}));
  REQUIRE(made.at("bytes").get<int>() > 384 << 10);
  CHECK(made.at("elapsed_ms").get<int>() > 1000);
  const auto at_once = nlohmann::json::parse(fixture.must(
      {"backup", "logical", fixture.plain(), backup + "2", "--unencrypted", "--json"}));
  CHECK(at_once.at("elapsed_ms").get<int>() < made.at("elapsed_ms").get<int>());
}

}  // namespace coffer::tools::test
