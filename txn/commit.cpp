// Commit: from a write transaction's pages to records in the journal and versions in the overlay.
//
//   make_plan         seals every page and decides how each is logged
//   place_references  writes what is logged by reference to its slots and syncs them (the pager's G2)
//   reserve           room for the next checkpoint and for the records, on disk, before anything is written
//   -- publish lock --
//   take_holds        everything that can still fail: nodes, holds, capacity
//   log               the records; its last write is the point of no return
//   publish           cannot fail
#include <algorithm>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/delta.hpp"
#include "txn/write_view.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::kNoFrame;
using pager::PageHeader;

namespace {

/// Above this many bytes of whole pages, they are written to their slots once instead of twice.
constexpr std::size_t kBulkBytes = 1024 * 1024;

}  // namespace

struct WriteView::Plan {
  enum class Kind { image, delta, reference, freed };
  struct Entry {
    PageId id{};
    Page* page = nullptr;
    Kind kind{};
    std::uint64_t mask = 0;
  };
  std::vector<Entry> entries;
  pager::FrameIndex scratch = kNoFrame;  ///< where records are put together
  std::uint64_t journal_bytes = 0;
  bool sync_pages = false;
  Overlay::Prepared prepared;
  Horizon horizon;
  std::vector<pager::SlotRun> journal_held;
  std::vector<pager::SlotRun> version_held;
  journal::JournalEnd logged;
};

WriteView::Plan WriteView::make_plan() {
  Plan plan;
  plan.entries.reserve(pages_.size());
  std::vector<PageToSeal> to_seal;
  for (auto& [id, page] : pages_) {
    if (!page.freed && page.frame != kNoFrame && !page.sealed_valid) to_seal.push_back({id, &page});
  }
  seal_pages(to_seal);
  std::size_t image_bytes = 0;
  for (auto& [id, page] : pages_) {
    if (page.freed && page.is_new) continue;
    Plan::Entry entry{.id = id, .page = &page, .kind = Plan::Kind::freed, .mask = 0};
    if (!page.freed) {
      entry.kind = Plan::Kind::reference;
      if (page.frame != kNoFrame && !(page.sealed_valid && page.sealed.has_slot)) {
        PageHeader header;
        std::memcpy(&header, core_.frames->bytes(page.frame).data(), sizeof header);
        entry.mask = without_gap(page.dirty.mask, header, core_.content_bytes);
        const std::size_t used = used_bytes(header, core_.content_bytes);
        const std::size_t delta = delta_bytes(entry.mask, core_.content_bytes);
        const bool as_delta = !page.is_new && delta < used - used / 4;
        const std::size_t payload = as_delta ? delta : used;
        if (payload <= journal::record_payload_bytes_max()) {
          entry.kind = as_delta ? Plan::Kind::delta : Plan::Kind::image;
          if (!as_delta) image_bytes += used;
        }
      }
    }
    plan.entries.push_back(entry);
  }
  std::sort(plan.entries.begin(), plan.entries.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  for (Plan::Entry& entry : plan.entries) {
    if (entry.kind == Plan::Kind::image && image_bytes > kBulkBytes) {
      entry.kind = Plan::Kind::reference;
    }
    std::size_t payload = 0;
    if (entry.kind == Plan::Kind::reference) {
      entry.page->by_reference = plan.sync_pages = true;
    } else if (entry.kind == Plan::Kind::image) {
      payload = entry.page->sealed.ref.sealed_bytes;
    } else if (entry.kind == Plan::Kind::delta) {
      payload = delta_bytes(entry.mask, core_.content_bytes);
    }
    plan.journal_bytes += journal::record_bytes(payload);
  }
  for (const OwnRun& own : own_runs_) plan.sync_pages = plan.sync_pages || !own.freed;
  plan.journal_bytes += (own_runs_.size() + freed_runs_.size() + 1) * journal::record_bytes(0);
  // Records do not span fragments, and fragments begin on the grid: what that can waste.
  plan.journal_bytes += plan.journal_bytes / 4 + 2 * journal::kFragmentBytesMax;
  return plan;
}

void WriteView::place_references(Plan& plan) {
  chunk_writes_.finish();
  write_spilled(true);
  if (!plan.sync_pages || planted(Mutation::skip_reference_sync)) return;
  try {
    core_.page_file->sync();
    core_.syncs.fetch_add(1, std::memory_order_relaxed);
  } catch (const std::exception& e) {
    core_.poison(e.what());
    throw;
  }
}

void WriteView::take_holds(Plan& plan) {
  auto& prepared = plan.prepared;
  prepared.versions.reserve(plan.entries.size());
  prepared.bases.reserve(plan.entries.size());
  std::size_t freed = 0;
  for (const Plan::Entry& entry : plan.entries) {
    auto node = std::make_unique<Overlay::Node>();
    node->born = commit_;
    node->present = entry.kind != Plan::Kind::freed;
    if (node->present) node->version = entry.page->sealed;
    freed += node->present ? 0u : 1u;
    std::unique_ptr<Overlay::Node> base;
    if (!core_.overlay->knows(entry.id)) {
      if (const auto ref = core_.metadata->lookup(entry.id)) {
        base = std::make_unique<Overlay::Node>();
        base->born = entry.page->base;
        base->present = true;
        base->version = {.ref = *ref, .has_slot = true, .buffer = {}};
      }
    }
    prepared.versions.emplace_back(entry.id, std::move(node));
    prepared.bases.push_back(std::move(base));
  }
  plan.journal_held.reserve(plan.entries.size() + own_runs_.size());
  plan.version_held.reserve(freed_runs_.size());
  reserve_more(core_.journal_holds, plan.entries.size() + own_runs_.size());
  reserve_more(core_.run_changes, own_runs_.size() + freed_runs_.size());
  reserve_more(core_.retired_runs, freed_runs_.size());
  reserve_more(core_.freed_pages, freed + taken_.size());
  plan.horizon = core_.snapshots.horizon(core_.reach(commit_));

  const auto hold = [this](std::vector<pager::SlotRun>& list, pager::SlotRun run, Hold why) {
    core_.ledger->hold(run, why);
    list.push_back(run);
  };
  for (const Plan::Entry& entry : plan.entries) {
    if (entry.kind == Plan::Kind::reference && !planted(Mutation::forget_journal_hold)) {
      hold(plan.journal_held, {entry.page->sealed.ref.slot, 1}, Hold::journal);
    }
  }
  for (const OwnRun& own : own_runs_) {
    if (!own.freed) hold(plan.journal_held, own.run, Hold::journal);
  }
  for (const FreedRun& gone : freed_runs_) {
    if (!gone.own) hold(plan.version_held, gone.run, Hold::version);
  }
  core_.overlay->prepare(prepared);
}

void WriteView::log(Plan& plan) {
  journal::JournalWriter& journal = *core_.journal;
  const std::span<std::byte> room = core_.frames->bytes(plan.scratch);
  journal.begin(commit_, &nonces_);
  for (const Plan::Entry& entry : plan.entries) {
    const Page& page = *entry.page;
    if (entry.kind == Plan::Kind::freed) {
      journal.add(journal::PageFreed{.page = entry.id});
    } else if (entry.kind == Plan::Kind::reference) {
      const pager::SlotRef& ref = page.sealed.ref;
      journal.add(journal::PageReference{.page = entry.id,
                                         .is_new = page.is_new,
                                         .slot = ref.slot,
                                         .sealed_bytes = ref.sealed_bytes,
                                         .epoch = ref.epoch,
                                         .tag = ref.tag});
    } else if (entry.kind == Plan::Kind::image) {
      const std::size_t used = copy_used(core_.frames->bytes(page.frame), room);
      journal.add(
          journal::PageImage{.page = entry.id, .is_new = page.is_new, .used = room.first(used)});
    } else {
      const std::size_t size = gather(entry.mask, core_.frames->bytes(page.frame), room);
      journal.add(journal::PageDelta{
          .page = entry.id, .base = page.base, .mask = entry.mask, .blocks = room.first(size)});
    }
  }
  for (const OwnRun& own : own_runs_) {
    if (!own.freed)
      journal.add(journal::RunAllocated{.first = own.run.first, .slots = own.run.count});
  }
  for (const FreedRun& gone : freed_runs_) {
    if (gone.own) continue;
    journal.add(
        journal::RunFreed{.first = gone.run.first, .slots = gone.run.count, .born = gone.born});
  }
  plan.logged = journal.finish({.catalog_root = catalog_root_, .next_value_id = next_value_id_},
                               Lsn{core_.durable_position.load(std::memory_order_acquire)});
}

void WriteView::publish(Plan& plan) noexcept {
  core_.overlay->publish(std::move(plan.prepared), plan.horizon);
  for (const auto& run : plan.journal_held) {
    core_.journal_holds.push_back({.run = run, .commit = commit_, .used = true});
  }
  for (const Plan::Entry& entry : plan.entries) {
    if (entry.kind == Plan::Kind::freed) core_.freed_pages.push_back({entry.id, commit_});
  }
  for (const OwnRun& own : own_runs_) {
    if (!own.freed) core_.run_changes.push_back({.run = own.run, .commit = commit_, .used = true});
  }
  for (const FreedRun& gone : freed_runs_) {
    if (gone.own) continue;
    core_.run_changes.push_back({.run = gone.run, .commit = commit_, .used = false});
    core_.retired_runs.push_back({.run = gone.run, .born = gone.born, .freed = commit_});
  }
  core_.state = {next_page_, next_value_id_};
  if (catalog_root_.value != core_.catalog_root.load()) {
    core_.catalog_commit.store(commit_.value, std::memory_order_release);
    core_.catalog_root.store(catalog_root_.value, std::memory_order_release);
  }
  if (catalog_changed_) core_.catalog_changed.store(commit_.value, std::memory_order_release);
  core_.journal_position.store(plan.logged.position.value, std::memory_order_release);
  core_.latest_commit.store(commit_.value, std::memory_order_release);
  if (!core_.retired_runs.empty()) core_.reclaim_runs(plan.horizon);
}

CommitNumber WriteView::commit() {
  Expects(!ended_);
  core_.check_not_poisoned();
  if (pages_.empty() && own_runs_.empty() && freed_runs_.empty()) {
    rollback();
    return snapshot_;
  }
  // Taken first: making room for it may spill pages, which changes how they are logged.
  const pager::FrameIndex scratch = take_frame();
  const auto give_back = gsl::finally([&] { core_.frames->retire(scratch); });
  Plan plan = make_plan();
  plan.scratch = scratch;
  place_references(plan);
  core_.reserve_for_checkpoint(plan.entries.size(), next_page_);
  core_.journal->reserve(plan.journal_bytes);
  {
    const std::scoped_lock lock(core_.publish_mutex);
    try {
      take_holds(plan);
      log(plan);
    } catch (const journal::JournalWriter::Poisoning& poisoning) {
      core_.overlay->cancel(plan.prepared);
      core_.poison("a write to the journal failed");
      std::rethrow_exception(poisoning.cause());
    } catch (...) {
      core_.journal->abandon();
      core_.overlay->cancel(plan.prepared);
      for (const auto& run : plan.journal_held) core_.ledger->release(run, Hold::journal);
      for (const auto& run : plan.version_held) core_.ledger->release(run, Hold::version);
      throw;
    }
    publish(plan);
  }
  ended_with_commit_ = true;
  // Published versions hold what they need themselves from now on.
  for (auto& [id, page] : pages_) {
    if (page.sealed_valid && page.sealed.has_slot) {
      core_.ledger->release({page.sealed.ref.slot, 1}, Hold::transaction);
    }
  }
  forget_runs();
  give_back_page_numbers();
  end();
  return commit_;
}

}  // namespace coffer::txn
