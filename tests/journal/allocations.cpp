#include "tests/journal/allocations.hpp"

#include <cstdlib>
#include <new>

namespace coffer::journal::testing {
namespace {

thread_local std::uint64_t count = 0;
thread_local bool armed = false;
thread_local std::uint64_t fail_at = 0;

void* counted(std::size_t bytes) {
  ++count;
  if (armed && count > fail_at) {
    armed = false;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

std::uint64_t allocations() {
  return count;
}

void fail_allocation(std::uint64_t nth) {
  fail_at = count + nth;
  armed = true;
}

bool stop_failing_allocations() {
  const bool was = armed;
  armed = false;
  return was;
}

}  // namespace coffer::journal::testing

// Not inlined: where only one of a pair is, g++ takes new and free for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return coffer::journal::testing::counted(bytes);
}
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
  return coffer::journal::testing::counted(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
