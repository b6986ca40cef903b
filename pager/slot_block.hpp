// What is known of 16,384 consecutive slots: which the checkpoint in force uses, and which are held
// for what.  One bit a slot for the former; the planes for the holds exist only where something is
// held, so that a large store that is mostly at rest costs one bit a slot.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "pager/slot_ledger.hpp"

namespace coffer::pager {

class SlotBlock {
 public:
  static constexpr std::uint64_t kSlots = 16384;
  static constexpr std::uint32_t kWords = kSlots / 64;
  using Words = std::array<std::uint64_t, kWords>;

  /// THE predicate (slot_ledger.hpp): a set bit is a slot that must not be written.  Slots that the
  /// file does not have count as busy.
  [[nodiscard]] std::uint64_t busy_word(std::uint32_t w) const { return word(w).busy; }

  [[nodiscard]] std::uint64_t used_word(std::uint32_t w) const { return used_[w]; }
  [[nodiscard]] std::uint64_t held_word(std::uint32_t w, Hold hold) const {
    const auto& plane = held_[index(hold)];
    return plane ? plane->bits[w] : 0;
  }
  [[nodiscard]] std::uint32_t free() const { return free_; }
  [[nodiscard]] std::uint32_t used() const { return used_count_; }
  /// Slots that only Hold::backup keeps.
  [[nodiscard]] std::uint32_t pinned() const { return pinned_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }

  /// How many of the slots the file has; those cut off must be free.
  void resize(std::uint32_t size) {
    size_ = size;
    free_ = 0;
    for (std::uint32_t w = 0; w < kWords; ++w) {
      free_ += static_cast<std::uint32_t>(std::popcount(~busy_word(w)));
    }
  }

  /// Makes sure that hold_word for this hold cannot fail.
  void prepare(Hold hold) {
    auto& plane = held_[index(hold)];
    if (!plane) plane = std::make_unique<Plane>();
  }
  void hold_word(std::uint32_t w, std::uint64_t mask, Hold hold) {
    const Word before = word(w);
    Plane& plane = *held_[index(hold)];
    plane.count += static_cast<std::uint32_t>(std::popcount(mask & ~plane.bits[w]));
    plane.bits[w] |= mask;
    recount(before, word(w));
  }
  void release_word(std::uint32_t w, std::uint64_t mask, Hold hold) {
    auto& plane = held_[index(hold)];
    if (!plane) return;
    const Word before = word(w);
    plane->count -= static_cast<std::uint32_t>(std::popcount(mask & plane->bits[w]));
    plane->bits[w] &= ~mask;
    if (plane->count == 0) plane.reset();
    recount(before, word(w));
  }
  void use_word(std::uint32_t w, std::uint64_t mask) { set_used(w, used_[w] | mask); }
  void unuse_word(std::uint32_t w, std::uint64_t mask) { set_used(w, used_[w] & ~mask); }

 private:
  struct Plane {
    Words bits{};
    std::uint32_t count = 0;
  };

  static std::size_t index(Hold hold) {
    return static_cast<std::size_t>(std::countr_zero(static_cast<std::uint8_t>(hold)));
  }
  [[nodiscard]] std::uint64_t existing_word(std::uint32_t w) const {
    if (size_ >= (w + 1) * 64) return ~std::uint64_t{0};
    return size_ <= w * 64 ? 0 : (std::uint64_t{1} << (size_ - w * 64)) - 1;
  }
  void set_used(std::uint32_t w, std::uint64_t bits) {
    const Word before = word(w);
    used_count_ -= static_cast<std::uint32_t>(std::popcount(used_[w]));
    used_count_ += static_cast<std::uint32_t>(std::popcount(bits));
    used_[w] = bits;
    recount(before, word(w));
  }
  /// What is counted of a word.
  struct Word {
    std::uint64_t busy = 0;
    std::uint64_t pinned = 0;
  };
  [[nodiscard]] Word word(std::uint32_t w) const {
    Word word{used_[w] | ~existing_word(w), 0};
    for (const auto& plane : held_) {
      if (!plane) continue;
      if (&plane == &held_[index(Hold::backup)]) word.pinned = plane->bits[w] & ~word.busy;
      word.busy |= plane->bits[w];
    }
    return word;
  }
  void recount(const Word& before, const Word& after) {
    free_ += static_cast<std::uint32_t>(std::popcount(before.busy));
    free_ -= static_cast<std::uint32_t>(std::popcount(after.busy));
    pinned_ += static_cast<std::uint32_t>(std::popcount(after.pinned));
    pinned_ -= static_cast<std::uint32_t>(std::popcount(before.pinned));
  }

  Words used_{};
  std::array<std::unique_ptr<Plane>, 5>
      held_;  ///< Hold::backup last: what is only pinned is told by it
  std::uint32_t size_ = 0;
  std::uint32_t free_ = 0;
  std::uint32_t used_count_ = 0;
  std::uint32_t pinned_ = 0;
};

}  // namespace coffer::pager
