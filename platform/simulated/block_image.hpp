// A file's contents as 4 KiB blocks that copies share until one of them writes.
//
// Copying an image costs one pointer; the first change of a copy costs its table of blocks, and
// each block changed costs that block.  That is what makes thousands of cuts of one disk
// affordable. Not thread-safe; images that share blocks may be used by different threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace coffer::platform::simulated {

class BlockImage {
 public:
  static constexpr std::uint64_t kBlockBytes = 4096;

  /// The length of the file.  Blocks may hold bytes behind it until set_size says otherwise: at a
  /// power cut a sector can land whose new length did not.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Changes the length and nothing else.
  void set_size_only(std::uint64_t size) { size_ = size; }
  /// Changes the length; what lies behind it becomes zero.
  void set_size(std::uint64_t size);

  /// Copies out, zeros where nothing was written.  Does not look at the length.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// Writes without changing the length.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Makes a range zero without changing the length; whole blocks are given back.
  void zero(std::uint64_t offset, std::uint64_t length);
  /// Gives every block of the range a place on the disk.
  void reserve(std::uint64_t offset, std::uint64_t length);
  /// Takes over the blocks that the range touches as they are in `other`.
  void take_blocks(const BlockImage& other, std::uint64_t offset, std::uint64_t length);

  /// Blocks with a place on the disk, in all and missing in a range.
  [[nodiscard]] std::uint64_t blocks_in_use() const;
  [[nodiscard]] std::uint64_t blocks_missing(std::uint64_t offset, std::uint64_t length) const;

 private:
  using Block = std::array<std::byte, kBlockBytes>;
  using BlockPointer = std::shared_ptr<Block>;
  using Table = std::vector<BlockPointer>;

  Table& own_table();
  Block& own_block(Table& table, std::uint64_t index);
  [[nodiscard]] BlockPointer block(std::uint64_t index) const;

  std::shared_ptr<Table> table_ = std::make_shared<Table>();
  std::uint64_t size_ = 0;
};

}  // namespace coffer::platform::simulated
