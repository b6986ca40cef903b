#include "txn/recovery.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "pager/pager_format.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/delta.hpp"
#include "txn/read_view.hpp"

namespace coffer::txn {

using pager::Claim;
using pager::FrameIndex;
using pager::Hold;
using pager::SlotRun;

namespace {

journal::JournalStart journal_start(const Core& core) {
  const pager::Superblock& from = core.superblock;
  return {.position = from.journal_position,
          .generation = from.journal_generation,
          .previous_tag = from.journal_previous_tag,
          .last_commit = from.commit,
          .durable_upto = from.journal_durable_upto,
          .epoch = Epoch{core.keys->current_epoch()}};
}

/// Pass 1: holds what whole transactions name (T4).
class SlotCollector final : public journal::RecordVisitor {
 public:
  explicit SlotCollector(Core& core) : core_(core) {}
  using RecordVisitor::on;
  void begin(CommitNumber) override { named_.clear(); }
  void on(const journal::PageReference& record) override { named_.push_back({record.slot, 1}); }
  void on(const journal::RunAllocated& record) override {
    named_.push_back({record.first, record.slots});
  }
  void commit(CommitNumber commit, Lsn) override {
    for (const SlotRun& run : named_) {
      core_.ledger->hold(run, Hold::journal);
      core_.journal_holds.push_back({.run = run, .commit = commit, .used = true});
    }
  }

 private:
  Core& core_;
  std::vector<SlotRun> named_;
};

/// Pass 2: a transaction's records become versions in the overlay.
class Replayer final : public journal::RecordVisitor {
 public:
  explicit Replayer(Core& core) : core_(core), nonces_(core.platform.entropy()) {}
  using RecordVisitor::on;

  [[nodiscard]] bool any() const { return any_; }
  /// Page numbers that the journal freed are there to be used.
  void give_freed_pages() {
    core_.freed_pages.reserve(freed_.size());
    for (const auto& [page, commit] : freed_) core_.freed_pages.push_back({page, commit});
  }

  void begin(CommitNumber commit) override {
    commit_ = commit;
    prepared_ = {};
    runs_.clear();
    nonces_.renew();
  }

  void on(const journal::PageImage& record) override {
    const FrameIndex frame = core_.frames->take(Claim::writer);
    const auto done = gsl::finally([&] { core_.frames->retire(frame); });
    const auto bytes = core_.frames->bytes(frame);
    if (record.used.size() > bytes.size()) impossible(record.page, "an image larger than a page");
    std::copy(record.used.begin(), record.used.end(), bytes.begin());
    if (!spread_used(bytes, record.used.size()))
      impossible(record.page, "an image with a bad header");
    add(record.page, seal(record.page, bytes), record.is_new);
  }

  void on(const journal::PageDelta& record) override {
    const Resolved before = core_.resolve(record.page, commit_);
    if (!before.present) impossible(record.page, "a change of a page that does not exist");
    const FrameIndex frame = core_.frames->take(Claim::writer);
    const auto done = gsl::finally([&] { core_.frames->retire(frame); });
    const auto bytes = core_.frames->bytes(frame);
    core_.sealer->open(record.page, before.version, bytes);
    pager::PageHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.version != record.base.value && !planted(Mutation::skip_base_check)) {
      impossible(record.page, fmt::format("a change of version {}, but the page is at version {}",
                                          record.base.value, header.version));
    }
    if (record.blocks.size() != delta_bytes(record.mask, bytes.size())) {
      impossible(record.page, "a change of the wrong length");
    }
    scatter(record.mask, record.blocks, bytes);
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.gap_begin < pager::kPageHeaderBytes || header.gap_begin > header.gap_end ||
        header.gap_end > bytes.size()) {
      impossible(record.page, "a change that breaks its header");
    }
    add(record.page, seal(record.page, bytes));
  }

  void on(const journal::PageReference& record) override {
    if (record.sealed_bytes < pager::kPageHeaderBytes ||
        record.sealed_bytes > core_.content_bytes) {
      impossible(record.page, "a reference of an impossible length");
    }
    if (core_.keys->pages(record.epoch.value) == nullptr) {
      impossible(record.page, "a reference under a key epoch that the store does not have");
    }
    PageVersion version;
    version.ref = {.slot = record.slot,
                   .sealed_bytes = record.sealed_bytes,
                   .epoch = record.epoch,
                   .tag = record.tag};
    version.has_slot = true;
    add(record.page, std::move(version), record.is_new);
  }

  void on(const journal::PageFreed& record) override {
    add(record.page, std::nullopt);
    freed_[record.page] = commit_;
  }

  void on(const journal::RunAllocated& record) override {
    runs_.push_back({.run = {record.first, record.slots}, .commit = commit_, .used = true});
  }
  void on(const journal::RunFreed& record) override {
    const std::uint64_t slots = core_.page_file->slot_count();
    if (record.first.value >= slots || record.slots > slots - record.first.value) {
      impossible(kNoPage, "slots that are freed and do not exist");
    }
    runs_.push_back({.run = {record.first, record.slots}, .commit = commit_, .used = false});
  }
  void on(const journal::CommitState& record) override {
    if (record.catalog_root >= core_.state.next_page) {
      impossible(record.catalog_root, "a catalog that does not exist");
    }
    core_.catalog_root.store(record.catalog_root.value);
    core_.state.next_value_id = record.next_value_id;
  }

  void commit(CommitNumber commit, Lsn) override {
    core_.overlay->prepare(prepared_);
    core_.overlay->publish(std::move(prepared_),
                           {.points = {}, .durable = commit, .latest = commit});
    prepared_ = {};
    core_.run_changes.insert(core_.run_changes.end(), runs_.begin(), runs_.end());
    core_.latest_commit.store(commit.value);
    any_ = true;
    if (core_.overlay->buffered_bytes() > core_.options.write_buffer_bytes_max) make_room();
  }

 private:
  [[noreturn]] void impossible(PageId page, const std::string& what) const {
    throw Corrupted(
        fmt::format("the journal of {} verifies but holds {} (page {}, commit {}); restore from "
                    "a backup and report this",
                    core_.files.directory.string(), what, page.value, commit_.value));
  }

  PageVersion seal(PageId page, std::span<std::byte> bytes) {
    return core_.sealer->seal(page, bytes, commit_, nonces_);
  }

  void add(PageId page, std::optional<PageVersion> version, bool is_new = false) {
    if (page == kNoPage || page.value >= pager::format::kNumbersEnd)
      impossible(page, "a page that cannot be");
    auto node = std::make_unique<Overlay::Node>();
    node->born = commit_;
    node->present = version.has_value();
    if (version) node->version = *std::move(version);
    // No snapshot is older than this commit, so no base is needed (V1).
    prepared_.versions.emplace_back(page, std::move(node));
    prepared_.bases.emplace_back();
    if (is_new) freed_.erase(page);  // a number that was freed before is in use again
    core_.state.next_page = std::max(core_.state.next_page, page.next());
  }

  /// A journal larger than the buffer: sealed pages go to free slots, none of which the journal names.
  void make_room() {
    if (core_.options.read_only) return;
    auto versions = core_.overlay->changed(core_.superblock.commit, commit_);
    std::erase_if(versions, [](const auto& v) { return !v.present || v.version.has_slot; });
    try {
      core_.write_out(versions, Hold::transaction);
    } catch (const NoSpace&) {
      return;  // a full disk does not keep a store from being opened: they stay in memory
    }
    for (const auto& v : versions)
      core_.ledger->release({v.version.ref.slot, 1}, Hold::transaction);
  }

  Core& core_;
  crypto::NonceRun nonces_;
  CommitNumber commit_{};
  Overlay::Prepared prepared_;
  std::unordered_map<PageId, CommitNumber> freed_;  ///< and not used again
  std::vector<RunChange> runs_;
  bool any_ = false;
};

/// What a killed process had written may not have reached the disk yet: it is made to, so that what this
/// opening shows as durable is.  Writes nothing new; works for read-only openings too.
void harden_journal(Core& core) {
  auto& files = core.platform.files();
  for (const std::string& name : files.list(core.files.directory)) {
    if (!name.starts_with("journal-")) continue;
    files.open(core.files.directory / name, platform::OpenMode::read_only)->data_sync();
  }
}

}  // namespace

Recovered recover(Core& core) {
  const auto files = core.journal_files();
  const auto start = journal_start(core);
  const std::span<std::byte> buffer = core.staging.bytes();

  SlotCollector collector(core);
  const journal::ScanResult found =
      journal::scan_journal(files, core.keys->journal(), start, buffer, collector);

  Replayer replayer(core);
  journal::scan_journal(files, core.keys->journal(), start, buffer, replayer, &found.end);
  Ensures(core.latest_commit.load() == found.end.last_commit.value);

  replayer.give_freed_pages();
  if (replayer.any() && !planted(Mutation::skip_hardening)) harden_journal(core);
  core.durable_commit = core.latest_commit.load();
  core.durable_position = found.end.position.value;
  core.journal_position = found.end.position.value;
  core.recovered_tag = found.end.last_tag;
  return {.replayed = replayer.any(), .dropped = found.dropped, .end = found.end};
}

}  // namespace coffer::txn
