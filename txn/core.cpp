#include "txn/core.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::txn {

namespace {

constexpr std::size_t kWriteRunBytes = 256 * 1024;

}  // namespace

LockedBudget divide_budget(std::uint64_t locked_bytes_max, std::size_t chunk_stride) {
  if (locked_bytes_max < kLeastLockedBytes) {
    throw InvalidArgument(fmt::format("locked_bytes_max is {} bytes; a store needs at least {}",
                                      locked_bytes_max, kLeastLockedBytes));
  }
  LockedBudget budget;
  budget.heap_bytes = std::clamp<std::uint64_t>(locked_bytes_max / 32, 32 * 1024, 1024 * 1024);
  budget.chunks_max = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(locked_bytes_max / 8 / chunk_stride, 4, 64));
  // Keys take locked memory of their own: the header's ring and the caller's key, a few pages.
  constexpr std::uint64_t kKeys = 32 * 1024;
  budget.frame_bytes =
      locked_bytes_max - budget.heap_bytes - budget.chunks_max * chunk_stride - kKeys;
  return budget;
}

void WriterTurn::take() {
  std::unique_lock lock(mutex_);
  free_.wait(lock, [this] { return !taken_; });
  taken_ = true;
}

bool WriterTurn::try_take() {
  const std::scoped_lock lock(mutex_);
  if (taken_) return false;
  taken_ = true;
  return true;
}

void WriterTurn::give() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    taken_ = false;
  }
  free_.notify_one();
}

Core::Core(platform::Platform& platform_in, StoreFiles store_files, const Options& options_in)
    : platform(platform_in),
      files(std::move(store_files)),
      options(options_in),
      snapshots(platform_in.clock()) {}

Core::~Core() = default;

void Core::build(crypto::OpenedKeyHeader&& opened, pager::Superblock found,
                 std::unique_ptr<platform::File> page_file_in,
                 std::unique_ptr<platform::File> superblock_file_in) {
  keys = std::move(opened.keys);
  superblock = std::move(found);
  superblock_file = std::move(superblock_file_in);
  page_bytes = superblock.page_bytes;
  content_bytes = pager::content_bytes(page_bytes);

  const std::size_t chunk_stride = std::size_t{pager::chunk_slots(page_bytes)} * page_bytes;
  const LockedBudget budget = divide_budget(options.locked_bytes_max, chunk_stride);
  const platform::LockPolicy policy = lock_policy_of(options.memory_locking);
  const bool excluded = !options.include_plaintext_in_core_dumps;
  auto& memory = platform.memory();
  heap = std::make_unique<platform::LockedHeap>(memory, budget.heap_bytes, policy, "small buffers",
                                                excluded);
  chunks =
      std::make_unique<pager::ChunkPool>(memory, chunk_stride, budget.chunks_max, policy, excluded);
  staging = chunks->take();
  frames = std::make_unique<pager::FramePool>(
      memory, pager::FramePool::Config{.page_bytes = page_bytes,
                                       .frame_bytes_max = budget.frame_bytes,
                                       .policy = policy,
                                       .residency = options.residency,
                                       .resident_bytes_max = options.resident_bytes_max,
                                       .excluded_from_dumps = excluded});

  page_file = std::make_unique<pager::PageFile>(std::move(page_file_in), page_bytes,
                                                platform.files().map_granularity_bytes());
  page_file->leave_tail(superblock.slot_count);
  ledger = std::make_unique<pager::SlotLedger>(*page_file);
  metadata = std::make_unique<pager::Metadata>(*page_file, *ledger, *keys, platform.entropy(),
                                               options.table_cache_bytes_max);
  metadata->load(superblock);
  sealer = std::make_unique<PageSealer>(*keys, *page_file, content_bytes);
  overlay = std::make_unique<Overlay>(*ledger);

  latest_commit = superblock.commit.value;
  durable_commit = superblock.commit.value;
  durable_position = superblock.journal_position.value;
  checkpoint_position = superblock.journal_position.value;
  journal_position = superblock.journal_position.value;
  state = {superblock.next_page, superblock.next_value_id};
  catalog_root = superblock.catalog_root.value;
  generation = superblock.journal_generation;
}

void Core::check_alive() const {
  if (platform.forked()) {
    throw Error(
        "this store was opened before a fork; a child process must open it itself, after the "
        "parent has closed it");
  }
}

void Core::check_not_poisoned() const {
  if (!poisoned.load(std::memory_order_acquire)) return;
  const std::scoped_lock guard(poison_mutex);
  throw Poisoned("the store takes no more commits after a failure (" + poison_cause +
                 "); close it and open it again, which recovers everything acknowledged");
}

void Core::poison(const char* cause) noexcept {
  {
    const std::scoped_lock guard(poison_mutex);
    if (!poisoned.exchange(true)) {
      try {
        poison_cause = cause;
      } catch (...) {
        // Out of memory: the cause stays empty, the fact does not.
      }
    }
  }
  synced.notify_all();
  pressure.notify_all();
}

PageId Core::catalog_at(CommitNumber snapshot) const {
  const PageId root{catalog_root.load(std::memory_order_acquire)};
  return snapshot.value >= catalog_commit.load(std::memory_order_acquire) ? root : kNoPage;
}

Resolved Core::resolve(PageId page, CommitNumber snapshot) const {
  // A checkpoint taking force between the two questions could show a version that is too new: its entry in
  // the overlay (V1) is then there, so ask again.
  for (;;) {
    const std::uint64_t seen_in = table_state();
    if (auto found = overlay->resolve(page, snapshot)) return *std::move(found);
    const auto ref = metadata->lookup(page);
    if (table_state() != seen_in) continue;
    if (!ref) return {};
    return {true, PageVersion{.ref = *ref, .has_slot = true, .buffer = {}}, seen_in};
  }
}

// Group commit: the first who waits syncs for all whose commit mark was written by then; the others wait for
// it, and one of those whom that sync came too early for is next.
void Core::wait_durable(CommitNumber commit) {
  std::unique_lock guard(sync_mutex);
  while (durable_commit.load(std::memory_order_acquire) < commit.value) {
    if (poisoned.load(std::memory_order_acquire)) {
      guard.unlock();
      check_not_poisoned();
    }
    if (syncing) {
      synced.wait(guard);
      continue;
    }
    syncing = true;
    guard.unlock();
    std::uint64_t upto = 0;
    std::uint64_t position = 0;
    {
      const std::scoped_lock publish(publish_mutex);
      upto = latest_commit.load();
      position = journal_position.load();
      sync_target.store(upto, std::memory_order_release);
    }
    std::exception_ptr failure;
    try {
      if (!planted(Mutation::acknowledge_before_sync)) journal->sync();
      syncs.fetch_add(1, std::memory_order_relaxed);
    } catch (const std::exception& e) {
      if (!planted(Mutation::ignore_failed_sync)) failure = std::current_exception();
      if (!planted(Mutation::ignore_failed_sync) && !planted(Mutation::retry_failed_sync)) {
        poison(e.what());
      }
    }
    guard.lock();
    syncing = false;
    if (!failure) {
      durable_position.store(position, std::memory_order_release);
      durable_commit.store(upto, std::memory_order_release);
    }
    sync_target.store(0, std::memory_order_release);
    synced.notify_all();
    if (failure) std::rethrow_exception(failure);
  }
}

void Core::write_slots(const std::vector<pager::SlotRun>& slots,
                       const std::vector<const SealedPage*>& pages) {
  Expects(slots.size() == pages.size());
  crypto::Filler filler(platform.entropy());
  const std::size_t per_write = std::max<std::size_t>(1, kWriteRunBytes / page_bytes);
  std::vector<std::byte> buffer(std::min(per_write, pages.size()) * page_bytes);
  for (std::size_t first = 0; first < slots.size();) {
    std::size_t count = 0;
    while (count < per_write && first + count < slots.size() &&
           slots[first + count].first == slots[first].first.next(count)) {
      Expects(slots[first + count].count == 1);
      const std::span slot = std::span(buffer).subspan(count * page_bytes, page_bytes);
      const SealedPage& page = *pages[first + count];
      const auto body = page.ciphertext();
      std::copy(page.nonce.begin(), page.nonce.end(), slot.begin());
      std::copy(body.begin(), body.end(), slot.begin() + crypto::kNonceBytes);
      filler.fill(slot.subspan(crypto::kNonceBytes + body.size()));
      ++count;
    }
    page_file->write_run(slots[first].first, std::span(buffer).first(count * page_bytes));
    first += count;
  }
}

void Core::write_out(std::vector<Overlay::Pending>& versions, pager::Hold hold) {
  std::sort(versions.begin(), versions.end(), [](const auto& a, const auto& b) {
    return std::pair(a.page, a.born) < std::pair(b.page, b.born);
  });
  std::vector<const SealedPage*> pages;
  for (const auto& v : versions) pages.push_back(v.version.buffer.get());
  if (pages.empty()) return;
  const auto slots = ledger->allocate_scattered(pages.size(), hold);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    versions[i].version.ref.slot = slots[i].first;
    versions[i].version.has_slot = true;
  }
  try {
    write_slots(slots, pages);
    for (const auto& v : versions) overlay->settle(v.page, v.born, v.version.ref.slot);
  } catch (...) {
    for (auto& v : versions) ledger->release({v.version.ref.slot, 1}, hold);
    throw;
  }
}

void Core::reclaim_runs(const Horizon& horizon) noexcept {
  std::erase_if(retired_runs, [&](const RetiredRun& retired) {
    if (horizon.needs(retired.born, retired.freed)) return false;
    ledger->release(retired.run, pager::Hold::version);
    return true;
  });
}

void Core::reserve_for_checkpoint(std::uint64_t more, PageId next_page) {
  const std::uint64_t pages = overlay->buffered_pages() + more;
  // Twice the nodes: a checkpoint that is under way takes its own while the next one's must be free.
  ledger->reserve(pages + 2 * metadata->node_slots_max(pages, next_page));
}

std::uint64_t Core::journal_bytes_since_checkpoint() const {
  // In this order: the checkpoint in force never goes further than the journal, and both only grow.
  const std::uint64_t from = checkpoint_position.load(std::memory_order_acquire);
  return journal_position.load(std::memory_order_acquire) - from;
}

}  // namespace coffer::txn
