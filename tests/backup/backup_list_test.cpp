// Names of backups, and what is seen of them in a directory, hostile ones among them.
#include <catch2/catch.hpp>

#include <filesystem>

#include "backup/backup_list.hpp"
#include "backup_model.hpp"
#include "label_files.hpp"
#include "platform/simulated/simulated.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

namespace fs = std::filesystem;
using backup::Label;
using backup::format::KeyOrigin;
using backup::format::Kind;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// 2026-11-22 23:15:00 UTC, as `date -u +%s` has it.
constexpr nanoseconds kEvening = seconds(1'795'389'300);

/// What is wrong with which file, by name; "" where nothing is.
std::map<std::string, std::string> troubles_in(const BackupList& list) {
  constexpr std::array<const char*, 9> kWords{"damaged",       "unsupported", "unreadable",
                                              "not looked at", "in progress", "ambiguous",
                                              "orphaned",      "future",      "unknown store"};
  std::map<std::string, std::string> all;
  for (const BackupFile& backup : list.backups) {
    all[backup.file.filename().string()] =
        backup.trouble ? kWords.at(static_cast<std::size_t>(*backup.trouble)) : "";
  }
  for (const BackupNotice& other : list.others) {
    all[other.file.filename().string()] = kWords.at(static_cast<std::size_t>(other.trouble));
    CHECK_THAT(other.text, Catch::Contains(other.file.filename().string()));
  }
  CHECK(all.size() == list.backups.size() + list.others.size());
  return all;
}

}  // namespace

TEST_CASE("a backup's name has its store, time, kind and encryption") {
  const nanoseconds taken = kEvening + milliseconds(123) + nanoseconds(999'999);
  CHECK(backup_file_name("orders", BackupKind::snapshot, true, taken) ==
        "orders-20261122T231500.123Z-snapshot-encrypted.coffer-backup");
  CHECK(backup_file_name("orders", BackupKind::logical, false, taken) ==
        "orders-20261122T231500.123Z-logical-plain.coffer-backup");
  CHECK(backup_file_name("o", BackupKind::logical_increment, true, nanoseconds(0)) ==
        "o-19700101T000000.000Z-logical-increment-encrypted.coffer-backup");
  CHECK(backup_file_name("o", BackupKind::snapshot_increment, false, nanoseconds(-1)) ==
        "o-19691231T235959.999Z-snapshot-increment-plain.coffer-backup");
  const std::string rest = "-19700101T000000.000Z-logical-plain.coffer-backup";
  const auto named = [](std::string_view store) {
    return backup_file_name(store, BackupKind::logical, false, nanoseconds(0));
  };
  CHECK(named("a/b\\c:d*e?f\"g<h>i|j\nk") == "a_b_c_d_e_f_g_h_i_j_k" + rest);
  CHECK(named("..") == "_." + rest);
  CHECK(named("") == "store" + rest);
  CHECK(named("B\xc3\xbc"
              "cher") ==
        "B\xc3\xbc"
        "cher" +
            rest);
  CHECK(named(std::string(1000, 'x')) == std::string(120, 'x') + rest);
  // A character of two bytes that would be cut in its middle is left out.
  CHECK(named(std::string(119, 'x') + "\xc3\xbc") == std::string(119, 'x') + rest);
  CHECK(named(std::string(118, 'x') + "\xc3\xbc") == std::string(118, 'x') + "\xc3\xbc" + rest);
}

TEST_CASE("backups are listed without a key, by set and link, whatever their names") {
  const TempDirectory directory;
  const auto put = [&](const std::string& name, const Label& label, unsigned char store) {
    write_bytes(directory.path() / name, label_file(label, store));
  };
  // Of the sets 9 and 2 the former was begun first; its second link is dated before its first.
  const Label full = full_label_of(9, kEvening, KeyOrigin::store, Kind::snapshot);
  const Label first = label_after(full, 8, kEvening + seconds(50));
  const Label second = label_after(first, 7, kEvening + seconds(40));
  const Label other = full_label_of(2, kEvening + seconds(1), KeyOrigin::provided);
  put("a", second, 0x5a);
  put("b", first, 0x5a);
  put("c", full, 0x5a);
  put(label_file_name(other, "orders"), other, 1);
  const BackupList list = list_backups(directory.path());
  REQUIRE(list.backups.size() == 4);
  CHECK(list.others.empty());
  const std::array<std::uint32_t, 4> expected = {9, 8, 7, 2};
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK((list.backups[i].id == numbered_id(expected[i])));
  const BackupFile& link = list.backups[2];
  CHECK(link.file == directory.path() / "a");
  CHECK(link.bytes == 4708);
  CHECK(link.kind == BackupKind::snapshot_increment);
  CHECK(link.encryption == BackupEncryptionMode::use_database_key);
  CHECK(link.taken == kEvening + seconds(40));
  CHECK(link.page_size == 4096);
  CHECK(link.link == 2);
  CHECK((link.set == numbered_id(9) && link.parent == numbered_id(8)));
  REQUIRE(link.store_id.has_value());
  CHECK(std::ranges::all_of(*link.store_id, [](std::byte b) { return b == std::byte{0x5a}; }));
  CHECK(link.store_name.empty());
  CHECK_FALSE(link.trouble.has_value());
  const BackupFile& provided = list.backups[3];
  CHECK(provided.encryption == BackupEncryptionMode::use_provided_key);
  CHECK_FALSE(provided.store_id.has_value());
  CHECK(provided.store_name == "orders");
  CHECK_FALSE(provided.trouble.has_value());
}

TEST_CASE("a true backup is listed, also in a directory that it was put into") {
  const TempDirectory directory;
  const Key key = key_from(3);
  Store store = Store::create(directory.path() / "store", key);
  const auto place = directory.path() / "backups";
  fs::create_directory(place);
  CHECK_THROWS_AS(static_cast<void>(backup_logical(store, place)), InvalidArgument);
  const BackupReport report = backup_logical(store, place, {.store_name = "orders"});
  const BackupReport plain =
      backup_logical(store, place / "plain",
                     {.encryption = {.mode = BackupEncryptionMode::none}, .store_name = "ignored"});
  CHECK(plain.file == place / "plain");
  CHECK(report.file.filename() ==
        backup_file_name("orders", BackupKind::logical, true, report.taken));
  CHECK(verify_backup(report.file, &key).taken == report.taken);
  const BackupList list = list_backups(place);
  REQUIRE(list.backups.size() == 2);
  CHECK(list.others.empty());
  CHECK(list.backups[0].file == report.file);
  CHECK(list.backups[0].taken == report.taken);
  CHECK(list.backups[0].bytes == report.bytes);
  CHECK(list.backups[0].store_name == "orders");
  CHECK(list.backups[0].store_id.has_value());
  CHECK_FALSE(list.backups[0].trouble.has_value());
  CHECK(list.backups[1].trouble == BackupTrouble::unknown_store);

  // Nothing is put among a store's own files, which go when the store is removed.
  CHECK_THROWS_WITH(
      static_cast<void>(backup_logical(store, directory.path() / "store", {.store_name = "x"})),
      Catch::Contains("store's own directory"));
  CHECK_THROWS_AS(static_cast<void>(list_backups(directory.path() / "absent")), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(list_backups({})), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(list_backups(report.file)), InvalidArgument);
}

TEST_CASE("what is no backup is ignored, and what should be one is reported") {
  const TempDirectory directory;
  const auto put = [&](const std::string& name, std::vector<std::byte> bytes, std::size_t length) {
    bytes.resize(length);
    write_bytes(directory.path() / name, bytes);
  };
  const Label full = full_label_of(1, kEvening, KeyOrigin::store);
  const auto good = label_file(full, 1);
  const auto changed = [&](std::size_t at) {
    auto bytes = good;
    bytes[at] ^= std::byte{0x10};
    return bytes;
  };
  const std::string end = ".coffer-backup";
  put("good", good, 4608);
  put("notes.txt", std::vector<std::byte>(100, std::byte{'n'}), 100);
  put(".hidden", std::vector<std::byte>(100, std::byte{'n'}), 100);
  put("nothing", {}, 0);
  put("begins", good, 7);
  put("nothing" + end, {}, 0);
  put("text" + end, std::vector<std::byte>(9000, std::byte{'n'}), 9000);
  put("cut at 8", good, 8);
  put("cut at 511", good, 511);
  put("cut at 512", good, 512);
  put("cut at 4607", good, 4607);
  put("version", changed(8), 4608);
  put("kind", changed(12), 4608);
  put("set", changed(112), 4608);
  put("key header", changed(512 + 100), 4608);
  put("store id", changed(512 + 32), 4608);
  put("checksum", changed(512 + 4032), 4608);
  put("key magic", changed(512), 4608);
  put(".x-0123456789abcdef.in-progress", good, 4608);
  put("visible.in-progress", std::vector<std::byte>(10), 10);
  fs::create_directory(directory.path() / "folder");
  fs::create_directory(directory.path() / ("folder" + end));
  fs::create_directory(directory.path() / ".store-0123456789abcdef.in-progress");
  put("folder/below", good, 4608);
  std::map<std::string, std::string> expected{
      {"good", ""},
      {"nothing" + end, "damaged"},
      {"text" + end, "damaged"},
      {"cut at 8", "damaged"},
      {"cut at 511", "damaged"},
      {"cut at 512", "damaged"},
      {"cut at 4607", "damaged"},
      {"version", "unsupported"},
      {"kind", "unsupported"},
      {"set", "damaged"},
      {"key header", "damaged"},
      {"store id", "damaged"},
      {"checksum", "damaged"},
      {"key magic", "damaged"},
      {".x-0123456789abcdef.in-progress", "in progress"},
      {"folder" + end, "unreadable"},
      {".store-0123456789abcdef.in-progress", "in progress"}};
  // Not every system lets everybody make links.
  std::error_code refused;
  const auto link = [&](const fs::path& to, const std::string& name, const char* trouble) {
    fs::create_symlink(to, directory.path() / name, refused);
    if (!refused && trouble != nullptr) expected[name] = trouble;
  };
  link("good", "latest", "not looked at");
  link("good", "latest" + end, "unreadable");
  link("absent", "dangling", "not looked at");
  link("loop", "loop", "not looked at");
  link("folder", "link to a folder", nullptr);
  CHECK(troubles_in(list_backups(directory.path())) == expected);
}

TEST_CASE("what cannot be read is reported, and the others are listed") {
  auto machine = platform::SimulatedPlatform::make(1);
  machine->files().make_directory("/b");
  const auto put = [&](const std::string& name, const Label& label) {
    machine->files().create("/b/" + name)->write_at(0, label_file(label, 1));
  };
  const auto now = machine->clock().wall();
  put("good", full_label_of(1, now, KeyOrigin::store));
  put("unreadable.coffer-backup", full_label_of(2, now, KeyOrigin::store));
  put("unreadable", full_label_of(3, now, KeyOrigin::store));
  machine->set_fault([](const char* operation, const platform::Path& path, auto, auto) {
    if (std::string_view(operation) == "read" && path.filename().string().starts_with("unr"))
      throw IoError("cannot read '" + path.string() + "'", operation, path, 5);
  });
  CHECK(troubles_in(backup::backups_in(*machine, "/b")) ==
        std::map<std::string, std::string>{{"good", ""},
                                           {"unreadable", "not looked at"},
                                           {"unreadable.coffer-backup", "unreadable"}});
  machine->set_fault([](const char* operation, const platform::Path& path, auto, auto) {
    if (std::string_view(operation) == "list") throw IoError("no", operation, path, 5);
  });
  CHECK_THROWS_AS(static_cast<void>(backup::backups_in(*machine, "/b")), IoError);
}

TEST_CASE("chains that are not whole, doubles, the future and unknown stores are seen") {
  const TempDirectory directory;
  const auto put = [&](const std::string& name, const Label& label, unsigned char store = 1) {
    write_bytes(directory.path() / name, label_file(label, store));
  };
  const auto then = kEvening;
  const Label full = full_label_of(1, then, KeyOrigin::store);
  const Label one = label_after(full, 2, then);
  const Label two = label_after(one, 3, then);
  const Label three = label_after(two, 4, then);
  put("full", full);
  put("one", one);
  put("three", three);                       // the second is missing
  put("four", label_after(three, 5, then));  // so this one lacks it too
  put("branch", label_after(full, 6, then));

  Label seven = label_after(full_label_of(10, then, KeyOrigin::store), 11, then);
  seven.link = 7;
  seven.parent = numbered_id(12);
  put("seven", seven);  // no base at all

  // The parent is there, but of another set, another link or another kind.
  Label stranger = label_after(full_label_of(20, then, KeyOrigin::store), 21, then);
  put("base", full_label_of(20, then, KeyOrigin::store));
  stranger.link = 2;
  stranger.parent = one.id;
  put("stranger", stranger);
  Label late = label_after(label_after(one, 30, then), 31, then);
  late.link = 2;
  late.parent = numbered_id(6);
  put("late", late);  // fits: the branch has link 1
  late.id = numbered_id(32);
  late.link = 3;
  put("later", late);  // does not: link 3 of a parent with link 1
  Label snapshot = full_label_of(40, then, KeyOrigin::store, Kind::snapshot);
  put("snapshot", snapshot);
  Label odd = label_after(full_label_of(40, then, KeyOrigin::store), 41, then);
  put("odd", odd);  // a logical increment of a snapshot

  put("double", full_label_of(50, then, KeyOrigin::store));
  put("copy of double", full_label_of(50, then, KeyOrigin::store));
  put("of double", label_after(full_label_of(50, then, KeyOrigin::store), 51, then));
  put("future", full_label_of(60, nanoseconds::max(), KeyOrigin::store));
  put("long ago", full_label_of(61, nanoseconds::min(), KeyOrigin::store));
  put("other store", label_after(full, 62, then), 2);

  const Label provided = full_label_of(70, then, KeyOrigin::provided);
  put("renamed", provided);
  const Label named = full_label_of(71, then + seconds(1), KeyOrigin::provided);
  const Label next = label_after(named, 72, then + seconds(2));
  put(label_file_name(named, "s"), named);
  put(label_file_name(next, "s"), next);
  const Label foreign = label_after(named, 73, then + seconds(3));
  put(label_file_name(foreign, "t"), foreign);
  // The name has another time, kind or encryption than the header.
  Label wrong = full_label_of(74, then + seconds(4), KeyOrigin::provided);
  put(label_file_name(full_label_of(75, then + seconds(5), KeyOrigin::provided), "s"), wrong);
  wrong.id = wrong.set = numbered_id(76);
  put(backup_file_name("s", BackupKind::snapshot, true, wrong.taken), wrong);
  wrong.id = wrong.set = numbered_id(77);
  put(backup_file_name("s", BackupKind::logical, false, wrong.taken), wrong);

  const std::string unknown = "unknown store";
  CHECK(troubles_in(list_backups(directory.path())) ==
        std::map<std::string, std::string>{
            {"full", ""},
            {"one", ""},
            {"three", "orphaned"},
            {"four", "orphaned"},
            {"branch", ""},
            {"seven", "orphaned"},
            {"base", ""},
            {"stranger", "orphaned"},
            {"late", ""},
            {"later", "orphaned"},
            {"snapshot", ""},
            {"odd", "orphaned"},
            {"double", "ambiguous"},
            {"copy of double", "ambiguous"},
            {"of double", ""},
            {"future", "future"},
            {"long ago", ""},
            {"other store", unknown},
            {"renamed", unknown},
            {"s-20261122T231501.000Z-logical-encrypted.coffer-backup", ""},
            {"s-20261122T231502.000Z-logical-increment-encrypted.coffer-backup", ""},
            {"t-20261122T231503.000Z-logical-increment-encrypted.coffer-backup", unknown},
            {"s-20261122T231505.000Z-logical-encrypted.coffer-backup", unknown},
            {"s-20261122T231504.000Z-snapshot-encrypted.coffer-backup", unknown},
            {"s-20261122T231504.000Z-logical-plain.coffer-backup", unknown}});
}

}  // namespace coffer::test
