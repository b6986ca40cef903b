// The clear part of a backup's header: its bytes, and what is refused.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <random>

#include "backup/label.hpp"
#include "backup_model.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using backup::Label;
using backup::format::KeyOrigin;
using backup::format::Kind;

backup::BackupId backup_id(unsigned char first) {
  backup::BackupId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(first + i);
  return id;
}

Label second_increment() {
  return {.kind = Kind::snapshot_increment,
          .key_origin = KeyOrigin::store,
          .page_size = 0x2000,
          .link = 2,
          .taken = std::chrono::nanoseconds(0x0102030405060708),
          .id = backup_id(0xa0),
          .set = backup_id(0xb0),
          .parent = backup_id(0xc0)};
}

std::vector<std::byte> encoded(const Label& label) {
  std::vector<std::byte> bytes(512);
  backup::encode_label(bytes, label);
  return bytes;
}

std::string said_of_label(std::span<const std::byte> bytes) {
  return outcome_of([&] { static_cast<void>(backup::decode_label(bytes, "file")); });
}

/// What decoding says when these bytes stand at `at` of `label`.
std::string said_with(const Label& label, std::size_t at, std::initializer_list<int> values) {
  auto bytes = encoded(label);
  for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
  return said_of_label(bytes);
}

}  // namespace

TEST_CASE("a label is these bytes") {
  std::vector<std::byte> bytes(600, std::byte{0xee});
  std::fill_n(bytes.begin(), 512, std::byte{0});
  backup::encode_label(bytes, second_increment());
  std::vector<unsigned char> golden(600, 0xee);
  std::fill_n(golden.begin(), 512, static_cast<unsigned char>(0));
  const auto put = [&](std::size_t at, std::initializer_list<unsigned char> values) {
    std::ranges::copy(values, golden.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, {'C', 'O', 'F', 'F', 'E', 'R', 'B', '1', 1, 0, 0, 0});
  put(12, {4, 2, 0, 0});
  put(16, {0x00, 0x20, 0, 0, 2, 0, 0, 0});
  put(24, {8, 7, 6, 5, 4, 3, 2, 1});
  for (unsigned char i = 0; i < 16; ++i) {
    golden[96u + i] = static_cast<unsigned char>(0xa0 + i);
    golden[112u + i] = static_cast<unsigned char>(0xb0 + i);
    golden[128u + i] = static_cast<unsigned char>(0xc0 + i);
  }
  CHECK(std::memcmp(bytes.data(), golden.data(), golden.size()) == 0);
  CHECK((backup::decode_label(bytes, "file") == second_increment()));
}

TEST_CASE("a label leaves salt and stream header alone, and times before 1970 come back") {
  Label label = second_increment();
  label.taken = std::chrono::nanoseconds(-1);
  std::vector<std::byte> bytes(512);
  std::fill(bytes.begin() + 32, bytes.begin() + 96, std::byte{7});
  backup::encode_label(bytes, label);
  CHECK(std::all_of(bytes.begin() + 32, bytes.begin() + 96,
                    [](std::byte b) { return b == std::byte{7}; }));
  CHECK((backup::decode_label(bytes, "file") == label));
}

TEST_CASE("a label that contradicts itself is refused, and so is one of another version or kind") {
  Label full = second_increment();
  full.kind = Kind::logical;
  full.page_size = full.link = 0;
  full.set = full.id;
  full.parent = {};
  Label snapshot = full;
  snapshot.kind = Kind::snapshot;
  snapshot.page_size = 4096;
  const Label increment = second_increment();
  Label first = increment;
  first.link = 1;
  first.parent = first.set;
  for (const Label& good : {full, snapshot, increment, first}) {
    REQUIRE(said_of_label(encoded(good)) == "done");
    CHECK(said_with(good, 0, {'c'}) == "Corrupted");
    CHECK(said_with(good, 8, {2}) == "VersionUnsupported");
    CHECK(said_with(good, 12, {0}) == "VersionUnsupported");
    CHECK(said_with(good, 12, {5}) == "VersionUnsupported");
    CHECK(said_with(good, 12, {255}) == "VersionUnsupported");
    CHECK(said_with(good, 13, {3}) == "Corrupted");
    auto no_id = encoded(good);
    std::fill_n(no_id.begin() + 96, 16, std::byte{0});
    CHECK(said_of_label(no_id) == "Corrupted");
  }
  CHECK(said_with(full, 14, {1}) == "done");  // compressed
  CHECK(said_with(increment, 14, {1}) == "Corrupted");
  CHECK(said_with(snapshot, 14, {1}) == "Corrupted");  // ciphertext, compressed
  CHECK(said_with(full, 14, {2}) == "VersionUnsupported");
  CHECK(said_with(full, 12, {2}) == "Corrupted");            // an increment with link 0
  CHECK(said_with(full, 12, {3}) == "Corrupted");            // a snapshot without a page size
  CHECK(said_with(full, 16, {0, 0x10}) == "Corrupted");      // a page size without slots
  CHECK(said_with(full, 20, {1}) == "Corrupted");            // full, with a place in a chain
  CHECK(said_with(full, 112, {1}) == "Corrupted");           // full, of another's chain
  CHECK(said_with(full, 128, {1}) == "Corrupted");           // full, with a parent
  CHECK(said_with(snapshot, 16, {0, 8}) == "Corrupted");     // 2,048
  CHECK(said_with(snapshot, 16, {0, 0, 2}) == "Corrupted");  // 131,072
  CHECK(said_with(snapshot, 16, {0, 0x30}) == "Corrupted");  // 12,288
  CHECK(said_with(increment, 12, {3}) == "Corrupted");       // full, with link 2
  CHECK(said_with(increment, 20, {0}) == "Corrupted");
  CHECK(said_with(increment, 20, {1}) ==
        "Corrupted");                               // the first, but its parent is not the full one
  CHECK(said_with(first, 20, {2}) == "Corrupted");  // the second, but its parent is the full one
  std::vector<std::byte> bytes = encoded(increment);
  std::ranges::copy(increment.id, bytes.begin() + 128);
  CHECK(said_of_label(bytes) == "Corrupted");
  bytes = encoded(increment);
  std::ranges::copy(increment.id, bytes.begin() + 112);
  CHECK(said_of_label(bytes) == "Corrupted");
  for (const std::ptrdiff_t id_at : {112, 128}) {  // an increment of no chain, and of no parent
    bytes = encoded(increment);
    std::fill_n(bytes.begin() + id_at, 16, std::byte{0});
    CHECK(said_of_label(bytes) == "Corrupted");
  }
}

TEST_CASE("any bytes can be taken for a label, of any length") {
  const auto good = encoded(second_increment());
  for (std::size_t length = 0; length < good.size(); ++length) {
    const std::vector<std::byte> cut(good.begin(),
                                     good.begin() + static_cast<std::ptrdiff_t>(length));
    REQUIRE(said_of_label(cut) == "Corrupted");
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = good;
    for (std::uint64_t left = 1 + random() % 8; left > 0; --left)
      bytes[random() % 160] = static_cast<std::byte>(random());
    const std::string said = said_of_label(bytes);
    REQUIRE((said == "done" || said == "Corrupted" || said == "VersionUnsupported"));
  }
}

}  // namespace coffer::test
