// A page in memory: its header, and the handles that keep it there.
//
// A page's plaintext is `content_bytes()` long (a slot less its nonce).  Its first 16 bytes are PageHeader;
// the gap [gap_begin, gap_end) in its middle is not stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "platform/strong.hpp"

namespace coffer::pager {

/// The first 16 bytes of every logical page, little-endian.
struct PageHeader {
  std::uint16_t gap_begin;
  std::uint16_t gap_end;
  std::uint8_t type;      ///< the layer above decides; 0 is never used
  std::uint8_t level;     ///< the layer above decides (0: leaf)
  std::uint16_t count;    ///< the layer above decides (entries)
  std::uint64_t version;  ///< commit number of the last change, set by the engine when it seals
};
static_assert(sizeof(PageHeader) == 16);
inline constexpr std::size_t kPageHeaderBytes = sizeof(PageHeader);

/// Whoever counts pins on a frame.
class PinOwner {
 public:
  virtual void unpin(std::uint32_t frame) noexcept = 0;

 protected:
  ~PinOwner() = default;
};

/// A readable page held in its frame.  Moves; unpins on destruction.
class PagePin {
 public:
  PagePin() = default;
  PagePin(PinOwner& owner, std::uint32_t frame, PageId id, std::span<const std::byte> bytes)
      : owner_(&owner), frame_(frame), id_(id), bytes_(bytes) {}
  PagePin(PagePin&& o) noexcept : owner_(o.owner_), frame_(o.frame_), id_(o.id_), bytes_(o.bytes_) {
    o.owner_ = nullptr;
  }
  PagePin& operator=(PagePin&& o) noexcept {
    if (this != &o) {
      reset();
      owner_ = o.owner_;
      frame_ = o.frame_;
      id_ = o.id_;
      bytes_ = o.bytes_;
      o.owner_ = nullptr;
    }
    return *this;
  }
  PagePin(const PagePin&) = delete;
  PagePin& operator=(const PagePin&) = delete;
  ~PagePin() { reset(); }
  void reset() noexcept {
    if (owner_ != nullptr) owner_->unpin(frame_);
    owner_ = nullptr;
  }

  /// Gives up the pin without undoing it: it is somebody else's from now on.
  void release() noexcept { owner_ = nullptr; }

  [[nodiscard]] explicit operator bool() const { return owner_ != nullptr; }
  [[nodiscard]] PageId id() const { return id_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] PageHeader header() const {
    PageHeader h;
    std::memcpy(&h, bytes_.data(), sizeof h);
    return h;
  }

 private:
  PinOwner* owner_ = nullptr;
  std::uint32_t frame_ = 0;
  PageId id_{};
  std::span<const std::byte> bytes_;
};

/// A 64 KiB-class buffer of locked memory from the chunk pool.
class ChunkBuffer {
 public:
  ChunkBuffer() = default;
  ChunkBuffer(PinOwner& owner, std::uint32_t index, std::span<std::byte> bytes)
      : owner_(&owner), index_(index), bytes_(bytes) {}
  ChunkBuffer(ChunkBuffer&& o) noexcept : owner_(o.owner_), index_(o.index_), bytes_(o.bytes_) {
    o.owner_ = nullptr;
  }
  ChunkBuffer& operator=(ChunkBuffer&& o) noexcept {
    if (this != &o) {
      reset();
      owner_ = o.owner_;
      index_ = o.index_;
      bytes_ = o.bytes_;
      o.owner_ = nullptr;
    }
    return *this;
  }
  ChunkBuffer(const ChunkBuffer&) = delete;
  ChunkBuffer& operator=(const ChunkBuffer&) = delete;
  ~ChunkBuffer() { reset(); }
  /// Wipes and gives back.
  void reset() noexcept {
    if (owner_ != nullptr) owner_->unpin(index_);
    owner_ = nullptr;
  }
  [[nodiscard]] explicit operator bool() const { return owner_ != nullptr; }
  [[nodiscard]] std::span<std::byte> bytes() { return bytes_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  PinOwner* owner_ = nullptr;
  std::uint32_t index_ = 0;
  std::span<std::byte> bytes_;
};

}  // namespace coffer::pager
