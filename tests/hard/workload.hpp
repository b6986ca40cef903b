// What the workers write, so that anybody can say later what must be there.
//
// 1. Every byte follows from a seed and its offset: nothing is kept to compare with.
// 2. The contents after commit n are a function of n alone (write_commit, expect_state): a store
//    that shows anything of another commit, or not all of its own, does not match.
#pragma once

#include <array>
#include <coffer/coffer.hpp>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace coffer::hard {

inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
inline std::uint64_t seed_of(std::uint64_t kind, std::uint64_t n, std::uint64_t j = 0) {
  return mix(mix(mix(kind) ^ n) ^ j);
}

/// The bytes of the run that `seed` names, from `offset` (a multiple of 8) on.
inline void fill_bytes(std::uint64_t seed, std::uint64_t offset, std::span<std::byte> out) {
  for (std::size_t at = 0; at < out.size(); at += 8) {
    const std::uint64_t word = mix(seed ^ (offset + at));
    std::memcpy(out.data() + at, &word, std::min<std::size_t>(8, out.size() - at));
  }
}
inline bool matches(std::uint64_t seed, std::uint64_t offset, std::span<const std::byte> in) {
  for (std::size_t at = 0; at < in.size(); at += 8) {
    const std::uint64_t word = mix(seed ^ (offset + at));
    if (std::memcmp(in.data() + at, &word, std::min<std::size_t>(8, in.size() - at)) != 0) {
      return false;
    }
  }
  return true;
}

/// The key that all test stores are encrypted under.
inline Key test_key() {
  std::array<std::byte, Key::kBytes> raw{};
  fill_bytes(4711, 0, raw);
  return Key::from_bytes(raw);
}

[[noreturn]] inline void wrong(const std::string& what) {
  throw std::logic_error(what);
}

// --- The contents after commit n ----------------------------------------------------------------

inline constexpr std::uint64_t kTrees = 4;
inline constexpr std::uint64_t kPairs = 3;    ///< a tree's new keys in a commit
inline constexpr std::uint64_t kWindow = 60;  ///< commits whose keys stay
inline constexpr std::uint64_t kOver = 31;    ///< keys that are written again and again
inline constexpr std::uint64_t kLarge = 5;    ///< keys of large values
inline constexpr std::uint64_t kLargeEvery = 4;
inline constexpr std::uint64_t kLargeBytesMax = 150'000;

inline std::string tree_name(std::uint64_t t) {
  return "tree-" + std::to_string(t);
}
inline std::array<std::byte, 16> pair_key(std::uint64_t n, std::uint64_t j) {
  std::array<std::byte, 16> key{};
  std::ranges::copy(integer_key(n), key.begin());
  std::ranges::copy(integer_key(j), key.begin() + 8);
  return key;
}

/// A value of up to 1000 bytes, made on the spot.
struct SmallValue {
  std::array<std::byte, 1000> room{};
  std::size_t size;
  explicit SmallValue(std::uint64_t seed) : size(seed % room.size()) {
    fill_bytes(seed, 0, std::span(room).first(size));
  }
  [[nodiscard]] Bytes bytes() const { return Bytes(std::span(room).first(size)); }
};

inline void write_large(Tree& tree, Bytes key, std::uint64_t seed, std::uint64_t size) {
  std::array<std::byte, 8192> piece{};
  ValueWriter writer = tree.write(key);
  for (std::uint64_t at = 0; at < size;) {
    const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), size - at));
    fill_bytes(seed, at, part);
    writer.write(part);
    at += part.size();
  }
  writer.finish();
}

inline void expect_large(Tree& tree, Bytes key, std::uint64_t seed, std::uint64_t size) {
  std::array<std::byte, 8192> piece{};
  auto reader = tree.read(key);
  if (!reader || reader->size() != size) wrong("a large value is missing or has another length");
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t got = reader->read_at(at, piece);
    const auto part = std::span(piece).first(got);
    if (got == 0 || !matches(seed, at, part)) wrong("a large value has other bytes");
    at += got;
  }
}

inline std::uint64_t large_bytes(std::uint64_t n) {
  return seed_of(9, n) % kLargeBytesMax + 8000;
}

inline std::uint64_t write_commit(Store& store, std::uint64_t n) {
  WriteTransaction transaction = store.write();
  for (std::uint64_t t = 0; t < kTrees; ++t) {
    Tree tree = transaction.create_tree(tree_name(t));
    for (std::uint64_t j = 0; j < kPairs; ++j) {
      tree.put(pair_key(n, j), SmallValue(seed_of(t, n, j)).bytes());
      if (n > kWindow && !tree.erase(pair_key(n - kWindow, j))) wrong("an old key is missing");
    }
  }
  transaction.create_tree("over").put(integer_key(n % kOver), SmallValue(seed_of(8, n)).bytes());
  if (n % kLargeEvery == 0) {
    Tree large = transaction.create_tree("large");
    write_large(large, integer_key(n / kLargeEvery % kLarge), seed_of(10, n), large_bytes(n));
  }
  transaction.create_tree("meta").put("last", integer_key(n));
  return transaction.commit();
}

/// The last commit that the store shows; 0 when there is none.
inline std::uint64_t last_in(ReadTransaction& transaction) {
  auto tree = transaction.find_tree("meta");
  if (!tree) return 0;
  const auto value = tree->get("last");
  return value ? key_integer(value->bytes()) : 0;
}

/// Throws std::logic_error unless the store shows exactly what commit `n` left.
inline void expect_state(ReadTransaction& transaction, std::uint64_t n) {
  if (n == 0) {
    if (!transaction.trees().empty()) wrong("a store without commits has trees");
    return;
  }
  for (std::uint64_t t = 0; t < kTrees; ++t) {
    Tree tree = transaction.tree(tree_name(t));
    Cursor cursor = tree.cursor();
    cursor.first();
    for (std::uint64_t c = n > kWindow ? n - kWindow + 1 : 1; c <= n; ++c) {
      for (std::uint64_t j = 0; j < kPairs; ++j) {
        const std::string where = " (tree " + std::to_string(t) + ", commit " + std::to_string(c) +
                                  " of " + std::to_string(n) + ")";
        if (!cursor.valid() || !equal(cursor.key(), pair_key(c, j))) wrong("other keys" + where);
        // Some of them are just too large for a page, which reads as a stream do as well.
        const SmallValue expected(seed_of(t, c, j));
        std::array<std::byte, 1000> got{};
        if (cursor.value_size() != expected.size || cursor.read().read(got) != expected.size ||
            got != expected.room) {
          wrong("another value" + where);
        }
        cursor.next();
      }
    }
    if (cursor.valid()) wrong("more keys than were written");
  }
  Tree over = transaction.tree("over");
  if (over.count() != std::min(n, kOver)) wrong("rewritten keys are missing, or too many");
  for (std::uint64_t c = n > kOver ? n - kOver + 1 : 1; c <= n; ++c) {
    const SmallValue expected(seed_of(8, c));
    std::array<std::byte, 1000> got{};
    auto value = over.read(integer_key(c % kOver));
    if (!value || value->size() != expected.size || value->read(got) != expected.size ||
        got != expected.room) {
      wrong("a rewritten value is not the last one, of commit " + std::to_string(c));
    }
  }
  const std::uint64_t newest = n / kLargeEvery;
  if (newest == 0) return;
  Tree large = transaction.tree("large");
  if (large.count() != std::min(newest, kLarge)) wrong("large values are missing, or too many");
  for (std::uint64_t i = newest > kLarge ? newest - kLarge + 1 : 1; i <= newest; ++i) {
    const std::uint64_t c = i * kLargeEvery;
    expect_large(large, integer_key(i % kLarge), seed_of(10, c), large_bytes(c));
  }
}

// --- Anchors as text, and files whole -------------------------------------------------------------

inline std::string to_text(const Anchor& anchor) {
  std::array<unsigned char, sizeof anchor.instance + 8 + sizeof anchor.history> raw{};
  std::memcpy(raw.data(), anchor.instance.data(), 16);
  std::memcpy(raw.data() + 16, &anchor.commit, 8);
  std::memcpy(raw.data() + 24, anchor.history.data(), 32);
  std::string text;
  for (const unsigned char byte : raw) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}
inline Anchor to_anchor(const std::string& text) {
  std::array<unsigned char, 56> raw{};
  if (text.size() != 2 * raw.size()) wrong("not an anchor");
  for (std::size_t i = 0; i < raw.size(); ++i) {
    raw[i] = static_cast<unsigned char>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
  }
  Anchor anchor;
  std::memcpy(anchor.instance.data(), raw.data(), 16);
  std::memcpy(&anchor.commit, raw.data() + 16, 8);
  std::memcpy(anchor.history.data(), raw.data() + 24, 32);
  return anchor;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  // Files of /proc have no size to ask for.
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
  in.seekg(0);
  if (size == 0) return {std::istreambuf_iterator<char>(in), {}};
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}
inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) wrong("cannot write " + path.string());
}
/// A store's directory, file by file, in place of whatever is at `to`.
inline void copy_store(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace coffer::hard
