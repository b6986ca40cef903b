#include "txn/sealed_page_pool.hpp"

#include <new>

#include "platform/contracts.hpp"

namespace coffer::txn {

void intrusive_ptr_release(const SealedPage* page) noexcept {
  if (page->users_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    page->home_->give(const_cast<SealedPage*>(page));  // made by the pool, never as a constant
  }
}

SealedPagePool::~SealedPagePool() {
  for (Kept* kept : kept_) {
    while (kept != nullptr) ::operator delete(std::exchange(kept, kept->next));
  }
}

std::size_t SealedPagePool::steps_of(std::size_t sealed_bytes) {
  return (sizeof(SealedPage) + sealed_bytes + kStepBytes - 1) / kStepBytes;
}

SealedPagePointer SealedPagePool::make(std::size_t sealed_bytes) {
  const std::size_t steps = steps_of(sealed_bytes);
  Expects(steps < kept_.size());
  void* block = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    if (Kept* const kept = kept_[steps]) {
      kept_[steps] = kept->next;
      kept_bytes_ -= steps * kStepBytes;
      block = kept;
    }
  }
  if (block == nullptr) block = ::operator new(steps* kStepBytes);
  return {new (block) SealedPage(*this, static_cast<std::uint32_t>(sealed_bytes))};
}

void SealedPagePool::give(SealedPage* page) noexcept {
  const std::size_t steps = steps_of(page->size_);
  page->~SealedPage();
  {
    const std::scoped_lock lock(mutex_);
    if (kept_bytes_ + steps * kStepBytes <= kKeptBytesMax) {
      kept_[steps] = new (page) Kept{kept_[steps]};
      kept_bytes_ += steps * kStepBytes;
      return;
    }
  }
  ::operator delete(page);
}

std::size_t SealedPagePool::kept_bytes() const {
  const std::scoped_lock lock(mutex_);
  return kept_bytes_;
}

}  // namespace coffer::txn
