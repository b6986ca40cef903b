// See backup_model.hpp.
#include "backup_model.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

namespace coffer::test {
namespace {

std::string random_text(std::mt19937_64& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string value_at(const Cursor& cursor) {
  std::string value(cursor.value_size(), '\0');
  ValueReader reader = cursor.read();
  std::size_t at = 0;
  while (at < value.size()) {
    const std::size_t got = reader.read(std::as_writable_bytes(std::span(value)).subspan(at));
    if (got == 0) break;
    at += got;
  }
  value.resize(at);
  return value;
}

}  // namespace

StoreModel contents_of(Store& store) {
  StoreModel all;
  ReadTransaction reading = store.read({.latest = false});
  for (const TreeInfo& info : reading.trees()) {
    TreeModel model{info.multi_value, info.integer_keys, {}};
    Tree tree = reading.tree(info.name);
    Cursor cursor = tree.cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      std::string value =
          cursor.value_is_large() ? value_at(cursor) : std::string(cursor.value().text());
      model.entries.emplace_back(std::string(cursor.key().text()), std::move(value));
    }
    all[info.name] = std::move(model);
  }
  return all;
}

void fill(Store& store, std::uint64_t seed, int entries) {
  std::mt19937_64 random(seed);
  WriteTransaction writing = store.write();
  {
    Tree tree = writing.create_tree("ordinary");
    for (int i = 0; i < entries; ++i) {
      // Of every length up to the key's most, with zero bytes among them.
      const std::string key = std::to_string(random() % 1000) + std::string(random() % 40, '\0');
      constexpr std::array<std::size_t, 6> kSizes = {0, 1, 100, 900, 16'384, 16'385};
      tree.put(key, random_text(random, kSizes[random() % kSizes.size()]));
    }
    tree.put("", "the empty key");
    // Longer than a chunk of the backup, and than a chunk of the store.
    ValueWriter large = tree.write("large");
    large.write(random_text(random, 200'000 + random() % 1000));
    large.finish();
  }
  Tree multi = writing.create_tree("multi", {.multi_value = true});
  for (int i = 0; i < entries; ++i)
    multi.put(std::to_string(random() % 7), random_text(random, random() % 30));
  Tree integers = writing.create_tree("integers", {.integer_keys = true});
  for (int i = 0; i < entries; ++i) integers.put(integer_key(random()), random_text(random, 12));
  static_cast<void>(writing.create_tree("nothing"));
  static_cast<void>(writing.create_tree("both", {.multi_value = true, .integer_keys = true}));
  writing.commit();
}

Key key_from(std::uint8_t seed) {
  std::array<std::byte, Key::kBytes> raw;
  raw.fill(std::byte{seed});
  return Key::from_bytes(std::span<const std::byte>(raw));
}

Key passphrase(const std::string& text) {
  return Key::from_passphrase(text, {.passes = 1, .memory_bytes = 8 << 20});
}

std::vector<std::byte> bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> all{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = std::as_bytes(std::span(all));
  return {bytes.begin(), bytes.end()};
}

void write_bytes(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace coffer::test
