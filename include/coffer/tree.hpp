// Ordered trees of byte keys, and cursors over them.
//
// Keys are 0 to `Tree::key_bytes_max()` bytes (a quarter page), in memcmp order; integer-keyed trees take
// 8-byte keys made by `integer_key` (big-endian, so that order is numeric).  Values are 0 bytes to what
// the disk holds; one that does not fit a page is stored as a large value.  In a multi-value tree a key has
// an ordered set of values, each no longer than a key.
//
// Trees, cursors, values and streams belong to one transaction, are used by its thread only, and end
// before it does.  They stay good when other trees change; a cursor notices changes to its own tree and
// finds its place again (at the entry it stood on, or the next one if that is gone).
//
// Errors of every call: MemoryLockError, IoError, Tampered (Corrupted when unencrypted), InvalidArgument
// (key too long, writing in a read transaction, wrong kind of tree), and for writers NoSpace, Poisoned.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include <coffer/bytes.hpp>
#include <coffer/export.hpp>
#include <coffer/value.hpp>

namespace coffer {

/// A tree's kind, fixed when it is created.
struct TreeOptions {
  bool multi_value = false;   ///< a key may have several values, kept in order, each once
  bool integer_keys = false;  ///< keys are 8 bytes, from `integer_key`
  friend bool operator==(const TreeOptions&, const TreeOptions&) = default;
};

/// A number as a key: 8 bytes, big-endian.
[[nodiscard]] COFFER_API std::array<std::byte, 8> integer_key(std::uint64_t number);
/// The number that an integer key holds; InvalidArgument unless it is 8 bytes.
[[nodiscard]] COFFER_API std::uint64_t key_integer(Bytes key);

/// A place in a tree's order.  `seek*`, `first`, `last` place it; before that, and after running off an
/// end, it is not valid.  A cursor keeps one leaf decrypted, and in a read transaction's long scan up to 32 that come
/// next.
class COFFER_API Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor();

  [[nodiscard]] bool valid() const;
  /// Each returns valid().
  bool first();
  bool last();
  /// The first entry with a key not less than `key`.
  bool seek(Bytes key);
  /// The entry with exactly `key` (the first of its values in a multi-value tree).
  bool seek_exact(Bytes key);
  /// The last entry with a key not greater than `key`.
  bool seek_last(Bytes key);
  /// In a multi-value tree: the first entry of `key` with a value not less than `value`.
  bool seek_value(Bytes key, Bytes value);
  bool next();
  bool previous();
  /// In a multi-value tree: skips the key's other values.
  bool next_key();

  /// The bytes stay where they are until the cursor moves or the transaction changes this tree.
  [[nodiscard]] Bytes key() const;
  /// The same for the value; a large value is InvalidArgument: use `read`.
  [[nodiscard]] Bytes value() const;
  [[nodiscard]] std::uint64_t value_size() const;
  /// True when the value does not lie inside its page.
  [[nodiscard]] bool value_is_large() const;
  [[nodiscard]] ValueReader read() const;
  /// Removes the entry; the cursor then stands on the next one.  Write transactions only.  After an error the
  /// entry may be gone all the same.
  bool erase();

  struct State;
  explicit Cursor(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// What to scan: keys in [from, to), or those that begin with `prefix`.  Empty bounds are open.
struct Range {
  Bytes from{};
  Bytes to{};
  Bytes prefix{};
};

/// A named tree as a transaction sees it.  Cheap to copy around by moving; holds no locked memory.
class COFFER_API Tree {
 public:
  Tree(Tree&&) noexcept;
  Tree& operator=(Tree&&) noexcept;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree();

  [[nodiscard]] const TreeOptions& options() const;
  [[nodiscard]] std::size_t key_bytes_max() const;

  /// The value of `key`, whole, inside its page; nothing when there is none.  A large value is
  /// InvalidArgument: use `read`.  In a multi-value tree: the first value.
  [[nodiscard]] std::optional<Value> get(Bytes key);
  [[nodiscard]] bool contains(Bytes key);
  /// The value of `key`, of any size, as a stream.
  [[nodiscard]] std::optional<ValueReader> read(Bytes key);
  [[nodiscard]] Cursor cursor();
  /// Number of entries, counted by walking the leaves.
  [[nodiscard]] std::uint64_t count();
  [[nodiscard]] bool empty();

  // Write transactions only.

  /// Sets the value (multi-value: adds it; already there is no error).
  void put(Bytes key, Bytes value);
  /// False, and nothing changed, when the key (multi-value: the pair) is already there.
  bool insert(Bytes key, Bytes value);
  /// As put, for keys that only grow: fills pages to the brim.  InvalidArgument when `key` is not greater
  /// than the last key (multi-value: the pair than the last pair).
  void append(Bytes key, Bytes value);
  /// Sets `desired` if the value is `expected` (nothing: if the key is absent); true if so.
  /// Not for multi-value trees.
  bool compare_and_swap(Bytes key, std::optional<Bytes> expected, Bytes desired);
  /// Removes the key with all its values; false when it was not there.
  bool erase(Bytes key);
  /// Removes one pair of a multi-value tree.
  bool erase(Bytes key, Bytes value);
  /// Removes all entries in the range; returns how many there were.
  std::uint64_t erase_range(const Range& range);
  /// Writes a value of any size as a stream.
  [[nodiscard]] ValueWriter write(Bytes key);

  struct State;
  explicit Tree(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace coffer
