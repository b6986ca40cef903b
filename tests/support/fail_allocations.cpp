#include "tests/support/fail_allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t left = 0;  // 0: allocations do not fail
thread_local bool reached = false;
thread_local bool later_ones_too = false;

void* allocate(std::size_t size) {
  if (left != 0 && --left == 0) {
    reached = true;
    left = later_ones_too ? 1 : 0;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
  return operator new(size, nothrow);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace coffer::test {

void fail_allocation_in(std::uint64_t n, bool and_later) {
  reached = false;
  later_ones_too = and_later;
  left = n;
}

std::uint64_t allocations_until_failure() {
  return left;
}

bool stop_failing_allocations() {
  left = 0;
  return !reached;
}

}  // namespace coffer::test
