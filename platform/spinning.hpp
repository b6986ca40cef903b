// A lock that looks again for some microseconds before it sleeps.
//
// For locks that are seldom held longer than that while others want them: to be put to sleep and woken costs a
// transaction more (some 50 microseconds) than what it waits for.  Whoever holds one for longer costs the others those
// microseconds more.  Fairness is the mutex's own: one that sleeps may find the lock taken again, and again.
//
// Used through std::lock_guard, std::shared_lock and so on, like the mutex inside.
#pragma once

#include <thread>

namespace coffer::platform {

/// Tells the processor that this thread only waits.
inline void relax_processor() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  // Takes as long as a pause elsewhere; "yield" takes no time on many processors.
  asm volatile("isb");
#endif
}

/// `Mutex` is a std::mutex, a SharedMutex or the like.  Thread-safe as that.
template <class Mutex>
class Spinning {
 public:
  Spinning() = default;
  Spinning(const Spinning&) = delete;
  Spinning& operator=(const Spinning&) = delete;

  void lock() {
    if (!spin([this] { return mutex_.try_lock(); })) mutex_.lock();
  }
  [[nodiscard]] bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

  /// For who takes it again and again: after unlock, as long as others need to see that it is free.
  static void let_others_look() noexcept { pause_for(4 * kPausesBetween); }

  void lock_shared() {
    if (!spin([this] { return mutex_.try_lock_shared(); })) mutex_.lock_shared();
  }
  [[nodiscard]] bool try_lock_shared() { return mutex_.try_lock_shared(); }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  /// In all up to some 15 microseconds of pauses (processors differ), with looks between them that are rare enough not
  /// to keep the line from its holder.
  static constexpr int kLooks = 32;
  static constexpr int kPausesBetween = 8;

  static void pause_for(int pauses) noexcept {
    for (; pauses > 0; --pauses) relax_processor();
  }
  template <class Try>
  static bool spin(const Try& try_it) {
    if (try_it()) return true;
    // With one processor whoever holds it does not run.
    static const bool alone = std::thread::hardware_concurrency() == 1;
    if (alone) return false;
    for (int look = 0; look < kLooks; ++look) {
      pause_for(kPausesBetween);
      if (try_it()) return true;
    }
    return false;
  }

  Mutex mutex_;
};

}  // namespace coffer::platform
