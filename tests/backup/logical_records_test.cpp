// Backups whose chunks verify and whose records cannot be: an unencrypted one can be made by anybody.
#include <catch2/catch.hpp>

#include <sodium.h>

#include "backup_model.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using namespace std::string_literals;

std::string number_of(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i));
  return text;
}
std::string origin_record(std::uint64_t page_size = 4096) {
  return "\1"s + std::string(32, 'i') + number_of(7, 8) + number_of(1, 8) +
         number_of(page_size, 4) + number_of(3, 8) + std::string(32, 'c');
}
std::string tree_record(const std::string& name, int options = 0) {
  return "\2"s + number_of(static_cast<std::uint64_t>(options), 1) + number_of(name.size(), 1) +
         name;
}
std::string entry_record(const std::string& key, const std::string& value) {
  return "\3"s + number_of(key.size(), 2) + number_of(value.size(), 8) + key + value;
}
std::string tree_end(std::uint64_t entries) {
  return "\4"s + number_of(entries, 8);
}
std::string end_record(std::uint64_t trees, std::uint64_t entries) {
  return "\5"s + number_of(trees, 8) + number_of(entries, 8);
}

/// The header of a true backup with one chunk of these records behind it.
class Forger {
 public:
  Forger() {
    Store store = Store::create_unencrypted(directory_.path() / "store");
    static_cast<void>(backup_logical(store, directory_.path() / "true"));
    header_ = bytes_of(directory_.path() / "true");
    header_.resize(4608);
  }
  /// What restoring it says; "done" when nothing.
  std::string said_of(const std::string& records, bool last = true,
                      const std::string& behind = {}) {
    std::vector<unsigned char> covered(32);
    const auto* header = reinterpret_cast<const unsigned char*>(header_.data());
    crypto_generichash(covered.data(), 32, header, header_.size(), nullptr, 0);
    const std::string mark(1, last ? '\1' : '\0');
    const std::string chunk = number_of(0, 8) + mark + records;
    covered.insert(covered.end(), chunk.begin(), chunk.end());
    std::string checksum(32, '\0');
    crypto_generichash(reinterpret_cast<unsigned char*>(checksum.data()), 32, covered.data(),
                       covered.size(), nullptr, 0);
    const std::string sealed = mark + records + checksum.substr(0, 16) + behind;
    auto file = header_;
    const auto bytes = std::as_bytes(std::span(sealed));
    file.insert(file.end(), bytes.begin(), bytes.end());
    write_bytes(directory_.path() / "forged", file);
    const std::string verified = outcome_of(
        [&] { static_cast<void>(verify_backup(directory_.path() / "forged", nullptr)); });
    const auto target = directory_.path() / "restored";
    const std::string restored = outcome_of(
        [&] { static_cast<void>(restore_logical(directory_.path() / "forged", nullptr, target)); });
    CHECK(std::filesystem::exists(target) == (restored == "done"));
    std::filesystem::remove_all(target);
    CHECK(names_in(directory_.path()) == std::vector<std::string>{"forged", "store", "true"});
    // What verifies can be restored, and the other way round.
    CHECK(verified == restored);
    return restored;
  }

 private:
  TempDirectory directory_;
  std::vector<std::byte> header_;
};

}  // namespace

// Where the last chunk is full, nothing but the rules of the end tells what may follow.
TEST_CASE("a full last chunk is the last one only when it says so, and nothing follows it") {
  Forger forger;
  const std::string before = origin_record() + tree_record("t");
  const std::string after = tree_end(1) + end_record(1, 1);
  const std::size_t fixed = before.size() + entry_record("k", "").size() + after.size();
  const std::string records = before + entry_record("k", std::string(65'536 - fixed, 'v')) + after;
  REQUIRE(records.size() == 65'536);
  CHECK(forger.said_of(records) == "done");
  CHECK(forger.said_of(records, false) == "Corrupted");
  CHECK(forger.said_of(records, true, "x") == "Corrupted");
  CHECK(forger.said_of(records, true, std::string(65'553, 'x')) == "Corrupted");
}

TEST_CASE("records that no store could have are refused, by verifying as by restoring") {
  Forger forger;
  const std::string origin = origin_record();
  const std::string e = entry_record("b", "1");
  const std::string nine(9, 'k');
  CHECK(forger.said_of(origin + end_record(0, 0)) == "done");
  CHECK(forger.said_of(origin + end_record(0, 0), false) ==
        "Corrupted");  // short, and not the last
  CHECK(forger.said_of(origin + tree_record("t") + e + entry_record("c", "") + tree_end(2) +
                       tree_record("u", 1) + e + entry_record("b", "2") + tree_end(2) +
                       end_record(2, 4)) == "done");
  const auto in_tree = [&](const std::string& entries, std::uint64_t count, int options = 0) {
    return forger.said_of(origin + tree_record("t", options) + entries + tree_end(count) +
                          end_record(1, count));
  };
  CHECK(in_tree(e, 1) == "done");
  CHECK(in_tree(e + entry_record("a", ""), 2) == "Corrupted");      // out of order
  CHECK(in_tree(e + entry_record("b", "2"), 2) == "Corrupted");     // twice
  CHECK(in_tree(e + entry_record("b", "1"), 2, 1) == "Corrupted");  // the same pair twice
  CHECK(in_tree(e + entry_record("b", "0"), 2, 1) == "Corrupted");  // pairs out of order
  CHECK(in_tree(e, 1, 2) == "Corrupted");                           // no integer
  CHECK(in_tree(entry_record(nine, ""), 1, 2) == "Corrupted");
  CHECK(in_tree(e, 1, 4) == "VersionUnsupported");
  CHECK(in_tree(e, 2) == "Corrupted");  // miscounted
  CHECK(in_tree(entry_record(std::string(16'385, 'k'), ""), 1) == "Corrupted");
  CHECK(in_tree(entry_record("k", std::string(16'385, 'v')), 1, 1) == "Corrupted");
  CHECK(forger.said_of(origin + tree_record("t") + e + tree_end(2) + end_record(1, 1)) ==
        "Corrupted");
  CHECK(forger.said_of(origin + tree_record("t") + e + tree_end(1) + end_record(1, 2)) ==
        "Corrupted");
  CHECK(forger.said_of(origin + tree_record("t") + e + tree_end(1) + end_record(2, 1)) ==
        "Corrupted");
  CHECK(forger.said_of(origin + tree_record("t") + tree_end(0) + tree_record("t") + tree_end(0) +
                       end_record(2, 0)) == "Corrupted");
  CHECK(forger.said_of(origin + tree_record("") + tree_end(0) + end_record(1, 0)) == "Corrupted");
  // A quarter of a page, less its header: 1,006 bytes at 4,096 (docs/format.md, "Limits").
  CHECK(in_tree(entry_record(std::string(1006, 'k'), ""), 1) == "done");
  CHECK(in_tree(entry_record(std::string(1007, 'k'), ""), 1) == "Corrupted");
  CHECK(in_tree(entry_record("k", std::string(1006, 'v')), 1, 1) == "done");
  CHECK(in_tree(entry_record("k", std::string(1007, 'v')), 1, 1) == "Corrupted");
  CHECK(forger.said_of(origin_record(65'536) + end_record(0, 0)) == "done");
  for (const std::uint64_t page_size : {0u, 2048u, 4097u, 131'072u})
    CHECK(forger.said_of(origin_record(page_size) + end_record(0, 0)) == "Corrupted");
  CHECK(forger.said_of(origin + e + end_record(0, 0)) == "Corrupted");
  CHECK(forger.said_of(origin + tree_record("t") + e + end_record(1, 1)) == "Corrupted");
  CHECK(forger.said_of(end_record(0, 0)) == "Corrupted");
  CHECK(forger.said_of(origin + end_record(0, 0) + "x") == "Corrupted");
  CHECK(forger.said_of(origin) == "Corrupted");
  CHECK(forger.said_of(origin + origin) == "Corrupted");
  CHECK(forger.said_of("") == "Corrupted");
  CHECK(forger.said_of(origin + "\6"s) == "Corrupted");
  // A value that claims to be longer than anything: nothing is made room for.
  CHECK(forger.said_of(origin + tree_record("t") + "\3"s + number_of(1, 2) +
                       number_of(UINT64_MAX, 8) + "k" + "v") == "Corrupted");
}

}  // namespace coffer::test
