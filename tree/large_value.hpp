// Values that do not fit a page: sealed chunks, and an index of their references.
//
//   L1  A value in memory is one chunk at most: writer and reader hold one ChunkBuffer, and one page pin
//       at a time; a walk over the whole index holds a pin a level.
//   L2  A chunk is written once and never changed.  A value is replaced, not edited.
//   L3  What a writer has written belongs to it until `release`: its destructor gives it back, unless
//       the transaction was rolled back meanwhile and has done so itself.
//   L4  Every number that comes from a page is checked against what the value's length implies; what
//       does not fit raises Corrupted, naming the page.
//
// On failure: LargeValueWriter stays as `size()` says, and goes on from there.  free_large_value
// undoes what it had done.  Should giving back fail, the registry's `must_roll_back` says so.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tree/large_value_format.hpp"
#include "tree/value_stream_registry.hpp"
#include "txn/pages.hpp"

namespace coffer::tree {

/// Where a large value lies; what the leaf cell holds.
struct LargeValueDescriptor {
  std::uint64_t length = 0;
  std::uint64_t value_id = 0;
  CommitNumber born{};
  std::array<txn::ChunkRef, kLargeInlineChunksMax> inline_chunks{};  ///< when that many are enough
  PageId root = kNoPage;                                             ///< otherwise
};

/// Writes the descriptor to the front of `out` (large enough); returns its length in bytes.
std::size_t encode_large_value(const LargeValueGeometry& geometry,
                               const LargeValueDescriptor& value, std::span<std::byte> out);
/// Reads the descriptor that fills `in` exactly; Corrupted, naming `page`, when it cannot be one.
[[nodiscard]] LargeValueDescriptor decode_large_value(const LargeValueGeometry& geometry,
                                                      std::span<const std::byte> in, PageId page);

/// Collects a value and seals it chunk by chunk.
class LargeValueWriter final : private OpenStream {
 public:
  /// `registry` may be null when there are no savepoints and the sink outlives the writer.
  explicit LargeValueWriter(txn::PageSink& sink, std::shared_ptr<StreamRegistry> registry);
  /// Gives back what was written, unless released.
  ~LargeValueWriter() override;

  /// Takes pieces of any size.  On failure `size()` bytes are in; the rest may be given again.
  void write(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const { return written_.length + buffered_; }
  /// The whole value, when none of it has been sealed yet.
  [[nodiscard]] std::optional<std::span<const std::byte>> unsealed() const;
  /// Seals the rest and describes the value, which still belongs to the writer; nothing can be
  /// written to it any more.  May be repeated.
  [[nodiscard]] LargeValueDescriptor finish();
  /// The descriptor now stands in a page, or the value is not wanted as a large one: after this the
  /// writer holds nothing, and takes nothing.
  void release() noexcept;

 private:
  // What there is to give back.  The first two chunk references never change, so that these two
  // fields are all that a savepoint has to remember.
  struct Written {
    std::uint64_t length = 0;  // in sealed chunks
    PageId root = kNoPage;
    friend bool operator==(const Written&, const Written&) = default;
  };
  struct Mark {
    txn::SavepointId savepoint;
    Written written;
    std::uint64_t size;
  };
  enum class Phase : std::uint8_t { open, released, undone, ended };

  void savepoint_made(txn::SavepointId id) override;
  void rolled_back_to(txn::SavepointId id) noexcept override;
  void value_freed(std::uint64_t) noexcept override {}
  void transaction_ended(Ending ending) noexcept override;

  void require_open() const;
  void seal_buffered();
  void append(const txn::ChunkRef& ref);
  void begin_index(const txn::ChunkRef& third);
  void append_to_index(std::uint64_t chunks, const txn::ChunkRef& ref);
  void grow_index(std::uint64_t chunks, unsigned full_levels, const txn::ChunkRef& ref);
  void abandon() noexcept;
  void give_back(const txn::ChunkRef& ref) noexcept;
  void give_back(PageId page) noexcept;
  void note_leak() noexcept;
  [[nodiscard]] LargeValueDescriptor describe() const;

  txn::PageSink* sink_;
  LargeValueGeometry geometry_;
  txn::ChunkBuffer buffer_;
  std::size_t buffered_ = 0;
  std::optional<std::uint64_t> value_id_;
  std::array<txn::ChunkRef, kLargeInlineChunksMax> inline_chunks_{};
  Written written_;
  std::vector<PageId> spine_;  // the index's last page on each level, leaf first
  std::vector<Mark> marks_;
  bool finished_ = false;
  Phase phase_ = Phase::open;
};

/// Reads a large value with random access, one chunk decrypted at a time.
class LargeValueReader final : private OpenStream {
 public:
  LargeValueReader(txn::PageSource& source, const LargeValueDescriptor& value,
                   std::shared_ptr<StreamRegistry> registry);
  ~LargeValueReader() override = default;

  [[nodiscard]] std::uint64_t size() const { return value_.length; }
  /// Copies up to `out.size()` bytes from `offset` on; returns how many there were.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out);

 private:
  enum class Phase : std::uint8_t { open, freed, undone, ended };

  void savepoint_made(txn::SavepointId) override {}
  void rolled_back_to(txn::SavepointId id) noexcept override;
  void value_freed(std::uint64_t value_id) noexcept override;
  void transaction_ended(Ending ending) noexcept override;
  void let_go(Phase phase) noexcept;

  void require_open() const;
  std::span<const std::byte> chunk(std::uint64_t index);

  txn::PageSource* source_;
  LargeValueGeometry geometry_;
  LargeValueDescriptor value_;
  txn::ChunkBuffer buffer_;
  std::optional<std::uint64_t> cached_;
  Phase phase_ = Phase::open;
};

/// The reference of chunk `index` (below the value's chunk count).
[[nodiscard]] txn::ChunkRef find_chunk(txn::PageSource& source, const LargeValueGeometry& geometry,
                                       const LargeValueDescriptor& value, std::uint64_t index);

/// Frees the value's chunks and index pages.  On failure nothing is freed.  Readers of the value
/// that `registry` knows refuse to go on.
void free_large_value(txn::PageSink& sink, const LargeValueDescriptor& value,
                      StreamRegistry* registry);

/// Hears of everything that a large value consists of.
class LargeValueVisitor {
 public:
  /// An index page, before what is below it.
  virtual void index_page(PageId id, unsigned level) = 0;
  virtual void chunk(std::uint64_t index, const txn::ChunkRef& ref) = 0;

 protected:
  ~LargeValueVisitor() = default;
};

/// Walks the whole index, in order, checking it; the chunks themselves are not opened.  The visitor
/// may raise what it likes.
void visit_large_value(txn::PageSource& source, const LargeValueDescriptor& value,
                       LargeValueVisitor& visitor);

}  // namespace coffer::tree
