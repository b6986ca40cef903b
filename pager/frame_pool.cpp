#include "pager/frame_pool.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "pager/pager.hpp"
#include "platform/contracts.hpp"
#include "platform/fork_generation.hpp"
#include "platform/mutation.hpp"

namespace coffer::pager {

namespace {

constexpr std::uint64_t kGrowStepBytes = 256 * 1024;
/// Once there is as much, of a pool that keeps pages: the system can give it in one huge page, which takes one entry of the
/// processor's table of addresses instead of 512.
constexpr std::uint64_t kGrowLargeBytes = 2 * 1024 * 1024;

}  // namespace

FramePool::FramePool(platform::Memory& memory, const Config& config)
    : memory_(memory),
      config_(config),
      page_bytes_(config.page_bytes),
      content_bytes_(pager::content_bytes(config.page_bytes)) {
  const std::uint64_t granule = std::max<std::uint64_t>(memory.page_bytes(), page_bytes_);
  const std::uint64_t budget =
      std::max<std::uint64_t>(config.frame_bytes_max, std::uint64_t{kFramesMin} * page_bytes_) /
      granule * granule;
  frames_max_ = gsl::narrow<std::uint32_t>(budget / page_bytes_);
  if (config.residency == Residency::branches) {
    resident_max_ = frames_max_ - frames_max_ / 8;
  } else if (config.residency == Residency::pages) {
    resident_max_ = gsl::narrow<std::uint32_t>(
        std::min<std::uint64_t>(config.resident_bytes_max / page_bytes_, frames_max_));
  }
  region_ = memory.reserve(budget, config.policy, "decrypted pages", config.excluded_from_dumps);
  base_ = region_->bytes().data();
  frames_ = std::make_unique<Frame[]>(frames_max_);
  buckets_.resize(std::bit_ceil(std::size_t{frames_max_} * 2));
  locks_ = std::make_unique<BucketLock[]>(kLocks);
  free_.reserve(frames_max_);
  while (grown_.load() < std::min(kFramesMin, frames_max_)) {
    if (!grow()) {
      const std::scoped_lock lock(grow_mutex_);
      std::rethrow_exception(growth_failure_);
    }
  }
}

FramePool::~FramePool() = default;  // the region wipes itself

std::size_t FramePool::bucket_of(PageId page) const noexcept {
  return (std::hash<PageId>{}(page) >> 20) & (buckets_.size() - 1);
}

std::mutex& FramePool::lock_of(std::size_t bucket) noexcept {
  return locks_[bucket % kLocks].mutex;
}

FrameIndex FramePool::find_in(std::size_t bucket, PageId page, const crypto::Tag& tag) noexcept {
  FrameIndex at = buckets_[bucket].head;
  while (at != kNoFrame && !(frames_[at].page_id() == page && frames_[at].tag == tag)) {
    at = frames_[at].next;
  }
  return at;
}

void FramePool::unlink(std::size_t bucket, FrameIndex frame) noexcept {
  FrameIndex* link = &buckets_[bucket].head;
  while (*link != frame) link = &frames_[*link].next;
  *link = frames_[frame].next;
  frames_[frame].next = kNoFrame;
}

/// Whether residency wants a clean frame without a user kept.
bool FramePool::keeps(const Frame& frame) const noexcept {
  if (planted(Mutation::keep_frame)) return true;
  if (config_.residency == Residency::strict) return false;
  if (config_.residency == Residency::branches && !frame.branch) return false;
  return resident_.load(std::memory_order_relaxed) < resident_max_;
}

std::optional<FrameIndex> FramePool::pop_free(Claim claim) noexcept {
  const std::scoped_lock lock(free_mutex_);
  if (free_.empty()) return std::nullopt;
  const std::uint32_t grown = grown_.load(std::memory_order_relaxed);
  const bool all_grown = grown == frames_max_ || growth_blocked_.load(std::memory_order_relaxed);
  // A share of what there is, not of what was asked for: where the system's limit is far below the
  // budget, a share of the budget would leave readers nothing.
  const std::uint32_t reserve = std::clamp<std::uint32_t>(grown / 16, 8, 256);
  if (claim == Claim::reader && all_grown && free_.size() <= reserve) return std::nullopt;
  const FrameIndex frame = free_.back();
  free_.pop_back();
  return frame;
}

std::optional<FrameIndex> FramePool::try_take(Claim claim) {
  std::optional<FrameIndex> frame = pop_free(claim);
  while (!frame && grow()) frame = pop_free(claim);
  if (!frame) frame = evict();
  // Nothing is left but to ask for more, though it was refused: the limit may have been raised since.
  if (!frame && growth_blocked_.exchange(false) && grow()) frame = pop_free(claim);
  if (!frame) return std::nullopt;
  Frame& f = frames_[*frame];
  f.state.store(State::private_, std::memory_order_relaxed);
  f.pins.fetch_add(1, std::memory_order_relaxed);
  return frame;
}

FrameIndex FramePool::take(Claim claim) {
  if (const auto frame = try_take(claim)) return *frame;
  raise_exhausted();
}

void FramePool::raise_exhausted() {
  {
    const std::scoped_lock lock(grow_mutex_);
    if (growth_failure_ && grown_.load() < frames_max_) std::rethrow_exception(growth_failure_);
  }
  throw MemoryLockError(
      fmt::format("all {} page frames of this store's locked memory are in use by open handles, "
                  "cursors and transactions; end some of them, or open the store with a larger "
                  "locked_bytes_max",
                  frames_max_),
      platform::lock_numbers(memory_.account(), page_bytes_));
}

/// Whether that much more can be locked, and then it is.
bool FramePool::commits(std::uint64_t from, std::uint64_t bytes) {
  try {
    region_->commit(from, bytes);
    return true;
  } catch (const MemoryLockError&) {
    return false;
  }
}

/// Locks one more step.  False when the budget is used up or the system refuses.
bool FramePool::grow() {
  if (grown_.load(std::memory_order_relaxed) == frames_max_) return false;
  if (growth_blocked_.load(std::memory_order_relaxed)) {
    // The limit may have been raised from outside: ask again now and then.
    if (evictions_.fetch_add(1, std::memory_order_relaxed) % 4096 != 4095) return false;
  }
  const std::scoped_lock lock(grow_mutex_);
  const std::uint32_t grown = grown_.load();
  if (grown == frames_max_) return false;
  const std::uint64_t from = std::uint64_t{grown} * page_bytes_;
  const std::uint64_t left = std::uint64_t{frames_max_} * page_bytes_ - from;
  std::uint64_t step = std::min(left, std::max<std::uint64_t>(kGrowStepBytes, page_bytes_));
  const bool may_be_large = keeps_pages() && from != 0 && from % kGrowLargeBytes == 0 &&
                            left >= kGrowLargeBytes &&
                            config_.policy == platform::LockPolicy::abort;
  try {
    if (may_be_large && commits(from, kGrowLargeBytes)) {
      step = kGrowLargeBytes;
    } else {
      region_->commit(from, step);
    }
  } catch (const MemoryLockError&) {
    growth_failure_ = std::current_exception();
    growth_blocked_.store(true);
    return false;
  }
  growth_blocked_.store(false);
  growth_failure_ = nullptr;
  const auto more = static_cast<std::uint32_t>(step / page_bytes_);
  grown_.store(grown + more);
  const std::scoped_lock free_lock(free_mutex_);
  for (std::uint32_t i = more; i-- > 0;) free_.push_back(grown + i);
  return true;
}

/// A clean frame that nobody has pinned, taken from whoever used it last (second chance), wiped.
std::optional<FrameIndex> FramePool::evict() {
  const std::uint32_t count = grown_.load(std::memory_order_relaxed);
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const FrameIndex at = hand_.fetch_add(1, std::memory_order_relaxed) % count;
      Frame& f = frames_[at];
      if (f.state.load(std::memory_order_relaxed) != State::clean) continue;
      if (f.pins.load(std::memory_order_relaxed) != 0) continue;
      if (round < 2 && f.referenced.exchange(false, std::memory_order_relaxed)) continue;
      if (try_evict(at)) return at;
    }
  }
  return std::nullopt;
}

/// Takes one clean, unpinned frame out of its bucket and wipes it; the caller owns it then.
bool FramePool::try_evict(FrameIndex frame) noexcept {
  Frame& f = frames_[frame];
  const std::size_t bucket =
      bucket_of(f.page_id());  // a stale read is caught below, under the lock
  {
    const std::scoped_lock lock(lock_of(bucket));
    if (f.state.load(std::memory_order_relaxed) != State::clean ||
        bucket_of(f.page_id()) != bucket) {
      return false;
    }
    std::uint32_t none = 0;
    if (!f.pins.compare_exchange_strong(none, kEvicting, std::memory_order_acq_rel)) return false;
    f.generation.fetch_add(1, std::memory_order_acq_rel);
    unlink(bucket, frame);
    if (f.users == 0) resident_.fetch_sub(1, std::memory_order_relaxed);
    f.users = 0;
    f.state.store(State::private_, std::memory_order_relaxed);
  }
  crypto::wipe(bytes(frame));
  f.pins.fetch_sub(kEvicting, std::memory_order_acq_rel);
  return true;
}

void FramePool::make_free(FrameIndex frame) noexcept {
  // In a forked child the frame's memory is not there, and the mutex may be held by nobody.
  if (platform::fork_generation() != born_in_generation_) return;
  Frame& f = frames_[frame];
  f.generation.fetch_add(1, std::memory_order_acq_rel);
  if (!planted(Mutation::forget_frame_wipe)) crypto::wipe(bytes(frame));
  f.state.store(State::free, std::memory_order_relaxed);
  f.referenced.store(false, std::memory_order_relaxed);
  const std::scoped_lock lock(free_mutex_);
  free_.push_back(frame);
}

/// The last pin of an orphan has gone; a try_pin that is about to undo itself may have come meanwhile, and is
/// the last one then.
void FramePool::free_orphan(FrameIndex frame) noexcept {
  std::uint32_t unpinned = kOrphan;
  if (frames_[frame].pins.compare_exchange_strong(unpinned, 0, std::memory_order_acq_rel)) {
    make_free(frame);
  }
}

void FramePool::retire(FrameIndex frame) noexcept {
  Frame& f = frames_[frame];
  // The generation changes now, so that nobody finds the frame by memory; the content stays for handles.
  f.generation.fetch_add(1, std::memory_order_acq_rel);
  f.pins.fetch_or(kOrphan, std::memory_order_acq_rel);
  unpin(frame);
}

/// One more user and pin for a clean frame; under its bucket's lock.
SharedFrame FramePool::use(FrameIndex frame) noexcept {
  Frame& f = frames_[frame];
  f.pins.fetch_add(1, std::memory_order_acquire);
  if (f.users++ == 0) resident_.fetch_sub(1, std::memory_order_relaxed);
  f.referenced.store(true, std::memory_order_relaxed);
  return {frame, f.generation.load(std::memory_order_relaxed)};
}

std::optional<SharedFrame> FramePool::find(PageId page, const crypto::Tag& tag) {
  const std::size_t bucket = bucket_of(page);
  const std::scoped_lock lock(lock_of(bucket));
  const FrameIndex at = find_in(bucket, page, tag);
  if (at == kNoFrame) return std::nullopt;
  return use(at);
}

std::optional<SharedFrame> FramePool::find_current(PageId page, std::uint64_t table_state) {
  const std::size_t bucket = bucket_of(page);
  const std::scoped_lock lock(lock_of(bucket));
  FrameIndex at = buckets_[bucket].head;
  if (at != kNoFrame) prefetch(at);
  while (at != kNoFrame &&
         !(frames_[at].page_id() == page && frames_[at].current_in == table_state)) {
    at = frames_[at].next;
  }
  if (at == kNoFrame) return std::nullopt;
  return use(at);
}

void FramePool::note_current(SharedFrame shared, std::uint64_t table_state) {
  Frame& f = frames_[shared.frame];
  const std::scoped_lock lock(lock_of(bucket_of(f.page_id())));
  if (f.generation.load(std::memory_order_relaxed) == shared.generation) {
    f.current_in = table_state;
  }
}

SharedFrame FramePool::share(FrameIndex frame, PageId page, const crypto::Tag& tag, bool branch) {
  const std::size_t bucket = bucket_of(page);
  std::unique_lock lock(lock_of(bucket));
  if (const FrameIndex other = find_in(bucket, page, tag); other != kNoFrame) {
    const SharedFrame theirs = use(other);
    lock.unlock();
    retire(frame);
    return theirs;
  }
  Frame& f = frames_[frame];
  f.page.store(page.value, std::memory_order_relaxed);
  f.tag = tag;
  f.users = 1;
  f.current_in = 0;
  f.branch = branch;
  f.referenced.store(branch, std::memory_order_relaxed);
  f.next = buckets_[bucket].head;
  buckets_[bucket].head = frame;
  f.state.store(State::clean, std::memory_order_release);
  return {frame, f.generation.load(std::memory_order_relaxed)};
}

bool FramePool::make_private(SharedFrame shared) {
  Frame& f = frames_[shared.frame];
  const std::size_t bucket = bucket_of(f.page_id());
  const std::scoped_lock lock(lock_of(bucket));
  Expects(f.generation.load(std::memory_order_relaxed) == shared.generation);
  if (f.users != 1 || f.pins.load(std::memory_order_acquire) != 1) return false;
  unlink(bucket, shared.frame);
  f.users = 0;
  f.generation.fetch_add(1, std::memory_order_acq_rel);
  f.state.store(State::private_, std::memory_order_relaxed);
  return true;
}

void FramePool::leave(SharedFrame shared) noexcept {
  Frame& f = frames_[shared.frame];
  // The frame may have been evicted and used for another page since: look at nothing before the lock that
  // the generation does not confirm under it.
  const std::size_t bucket = bucket_of(f.page_id());
  bool wipe_it = false;
  {
    const std::scoped_lock lock(lock_of(bucket));
    if (f.generation.load(std::memory_order_acquire) != shared.generation ||
        f.state.load(std::memory_order_relaxed) != State::clean) {
      return;
    }
    if (--f.users != 0) return;
    if (keeps(f)) {
      resident_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    std::uint32_t none = 0;
    if (f.pins.compare_exchange_strong(none, kEvicting, std::memory_order_acq_rel)) {
      unlink(bucket, shared.frame);
      f.generation.fetch_add(1, std::memory_order_acq_rel);
      f.state.store(State::private_, std::memory_order_relaxed);
      wipe_it = true;
    } else {
      // A handle outlives its transaction's use (or a stale try_pin is about to undo itself): the last
      // pin frees the frame.
      unlink(bucket, shared.frame);
      f.generation.fetch_add(1, std::memory_order_acq_rel);
      f.state.store(State::private_, std::memory_order_relaxed);
      f.pins.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (wipe_it) {
    f.pins.fetch_sub(kEvicting, std::memory_order_acq_rel);
    make_free(shared.frame);
  } else {
    f.pins.fetch_or(kOrphan, std::memory_order_acq_rel);
    unpin(shared.frame);
  }
}

std::uint32_t FramePool::private_frames_max() const {
  const std::uint32_t capacity =
      growth_blocked_.load(std::memory_order_relaxed) ? grown_.load() : frames_max_;
  return std::max<std::uint32_t>(capacity / 2, kFramesMin / 2);
}

std::uint64_t FramePool::frames_in_use() const {
  const std::scoped_lock lock(free_mutex_);
  return grown_.load() - free_.size();
}

std::uint64_t FramePool::locked_bytes() const {
  return std::uint64_t{grown_.load()} * page_bytes_;
}

ChunkPool::ChunkPool(platform::Memory& memory, std::size_t chunk_stride_bytes,
                     std::uint32_t chunks_max, platform::LockPolicy policy,
                     bool excluded_from_dumps)
    : memory_(memory), stride_(chunk_stride_bytes), chunks_max_(chunks_max) {
  region_ = memory.reserve(std::uint64_t{chunks_max} * stride_, policy, "value buffers",
                           excluded_from_dumps);
  free_.reserve(chunks_max);
}

ChunkPool::~ChunkPool() = default;

ChunkBuffer ChunkPool::take() {
  const std::scoped_lock lock(mutex_);
  if (free_.empty()) {
    if (grown_ == chunks_max_) {
      throw MemoryLockError(
          fmt::format(
              "all {} value buffers of this store's locked memory are in use by open streams; "
              "end some of them, or open the store with a larger locked_bytes_max",
              chunks_max_),
          platform::lock_numbers(memory_.account(), stride_));
    }
    region_->commit(std::uint64_t{grown_} * stride_, stride_);
    free_.push_back(grown_++);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return {*this, index, region_->bytes().subspan(std::size_t{index} * stride_, stride_)};
}

void ChunkPool::unpin(std::uint32_t index) noexcept {
  if (platform::fork_generation() != born_in_generation_) return;
  crypto::wipe(region_->bytes().subspan(std::size_t{index} * stride_, stride_));
  const std::scoped_lock lock(mutex_);
  free_.push_back(index);
}

std::uint64_t ChunkPool::locked_bytes() const {
  const std::scoped_lock lock(mutex_);
  return std::uint64_t{grown_} * stride_;
}

}  // namespace coffer::pager
