// See locked_heap.hpp.
//
// 1. Bytes are zero when handed out and wiped before the allocator sees them again: its own links
//    live inside free blocks, so wiping comes before giving back and zeroing after taking.
// 2. One mutex guards the allocator; wiping happens outside it, on memory that only its owner
// knows.
// 3. In a forked child the region is not there (see linux/memory.cpp): destructors touch nothing.
#include "platform/locked_heap.hpp"

#include <fmt/format.h>
#include <sodium/utils.h>

#include <boost/interprocess/managed_external_buffer.hpp>
#include <coffer/error.hpp>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "platform/fork_generation.hpp"

namespace coffer::platform {

namespace {

constexpr std::size_t kAlignmentBytes = 16;

}  // namespace

struct LockedHeap::State {
  Memory& memory;
  std::string purpose;
  std::uint64_t born_in_generation;
  std::unique_ptr<LockableRegion> region;
  std::mutex mutex;
  boost::interprocess::managed_external_buffer allocator;

  State(Memory& memory_in, std::uint64_t size_bytes, LockPolicy policy, std::string purpose_in,
        bool excluded_from_dumps)
      : memory(memory_in),
        purpose(std::move(purpose_in)),
        born_in_generation(fork_generation()),
        region(memory_in.reserve(size_bytes, policy, purpose, excluded_from_dumps)) {
    const auto bytes = region->bytes();
    region->commit(0, bytes.size());
    allocator = boost::interprocess::managed_external_buffer(boost::interprocess::create_only,
                                                             bytes.data(), bytes.size());
  }
};

LockedHeap::LockedHeap(Memory& memory, std::uint64_t size_bytes, LockPolicy policy,
                       std::string purpose, bool excluded_from_dumps) {
  Expects(size_bytes > 0);
  state_ =
      std::make_unique<State>(memory, size_bytes, policy, std::move(purpose), excluded_from_dumps);
}

LockedHeap::~LockedHeap() = default;

LockedBuffer LockedHeap::allocate(std::size_t size) {
  if (size == 0) return {};
  void* taken = nullptr;
  {
    const std::lock_guard guard(state_->mutex);
    taken = state_->allocator.allocate(size, std::nothrow);
  }
  if (taken == nullptr) {
    throw MemoryLockError(
        fmt::format("the locked memory for {} is used up: {} bytes asked for, {} of {} free; raise "
                    "the store's budget of locked memory or hold fewer buffers at once",
                    state_->purpose, size, free_bytes(), state_->region->bytes().size()),
        lock_numbers(state_->memory.account(), size));
  }
  Ensures(reinterpret_cast<std::uintptr_t>(taken) % kAlignmentBytes == 0);
  std::memset(taken, 0, size);
  return {*this, std::span(static_cast<std::byte*>(taken), size)};
}

std::uint64_t LockedHeap::free_bytes() const {
  const std::lock_guard guard(state_->mutex);
  return state_->allocator.get_free_memory();
}

void LockedHeap::give_back(std::span<std::byte> bytes) noexcept {
  if (fork_generation() != state_->born_in_generation) return;
  sodium_memzero(bytes.data(), bytes.size());
  const std::lock_guard guard(state_->mutex);
  state_->allocator.deallocate(bytes.data());
}

LockedBuffer::LockedBuffer(LockedBuffer&& other) noexcept
    : heap_(std::exchange(other.heap_, nullptr)),
      bytes_(std::exchange(other.bytes_, std::span<std::byte>())) {}

LockedBuffer& LockedBuffer::operator=(LockedBuffer&& other) noexcept {
  if (this != &other) {
    reset();
    heap_ = std::exchange(other.heap_, nullptr);
    bytes_ = std::exchange(other.bytes_, std::span<std::byte>());
  }
  return *this;
}

LockedBuffer::~LockedBuffer() {
  reset();
}

void LockedBuffer::reset() noexcept {
  if (heap_ != nullptr) heap_->give_back(bytes_);
  heap_ = nullptr;
  bytes_ = {};
}

}  // namespace coffer::platform
