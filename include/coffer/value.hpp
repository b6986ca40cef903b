// Values: a handle on bytes in locked memory, and streams for values of any size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <coffer/bytes.hpp>
#include <coffer/export.hpp>

namespace coffer {

/// The bytes of a value or a key inside a decrypted page.  The handle keeps the page decrypted and in
/// place while it lives, and never sees later changes.  It must end before its transaction does.
/// Moves; one thread at a time.  Locked memory is scarce: hold few.
class COFFER_API Value {
 public:
  Value();
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;
  ~Value();

  /// Valid while the handle lives.
  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] std::string_view text() const { return bytes_.text(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

  struct Access;  // the library's own view

 private:
  // Room for a page pin, so that a point read allocates nothing.
  alignas(8) std::byte pin_[40];
  Bytes bytes_;
};

/// Reads a value of any size with random access.  Valid while its transaction lives; one thread.
class COFFER_API ValueReader {
 public:
  ValueReader(ValueReader&&) noexcept;
  ValueReader& operator=(ValueReader&&) noexcept;
  ValueReader(const ValueReader&) = delete;
  ValueReader& operator=(const ValueReader&) = delete;
  ~ValueReader();

  /// Length of the value in bytes.
  [[nodiscard]] std::uint64_t size() const;
  /// Copies up to `out.size()` bytes from `offset` on; returns how many there were.  `out` is the
  /// caller's memory: what is copied there leaves Coffer's protection.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out);
  /// The next bytes after the last `read`, 0 at the end.
  std::size_t read(std::span<std::byte> out);

  struct State;
  explicit ValueReader(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// Writes a value of any size.  The value takes the place of an older one when `finish` is called;
/// without it nothing changes and what was written is given back.  One at a time in a transaction's
/// tree; other calls on the transaction may come between.
class COFFER_API ValueWriter {
 public:
  ValueWriter(ValueWriter&&) noexcept;
  ValueWriter& operator=(ValueWriter&&) noexcept;
  ValueWriter(const ValueWriter&) = delete;
  ValueWriter& operator=(const ValueWriter&) = delete;
  ~ValueWriter();

  void write(Bytes bytes);
  /// Bytes written so far.
  [[nodiscard]] std::uint64_t size() const;
  void finish();

  struct State;
  explicit ValueWriter(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace coffer
