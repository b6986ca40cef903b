// Two stores with the same records, one encrypted and one not, for tests of backups.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/store_fixture.hpp"
#include "tests/tools/three_databases.hpp"

namespace coffer::tools::test {

using Words = std::vector<std::string>;

/// Bytes as a dump has them.
inline std::string dump_digits(std::string_view bytes) {
  std::string digits;
  for (const char c : bytes) {
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(c)));
    digits += two.data();
  }
  return digits;
}

inline std::string dump_header(const std::string& tree) {
  return "VERSION=3\nformat=bytevalue\ndatabase=" + tree + "\ntype=btree\nHEADER=END\n";
}

/// Planted where a search finds them: in a tree's name, a key, a value, a large value.
inline const Words kMarkers{"MARKER-in-a-name", "MARKER-in-a-key", "MARKER-in-a-value",
                            "MARKER-in-a-large-value"};

/// Trees of every kind: integer keys, several values of a key, none at all; keys with zero bytes, an empty value,
/// one of 300 KiB, and enough records for several pages and chunks.
inline std::string all_kinds() {
  std::string large;
  while (large.size() < 300 << 10) large += kMarkers[3] + std::to_string(large.size());
  large.resize(300 << 10);
  std::string dump = kThree + dump_header("empty") + "DATA=END\n";
  dump += dump_header("bytes");
  for (const auto& [key, value] : std::vector<std::pair<std::string_view, std::string_view>>{
           {std::string_view("\0", 1), "one zero"},
           {std::string_view("\0\0", 2), "two zeros"},
           {std::string_view("a\0b", 3), ""},
           {std::string_view("a\0c\xff", 4), std::string_view("\0\xff", 2)}}) {
    dump += " " + dump_digits(key) + "\n " + dump_digits(value) + "\n";
  }
  dump += "DATA=END\n" + dump_header("large") + " " + dump_digits("k") + "\n " +
          dump_digits(large) + "\nDATA=END\n";
  dump += dump_header(kMarkers[0]);
  for (int i = 0; i < 3000; ++i) {
    dump += " " + dump_digits(kMarkers[1] + std::to_string(100'000 + i)) + "\n " +
            dump_digits(kMarkers[2] + std::to_string(i)) + "\n";
  }
  return dump + "DATA=END\n";
}

inline constexpr int kTreesOfAllKinds = 7;
inline constexpr int kEntriesOfAllKinds = 7 + 4 + 1 + 3000;

class BackupFixture {
 public:
  BackupFixture() {
    for (const char* name : {"store.key", "backup.key", "new.key", "other.key"}) {
      must({"keygen", file(name)});
    }
    must(Words{"create", encrypted()} + store_key());
    must({"create", plain(), "--unencrypted"});
    const std::string dump = all_kinds();
    must(Words{"import", encrypted(), "--all", "-", "--format", "dump"} + store_key(), dump);
    must({"import", plain(), "--all", "-", "--format", "dump", "--unencrypted"}, dump);
    records_ = records_of(encrypted(), store_key());
  }

  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string encrypted() const { return file("encrypted"); }
  [[nodiscard]] std::string plain() const { return file("plain"); }
  [[nodiscard]] Words key(const std::string& name) const { return {"--key-file", file(name)}; }
  [[nodiscard]] Words store_key() const { return key("store.key"); }
  [[nodiscard]] Words backup_key() const { return key("backup.key"); }
  /// All that the stores hold.
  [[nodiscard]] const std::string& records() const { return records_; }

  [[nodiscard]] std::string records_of(const std::string& store, const Words& key) const {
    return must(Words{"export", store, "--all", "--format", "dump"} + key);
  }
  /// Must end well; what it printed.
  std::string must(const Words& arguments, const std::string& input = {}) const {
    const Outcome outcome = coffer(arguments, input);
    INFO(described(arguments) << ": " << outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return outcome.out;
  }
  /// A new backup of the encrypted store under the backup's key, ...
  std::string encrypted_backup(const std::string& name) const {
    must(Words{"backup", "logical", encrypted(), file(name), "--encryption", "use_provided_key",
               "--backup-key-file", file("backup.key")} +
         store_key());
    return file(name);
  }
  /// ... or of the unencrypted one without any.
  std::string plain_backup(const std::string& name) const {
    must({"backup", "logical", plain(), file(name), "--unencrypted"});
    return file(name);
  }

  /// Everything that is there, directories too, with what it holds; of stores only which files: opening one for
  /// writing seals its superblock anew.
  [[nodiscard]] std::map<std::string, std::string> everything() const {
    auto all = contents_of(folder_.path());
    for (auto& [name, content] : all) {
      if (name.ends_with("superblock") || name.ends_with("pages")) content.clear();
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      all.try_emplace(std::filesystem::relative(entry.path(), folder_.path()).string());
    }
    return all;
  }
  /// Must fail with this code, say one line why, and leave everything as it was.
  void refused(const Words& arguments, int exit_code, const std::string& said = {}) const {
    const auto before = everything();
    const Outcome outcome = coffer(arguments);
    CAPTURE(described(arguments), outcome.err);
    CHECK(outcome.exit_code == exit_code);
    CHECK(outcome.out.empty());
    CHECK(is_one_error_line(outcome.err));
    CHECK_THAT(outcome.err, Catch::Contains(said));
    CHECK((everything() == before));
  }

 private:
  TemporaryFolder folder_;
  std::string records_;
};

}  // namespace coffer::tools::test
