// A backup read by hand, from docs/format.md and with libsodium and Zstandard alone: nothing of crypto/ or backup/ is
// used.
#include <catch2/catch.hpp>

#include <sodium.h>
#include <zstd.h>

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "backup_model.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Octets = std::vector<unsigned char>;

std::uint64_t little_endian_at(const Octets& bytes, std::size_t at, int count) {
  std::uint64_t number = 0;
  for (int i = count - 1; i >= 0; --i)
    number = number << 8 | bytes.at(at + static_cast<std::size_t>(i));
  return number;
}

Octets part_of(const Octets& bytes, std::size_t at, std::size_t count) {
  REQUIRE(at + count <= bytes.size());
  return {bytes.begin() + static_cast<std::ptrdiff_t>(at),
          bytes.begin() + static_cast<std::ptrdiff_t>(at + count)};
}

Octets blake2b(const Octets& data, const Octets& key = {}) {
  Octets out(32);
  crypto_generichash(out.data(), 32, data.data(), data.size(), key.empty() ? nullptr : key.data(),
                     key.size());
  return out;
}

/// The data key in slot 0 of the key header at 512, for a raw key.
Octets data_key(const Octets& file, const Octets& key) {
  const std::size_t slot = 512 + 64;
  REQUIRE(file.at(slot) == 1);      // in use
  REQUIRE(file.at(slot + 1) == 1);  // a raw key
  Octets wrapping(32);
  crypto_kdf_derive_from_key(wrapping.data(), 32, 2, "cofferKE", key.data());
  Octets place = part_of(file, 512 + 32, 16);  // store id
  const Octets rest = {8, 0, 0, 0, 1, 0, 0, 0, 1,   0,   0,   0,   0,   0,   0,   0,
                       0, 0, 0, 0, 0, 0, 0, 0, 'c', 'o', 'f', 'f', 'e', 'r', '/', '1'};
  place.insert(place.end(), rest.begin(), rest.end());
  REQUIRE(place.size() == 48);
  Octets data(32);
  REQUIRE(crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
              data.data(), nullptr, &file[slot + 64], 32, &file[slot + 96], place.data(),
              place.size(), &file[slot + 40], wrapping.data()) == 0);
  return data;
}

/// What a compressed chunk was.
Octets unpacked(const Octets& packed) {
  if (packed.at(0) == 0) return part_of(packed, 1, packed.size() - 1);
  REQUIRE(packed[0] == 1);
  Octets plain(65'536);
  const std::size_t size =
      ZSTD_decompress(plain.data(), plain.size(), &packed.at(1), packed.size() - 1);
  REQUIRE(ZSTD_isError(size) == 0);
  plain.resize(size);
  return plain;
}

/// The plaintext of all chunks.
Octets plaintext_of(const Octets& file, const Octets* key) {
  const Octets context = blake2b(part_of(file, 0, 4608));
  Octets all;
  crypto_secretstream_xchacha20poly1305_state state;
  if (key != nullptr) {
    Octets backup(32);
    crypto_kdf_derive_from_key(backup.data(), 32, 6, "cofferDK", data_key(file, *key).data());
    const Octets stream = blake2b(part_of(file, 32, 32), backup);
    REQUIRE(crypto_secretstream_xchacha20poly1305_init_pull(&state, &file[64], stream.data()) == 0);
  }
  bool last = false;
  std::uint64_t number = 0;
  for (std::size_t at = 4608; at < file.size(); ++number) {
    REQUIRE_FALSE(last);
    std::size_t sealed = std::min<std::size_t>(65'536 + 17, file.size() - at);
    if (file[14] == 1) {
      sealed = little_endian_at(file, at, 4);
      at += 4;
    }
    Octets plain(sealed - 17);
    if (key != nullptr) {
      unsigned char tag = 0;
      REQUIRE(crypto_secretstream_xchacha20poly1305_pull(
                  &state, plain.data(), nullptr, &tag, &file[at], sealed, context.data(), 32) == 0);
      last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    } else {
      Octets covered = context;
      for (int i = 0; i < 8; ++i) covered.push_back(static_cast<unsigned char>(number >> (8 * i)));
      const Octets marked = part_of(file, at, sealed - 16);
      covered.insert(covered.end(), marked.begin(), marked.end());
      const Octets checksum = blake2b(covered);
      REQUIRE(std::equal(checksum.begin(), checksum.begin() + 16, &file[at + sealed - 16]));
      last = file[at] == 1;
      plain = part_of(file, at + 1, sealed - 17);
    }
    if (file[14] == 1) plain = unpacked(plain);
    all.insert(all.end(), plain.begin(), plain.end());
    at += sealed;
  }
  REQUIRE(last);
  return all;
}

/// Reads the records of a backup whose trees are as StoreModel has them.
StoreModel records_of(const Octets& plain, std::uint64_t commit, std::uint32_t page_size) {
  StoreModel all;
  std::size_t at = 0;
  const auto next = [&](int count) {
    const std::uint64_t number = little_endian_at(plain, at, count);
    at += static_cast<std::size_t>(count);
    return number;
  };
  const auto text = [&](std::size_t count) {
    const Octets bytes = part_of(plain, at, count);
    at += count;
    return std::string(bytes.begin(), bytes.end());
  };
  REQUIRE(next(1) == 1);
  at += 32;
  CHECK(next(8) == commit);
  CHECK(next(8) > 1'600'000'000'000'000'000);
  CHECK(next(4) == page_size);
  CHECK(next(8) > 0);  // the checkpoint before it
  CHECK(text(32) != std::string(32, '\0'));
  std::uint64_t entries = 0;
  std::uint64_t type = next(1);
  for (; type == 2; type = next(1)) {
    TreeModel tree;
    const std::uint64_t options = next(1);
    tree.multi_value = (options & 1) != 0;
    tree.integer_keys = (options & 2) != 0;
    const std::string name = text(next(1));
    for (type = next(1); type == 3; type = next(1)) {
      const std::uint64_t key_bytes = next(2);
      const std::uint64_t value_bytes = next(8);
      std::string key = text(key_bytes);
      tree.entries.emplace_back(std::move(key), text(value_bytes));
    }
    REQUIRE(type == 4);
    REQUIRE(next(8) == tree.entries.size());
    entries += tree.entries.size();
    all[name] = std::move(tree);
  }
  REQUIRE(type == 5);
  CHECK(next(8) == all.size());
  CHECK(next(8) == entries);
  CHECK(at == plain.size());
  return all;
}

Octets octets_of(const std::filesystem::path& path) {
  const auto bytes = bytes_of(path);
  const auto* first = reinterpret_cast<const unsigned char*>(bytes.data());
  return {first, first + bytes.size()};
}

bool contains(const Octets& bytes, std::string_view text) {
  return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
}

}  // namespace

TEST_CASE("a logical backup is what docs/format.md says, read with libsodium and Zstandard alone") {
  const TempDirectory directory;
  const Octets raw_key(32, 5);
  const Key key = key_from(5);
  Store store = Store::create(directory.path() / "store", key);
  fill(store, 21);
  {
    WriteTransaction writing = store.write();
    writing.create_tree("text").put("k", std::string(500'000, 't'));
    writing.commit();
  }
  const StoreModel expected = contents_of(store);
  std::uint64_t uncompressed = 0;
  for (const auto& [encrypted, compressed] : {std::pair(true, false), std::pair(false, false),
                                              std::pair(true, true), std::pair(false, true)}) {
    CAPTURE(encrypted, compressed);
    const auto path = directory.path() / fmt::format("{}{}", encrypted, compressed);
    BackupOptions options{.compress = compressed};
    if (!encrypted) options.encryption.mode = BackupEncryptionMode::none;
    const BackupReport report = backup_logical(store, path, options);
    const Octets file = octets_of(path);
    CHECK(std::memcmp(file.data(), "COFFERB1", 8) == 0);
    CHECK(little_endian_at(file, 8, 4) == 1);
    CHECK(file[12] == 1);
    CHECK(file[13] == (encrypted ? 2 : 0));
    CHECK(file[14] == (compressed ? 1 : 0));
    CHECK(part_of(file, 15, 9) == Octets(9, 0));  // no page size, link 0
    CHECK(report.bytes == file.size());
    CHECK(report.compressed == compressed);
    if (compressed) CHECK(file.size() < uncompressed - 490'000);
    if (!compressed) uncompressed = file.size();
    CHECK(little_endian_at(file, 24, 8) == static_cast<std::uint64_t>(report.taken.count()));
    CHECK(part_of(file, 88, 8) == Octets(8, 0));
    CHECK(part_of(file, 96, 16) != Octets(16, 0));
    CHECK(part_of(file, 112, 16) == part_of(file, 96, 16));
    CHECK(part_of(file, 128, 384) == Octets(384, 0));
    const Octets plain = plaintext_of(file, encrypted ? &raw_key : nullptr);
    // In the label, and in the record of the origin, behind its type, two ids and the commit.
    CHECK(little_endian_at(plain, 41, 8) == little_endian_at(file, 24, 8));
    CHECK(records_of(plain, report.commit, 4096) == expected);
  }
}

TEST_CASE("nothing of the store can be read in an encrypted backup") {
  const TempDirectory directory;
  const Key key = key_from(5);
  Store store = Store::create(directory.path() / "store", key);
  const std::array<std::string, 4> markers = {"MARKER-OF-A-TREE", "MARKER-OF-A-KEY",
                                              "MARKER-OF-A-VALUE", "MARKER-OF-A-LARGE-VALUE"};
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree(markers[0]);
    tree.put(markers[1], markers[2]);
    std::string large(300'000, '.');
    large.replace(150'000, markers[3].size(), markers[3]);
    tree.put("large", large);
    writing.commit();
  }
  static_cast<void>(backup_logical(store, directory.path() / "sealed"));
  static_cast<void>(backup_logical(store, directory.path() / "plain",
                                   {.encryption = {.mode = BackupEncryptionMode::none}}));
  const Octets sealed = octets_of(directory.path() / "sealed");
  const Octets plain = octets_of(directory.path() / "plain");
  for (const std::string& marker : markers) {
    CAPTURE(marker);
    CHECK_FALSE(contains(sealed, marker));
    CHECK(contains(plain, marker));
  }
  // Nor the key.
  CHECK_FALSE(contains(sealed, std::string(32, '\5')));
}

TEST_CASE("two backups of one state have nothing in common behind the key header") {
  const TempDirectory directory;
  const Key key = key_from(5);
  Store store = Store::create(directory.path() / "store", key);
  fill(store, 2, 5);
  static_cast<void>(backup_logical(store, directory.path() / "one"));
  static_cast<void>(backup_logical(store, directory.path() / "two"));
  const Octets one = octets_of(directory.path() / "one");
  const Octets two = octets_of(directory.path() / "two");
  CHECK(part_of(one, 512, 4096) == part_of(two, 512, 4096));
  CHECK(part_of(one, 32, 32) != part_of(two, 32, 32));
  CHECK(part_of(one, 96, 16) != part_of(two, 96, 16));
  CHECK(part_of(one, 64, 24) != part_of(two, 64, 24));
  std::size_t same = 0;
  const std::size_t length = std::min(one.size(), two.size());
  for (std::size_t at = 4608; at < length; ++at) same += one[at] == two[at] ? 1 : 0;
  // Random bytes agree once in 256.
  CHECK(same < (length - 4608) / 128);
}

}  // namespace coffer::test
