// See block_image.hpp.
#include "platform/simulated/block_image.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace coffer::platform::simulated {

namespace {

constexpr std::uint64_t kBlock = BlockImage::kBlockBytes;

// True when nobody else holds `pointer`, with everything that former holders did to it done.
template <class T>
bool is_ours_alone(const std::shared_ptr<T>& pointer) {
#ifdef __SANITIZE_THREAD__
  // The thread sanitizer knows no fences; one more owner synchronises with those that left.
  const std::shared_ptr<T> second = pointer;
  return second.use_count() == 2;
#else
  if (pointer.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
#endif
}

/// Calls `visit(block index, begin within block, length, bytes done before)` for each block of a
/// range.
template <class Visit>
void for_each_block(std::uint64_t offset, std::uint64_t length, Visit&& visit) {
  for (std::uint64_t done = 0; done < length;) {
    const auto within = (offset + done) % kBlock;
    const auto step = std::min(kBlock - within, length - done);
    visit((offset + done) / kBlock, within, step, done);
    done += step;
  }
}

}  // namespace

BlockImage::Table& BlockImage::own_table() {
  if (!is_ours_alone(table_)) table_ = std::make_shared<Table>(*table_);
  return *table_;
}

BlockImage::Block& BlockImage::own_block(Table& table, std::uint64_t index) {
  if (index >= table.size()) table.resize(index + 1);
  auto& pointer = table[index];
  if (pointer == nullptr) {
    pointer = std::make_shared<Block>();
  } else if (!is_ours_alone(pointer)) {
    pointer = std::make_shared<Block>(*pointer);
  }
  return *pointer;
}

BlockImage::BlockPointer BlockImage::block(std::uint64_t index) const {
  return index < table_->size() ? (*table_)[index] : nullptr;
}

void BlockImage::set_size(std::uint64_t size) {
  size_ = size;
  const std::uint64_t end = table_->size() * kBlock;
  if (size < end) {
    zero(size, end - size);
    own_table().resize((size + kBlock - 1) / kBlock);
  }
}

void BlockImage::read(std::uint64_t offset, std::span<std::byte> out) const {
  const Table& table = *table_;
  for_each_block(offset, out.size(), [&](auto index, auto within, auto step, auto done) {
    if (index < table.size() && table[index] != nullptr) {
      std::memcpy(out.data() + done, table[index]->data() + within, step);
    } else {
      std::memset(out.data() + done, 0, step);
    }
  });
}

void BlockImage::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  Table& table = own_table();
  for_each_block(offset, bytes.size(), [&](auto index, auto within, auto step, auto done) {
    std::memcpy(own_block(table, index).data() + within, bytes.data() + done, step);
  });
}

void BlockImage::zero(std::uint64_t offset, std::uint64_t length) {
  Table& table = own_table();
  const std::uint64_t end = table.size() * kBlock;
  if (offset >= end) return;
  length = std::min(length, end - offset);
  for_each_block(offset, length, [&](auto index, auto within, auto step, auto) {
    if (table[index] == nullptr) return;
    if (step == kBlock) {
      table[index] = nullptr;
    } else {
      std::memset(own_block(table, index).data() + within, 0, step);
    }
  });
}

void BlockImage::reserve(std::uint64_t offset, std::uint64_t length) {
  // One block of zeros for all: it is never written, because more than one holds it.
  static const auto zeros = std::make_shared<Block>();
  Table& table = own_table();
  if (length > 0)
    table.resize(std::max<std::size_t>(table.size(), (offset + length - 1) / kBlock + 1));
  for_each_block(offset, length, [&](auto index, auto, auto, auto) {
    if (table[index] == nullptr) table[index] = zeros;
  });
}

void BlockImage::take_blocks(const BlockImage& other, std::uint64_t offset, std::uint64_t length) {
  Table& table = own_table();
  for_each_block(offset, length, [&](auto index, auto, auto, auto) {
    auto theirs = other.block(index);
    if (index >= table.size()) {
      if (theirs == nullptr) return;
      table.resize(index + 1);
    }
    table[index] = std::move(theirs);
  });
}

std::uint64_t BlockImage::blocks_in_use() const {
  return static_cast<std::uint64_t>(
      std::count_if(table_->begin(), table_->end(), [](const auto& p) { return p != nullptr; }));
}

std::uint64_t BlockImage::blocks_missing(std::uint64_t offset, std::uint64_t length) const {
  std::uint64_t missing = 0;
  for_each_block(offset, length, [&](auto index, auto, auto, auto) {
    if (index >= table_->size() || (*table_)[index] == nullptr) ++missing;
  });
  return missing;
}

}  // namespace coffer::platform::simulated
