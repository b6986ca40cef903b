// See slot_reuse_model.hpp.
#include "slot_reuse_model.hpp"

namespace coffer::test {

using pager::Hold;
using pager::SlotRun;

namespace {

constexpr std::uint64_t kSlots = 26;  // few, and no room for more: what is free is used again soon

}  // namespace

SlotReuseModel::SlotReuseModel(std::uint64_t seed, const Fault& fault)
    : random_(seed), fault_(fault), disk_(std::make_shared<SparseDisk>()) {
  disk_->capacity = kSlots * 4096;
  disk_->size = kSlots * 4096;
  copies_ = {std::vector<Image>{Image{}}, std::vector<Image>{Image{}}};
  open(Image{});
}

// --- The discipline
// ---------------------------------------------------------------------------------

void SlotReuseModel::hold(SlotId slot, Hold h) {
  if (fault_.ignored_hold != h) ledger_->hold({slot, 1}, h);
}

std::optional<SlotId> SlotReuseModel::allocate(Hold h) {
  try {
    const SlotRun run = ledger_->allocate(1, h);
    if (fault_.ignored_hold == h) ledger_->release(run, h);
    if (!ever_written_.insert(run.first.value).second) ++reused;
    return run.first;
  } catch (const NoSpace&) {
    ++full;
    return std::nullopt;
  }
}

/// An opening from `image` and the journal as they are on disk: recovery.
void SlotReuseModel::open(const Image& image) {
  ledger_.reset();
  file_ = std::make_unique<pager::PageFile>(std::make_unique<SparseFile>(disk_), 4096, 4096);
  ledger_ = std::make_unique<pager::SlotLedger>(*file_);
  in_force_ = image;
  for (const auto& [page, slot] : image.table) ledger_->load_used(slot);
  if (image.node) ledger_->load_used(*image.node);
  copies_ = {std::vector<Image>{image}, std::vector<Image>{image}};
  versions_.clear();
  snapshots_.clear();
  phase_ = Phase::none;
  // First pass: everything that a record names is kept.  (A crash from here on finds the same
  // journal.)
  std::erase_if(journal_, [&](const Record& r) { return r.commit <= image.commit; });
  for (const Record& r : journal_) {
    if (r.kind == Kind::reference) hold(r.slot, Hold::journal);
  }
  // Second pass: replay.  What a delta makes is sealed into a slot of its own.
  for (const Record& r : journal_) {
    begin_versions(r.page);
    std::optional<SlotId> slot;
    if (r.kind == Kind::reference) {
      slot = r.slot;
      hold(r.slot, Hold::version);
    } else if (r.kind == Kind::delta) {
      slot = allocate(Hold::version);
      if (!slot) throw std::logic_error("the model's file is too small for a recovery");
      content_[slot->value] = {r.page, r.commit, 0};
    }
    add_version(r.page, r.commit, slot);
    prune(r.page);
  }
}

SlotReuseModel::Version SlotReuseModel::latest(Page page) const {
  if (const auto found = versions_.find(page); found != versions_.end())
    return found->second.back();
  const auto in_table = in_force_.table.find(page);
  if (in_table == in_force_.table.end()) return {0, std::nullopt};
  return {content_.at(in_table->second.value).value, in_table->second};
}

/// Before a page's first change since the checkpoint: its base stays for the snapshots that see it.
void SlotReuseModel::begin_versions(Page page) {
  if (versions_.count(page) != 0) return;
  const Version base = latest(page);
  if (base.slot) hold(*base.slot, Hold::version);
  versions_[page] = {base};
}

void SlotReuseModel::add_version(Page page, std::uint64_t commit, std::optional<SlotId> slot) {
  versions_.at(page).push_back({commit, slot});
}

/// Drops versions that no snapshot, open or yet to be opened at the durable point, can see.
void SlotReuseModel::prune(Page page) {
  auto& versions = versions_.at(page);
  for (std::size_t i = 0; i + 1 < versions.size();) {
    const std::uint64_t born = versions[i].commit;
    const std::uint64_t dead = versions[i + 1].commit;
    const auto seen = snapshots_.lower_bound(born);
    const bool needed = (seen != snapshots_.end() && *seen < dead) || dead > durable_;
    if (needed) {
      ++i;
      continue;
    }
    if (versions[i].slot) release(*versions[i].slot, Hold::version);
    versions.erase(versions.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // What look-ups find in the table anyway needs no version in memory.  A checkpoint in progress may bring
  // an older state of the page into the table: then the version stays.
  const auto names = [&](const Table& table) {
    const auto there = table.find(page);
    return there == table.end() ? !versions[0].slot : versions[0].slot == there->second;
  };
  if (versions.size() != 1 || !names(in_force_.table)) return;
  if (phase_ != Phase::none && !names(next_.table)) return;
  if (versions[0].slot) release(*versions[0].slot, Hold::version);
  versions_.erase(page);
}

void SlotReuseModel::prune_all() {
  for (Page page = 1; page <= kPages; ++page) {
    if (versions_.count(page) != 0) prune(page);
  }
}

// --- Steps
// ------------------------------------------------------------------------------------------

void SlotReuseModel::commit() {
  const std::uint64_t number = history_.size();
  std::vector<Record> records;
  std::map<Page, std::optional<SlotId>> made;
  for (Page page = 1; page <= kPages; ++page) {
    if (below(random_, 2) == 0) continue;
    const Version old = latest(page);
    Kind kind = static_cast<Kind>(below(random_, 3));
    if (!old.slot && kind != Kind::reference) continue;
    std::optional<SlotId> slot;
    if (kind != Kind::freed) {
      slot = allocate(Hold::transaction);
      if (!slot) break;  // no room: aborts
      content_[slot->value] = {page, number, 0};
    }
    made[page] = slot;
    records.push_back({number, page, kind, slot.value_or(SlotId()), old.commit});
  }
  const bool aborts = records.empty() || below(random_, 6) == 0;
  if (!aborts) {
    Pages state = history_.back();
    for (const Record& r : records) {
      begin_versions(r.page);
      const auto slot = made.at(r.page);
      if (slot) hold(*slot, Hold::version);
      if (r.kind == Kind::reference) hold(*slot, Hold::journal);
      add_version(r.page, number, slot);
      journal_.push_back(r);
      if (slot) {
        state[r.page] = number;
      } else {
        state.erase(r.page);
      }
    }
    history_.push_back(state);
    ++commits;
  }
  for (const auto& [page, slot] : made) {
    if (slot) release(*slot, Hold::transaction);
  }
  prune_all();
}

void SlotReuseModel::prepare_checkpoint() {
  next_ = in_force_;
  ++next_.number;
  next_.commit = durable_;
  now_used_.clear();
  no_longer_used_.clear();
  const auto node = allocate(Hold::checkpoint);
  if (!node) return;
  content_[node->value] = {0, 0, next_.number};
  for (const auto& [page, versions] : versions_) {
    // The newest version that is durable.
    const Version* chosen = nullptr;
    for (const Version& v : versions) {
      if (v.commit <= durable_) chosen = &v;
    }
    const auto former = in_force_.table.find(page);
    const bool had = former != in_force_.table.end();
    if (chosen == nullptr) continue;
    if (had ? chosen->slot == former->second : !chosen->slot) continue;
    if (had) no_longer_used_.push_back({former->second, 1});
    next_.table.erase(page);
    if (chosen->slot) {
      next_.table[page] = *chosen->slot;
      // Its version may be given up before this checkpoint is in force.
      hold(*chosen->slot, Hold::checkpoint);
      now_used_.push_back({*chosen->slot, 1});
    }
  }
  if (in_force_.node) no_longer_used_.push_back({*in_force_.node, 1});
  next_.node = node;
  now_used_.push_back({*node, 1});
  phase_ = Phase::prepared;
}

void SlotReuseModel::install_checkpoint() {
  in_force_ = next_;
  ledger_->install_checkpoint(now_used_, no_longer_used_);
  for (const Record& r : journal_) {
    if (r.commit <= in_force_.commit && r.kind == Kind::reference) release(r.slot, Hold::journal);
  }
  std::erase_if(journal_, [&](const Record& r) { return r.commit <= in_force_.commit; });
  prune_all();
  phase_ = Phase::none;
  ++checkpoints;
}

void SlotReuseModel::advance_checkpoint() {
  switch (phase_) {
    case Phase::none:
      prepare_checkpoint();
      break;
    case Phase::prepared:
      if (below(random_, 5) == 0) {
        for (const SlotRun& run : now_used_) ledger_->release(run, Hold::checkpoint);
        phase_ = Phase::none;
        break;
      }
      copies_[0].push_back(next_);
      phase_ = Phase::a_written;
      break;
    case Phase::a_written:
      copies_[0] = {next_};
      phase_ = Phase::a_synced;
      if (fault_.install_after_copy_a) install_checkpoint();
      break;
    case Phase::a_synced:
      copies_[1].push_back(next_);
      phase_ = Phase::b_written;
      break;
    case Phase::b_written:
      copies_[1] = {next_};
      install_checkpoint();
      break;
  }
}

void SlotReuseModel::crash() {
  ++crashes;
  // One copy may be damaged besides: each thing that either may hold can be what is found.
  const auto& copy = copies_[below(random_, 2)];
  const Image image = copy[below(random_, copy.size())];
  const std::uint64_t kept = durable_ + below(random_, history_.size() - durable_);
  std::erase_if(journal_, [&](const Record& r) { return r.commit > kept; });
  history_.resize(kept + 1);
  durable_ = kept;
  open(image);
}

std::optional<std::string> SlotReuseModel::step() {
  switch (below(random_, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      commit();
      break;
    case 4:
    case 5:
      durable_ = history_.size() - 1;
      prune_all();
      break;
    case 6:
      if (snapshots_.size() < 3) snapshots_.insert(durable_);
      break;
    case 7:
      if (!snapshots_.empty()) {
        snapshots_.erase(std::next(snapshots_.begin(),
                                   static_cast<std::ptrdiff_t>(below(random_, snapshots_.size()))));
        prune_all();
      }
      break;
    case 8:
      if (below(random_, 4) == 0) crash();
      break;
    default:
      advance_checkpoint();
      break;
  }
  return check();
}

// --- The oracle: what stands in the slots
// -----------------------------------------------------------

SlotReuseModel::Value SlotReuseModel::value_at(std::optional<SlotId> slot, Page page) const {
  if (!slot) return 0;
  const auto found = content_.find(slot->value);
  constexpr Value kWrong = ~Value{0};
  if (found == content_.end() || found->second.node_of != 0 || found->second.page != page) {
    return kWrong;
  }
  return found->second.value;
}

std::optional<std::string> SlotReuseModel::check_snapshots() const {
  std::set<std::uint64_t> points(snapshots_.begin(), snapshots_.end());
  points.insert(durable_);             // the next snapshot
  points.insert(history_.size() - 1);  // the writer
  for (const std::uint64_t point : points) {
    for (Page page = 1; page <= kPages; ++page) {
      std::optional<SlotId> slot;
      if (const auto found = versions_.find(page); found != versions_.end()) {
        for (const Version& v : found->second) {
          if (v.commit <= point) slot = v.slot;
        }
      } else if (const auto there = in_force_.table.find(page); there != in_force_.table.end()) {
        slot = there->second;
      }
      const auto& state = history_[point];
      const auto expected = state.count(page) != 0 ? state.at(page) : 0;
      if (value_at(slot, page) != expected) {
        return "a snapshot at " + std::to_string(point) + " does not find page " +
               std::to_string(page);
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> SlotReuseModel::check_recovery(const Image& image) const {
  const auto wrong = [&](const char* what) {
    return std::string("a recovery from checkpoint ") + std::to_string(image.number) + ": " + what;
  };
  if (image.node && content_.at(image.node->value) != Content{0, 0, image.number}) {
    return wrong("its nodes are gone");
  }
  Pages state;
  for (const auto& [page, slot] : image.table) state[page] = value_at(slot, page);
  if (state != history_[image.commit]) return wrong("its pages are gone");
  for (const Record& r : journal_) {
    if (r.commit <= image.commit) continue;
    const Value before = state.count(r.page) != 0 ? state[r.page] : 0;
    state.erase(r.page);
    if (r.kind == Kind::reference) state[r.page] = value_at(r.slot, r.page);
    if (r.kind == Kind::delta) {
      if (before != r.base) return wrong("a delta does not find its base");
      state[r.page] = r.commit;
    }
    // The state between two records of one commit is nobody's; after the last one it is compared.
    const bool last = &r == &journal_.back() || (&r)[1].commit != r.commit;
    if (last && state != history_[r.commit])
      return wrong("a replayed page is not what was committed");
  }
  return std::nullopt;
}

std::optional<std::string> SlotReuseModel::check() const {
  if (auto bad = check_snapshots()) return bad;
  for (const auto& copy : copies_) {
    for (const Image& image : copy) {
      if (auto bad = check_recovery(image)) return bad;
    }
  }
  return std::nullopt;
}

}  // namespace coffer::test
