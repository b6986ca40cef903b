// What a power cut leaves of a disk.
//
// Start from what is durable, then let pending changes land, in the order in which they were made,
// as the outcome decides:
//
//   nothing_lands     none
//   everything_lands  all, whole
//   random_sectors    each 512-byte sector of a write or a punched hole by its own coin; the length that
//                     a write brings, a reservation, a truncation and a change of name by one coin
//                     each
//   torn_blocks       the same; then each 4 KiB block that a pending write touches holds garbage with
//                     probability 1/4, together with whatever synced bytes share it
//   random_writes     each change whole or not at all
//   prefix_then_torn  all up to a random one; of that one, if it is a write or a hole, the first
//   sectors
//
// With an ExactCut each change lands as that says; a torn one in pieces by their coins, one of them missing.
//
// A sector that lands behind the end of the file shows only when a length lands that includes it.
// A file whose name did not land is gone, whatever of its contents was synced.
// The same seed on the same disk gives the same result.
#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <set>

#include "platform/simulated/disk.hpp"

namespace coffer::platform::simulated {

class PowerCut {
 public:
  PowerCut(const Disk& before, CutOutcome outcome, std::uint64_t seed)
      : before_(before), outcome_(outcome), random_(seed) {
    if (outcome == CutOutcome::prefix_then_torn) choose_prefix();
  }
  PowerCut(const Disk& before, const ExactCut& cut, std::uint64_t seed)
      : before_(before),
        outcome_(CutOutcome::random_writes),
        random_(seed),
        piece_bytes_(cut.piece_bytes) {
    const auto sequences = before.unsynced();
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const bool lands = i < cut.lands.size() && cut.lands[i];
      exact_[sequences[i]] = cut.torn == i ? Landing::torn : lands ? Landing::whole : Landing::none;
    }
  }

  Disk result();

 private:
  enum class Landing { none, whole, by_sector, first_sectors, torn };

  void choose_prefix();
  Landing landing_of(const PendingChange& pending);
  bool coin() { return (random_() & 1) != 0; }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  BlockImage contents_after(const FileNode& file);
  void land_bytes(BlockImage& image, const Change& change, Landing landing);
  void land_sector(BlockImage& image, const Change& change, std::uint64_t begin, std::uint64_t end);
  void tear_blocks(BlockImage& image, const FileNode& file);

  const Disk& before_;
  const CutOutcome outcome_;
  std::mt19937_64 random_;
  const std::uint64_t piece_bytes_ = kSectorBytes;
  std::map<std::uint64_t, Landing> exact_;  ///< by sequence, where each is given
  std::uint64_t prefix_end_ = 0;            ///< sequence of the change that lands in part
};

void PowerCut::choose_prefix() {
  const auto sequences = before_.unsynced();
  const auto whole = below(sequences.size() + 1);
  prefix_end_ = whole < sequences.size() ? sequences[whole] : before_.next_sequence_;
}

PowerCut::Landing PowerCut::landing_of(const PendingChange& pending) {
  const bool has_sectors =
      pending.change.kind == Change::Kind::write || pending.change.kind == Change::Kind::punch;
  if (const auto given = exact_.find(pending.sequence); given != exact_.end()) {
    // What has no pieces lands whole or not at all, and torn means not whole.
    return given->second == Landing::torn && !has_sectors ? Landing::none : given->second;
  }
  switch (outcome_) {
    case CutOutcome::nothing_lands:
      return Landing::none;
    case CutOutcome::everything_lands:
      return Landing::whole;
    case CutOutcome::random_sectors:
    case CutOutcome::torn_blocks:
      if (has_sectors) return Landing::by_sector;
      return coin() ? Landing::whole : Landing::none;
    case CutOutcome::random_writes:
      return coin() ? Landing::whole : Landing::none;
    case CutOutcome::prefix_then_torn:
      if (pending.sequence < prefix_end_) return Landing::whole;
      return pending.sequence == prefix_end_ && has_sectors ? Landing::first_sectors
                                                            : Landing::none;
  }
  return Landing::none;
}

void PowerCut::land_sector(BlockImage& image, const Change& change, std::uint64_t begin,
                           std::uint64_t end) {
  if (change.kind == Change::Kind::punch) {
    image.zero(begin, end - begin);
  } else {
    image.write(begin, std::span(*change.payload).subspan(begin - change.offset, end - begin));
  }
}

// Data first, then the length that it brings.
void PowerCut::land_bytes(BlockImage& image, const Change& change, Landing landing) {
  const auto end = change.offset + change.length;
  if (landing == Landing::whole) {
    land_sector(image, change, change.offset, end);
    if (change.kind == Change::Kind::write) image.set_size_only(std::max(image.size(), end));
    return;
  }
  const auto first_sector = change.offset / piece_bytes_;
  const auto sectors =
      change.length == 0 ? 0 : (end + piece_bytes_ - 1) / piece_bytes_ - first_sector;
  // Of a torn one at least one piece is missing.
  const auto missing = landing == Landing::torn && sectors > 0
                           ? below(sectors)
                           : std::numeric_limits<std::uint64_t>::max();
  const auto prefix =
      landing == Landing::first_sectors && sectors > 0 ? below(sectors) : std::uint64_t{0};
  std::uint64_t landed_end = change.offset;
  for (std::uint64_t i = 0; i < sectors; ++i) {
    if (landing == Landing::first_sectors ? i >= prefix : i == missing || !coin()) continue;
    const auto from = std::max(change.offset, (first_sector + i) * piece_bytes_);
    const auto to = std::min(end, (first_sector + i + 1) * piece_bytes_);
    land_sector(image, change, from, to);
    landed_end = to;
  }
  if (change.kind != Change::Kind::write) return;
  if (landing == Landing::first_sectors) {
    image.set_size_only(std::max(image.size(), landed_end));
  } else if (coin()) {
    image.set_size_only(std::max(image.size(), end));
  }
}

void PowerCut::tear_blocks(BlockImage& image, const FileNode& file) {
  std::set<std::uint64_t> touched;
  for (const auto& [sequence, change] : file.pending) {
    if (change.kind != Change::Kind::write || change.length == 0) continue;
    const auto last = (change.offset + change.length - 1) / BlockImage::kBlockBytes;
    for (auto block = change.offset / BlockImage::kBlockBytes; block <= last; ++block) {
      touched.insert(block);
    }
  }
  for (const auto block : touched) {
    if (below(4) != 0) continue;
    std::array<std::uint64_t, BlockImage::kBlockBytes / sizeof(std::uint64_t)> garbage;
    for (auto& word : garbage) word = random_();
    image.write(block * BlockImage::kBlockBytes, std::as_bytes(std::span(garbage)));
  }
}

BlockImage PowerCut::contents_after(const FileNode& file) {
  BlockImage image = file.durable;
  for (const auto& pending : file.pending) {
    const Change& change = pending.change;
    const auto landing = landing_of(pending);
    if (landing == Landing::none) continue;
    if (change.kind == Change::Kind::truncate) {
      image.set_size(change.length);
    } else if (change.kind == Change::Kind::allocate) {
      image.reserve(change.offset, change.length);
      image.set_size_only(std::max(image.size(), change.offset + change.length));
    } else {
      land_bytes(image, change, landing);
    }
  }
  if (outcome_ == CutOutcome::torn_blocks) tear_blocks(image, file);
  if (!file.pending.empty()) image.set_size(image.size());
  return image;
}

Disk PowerCut::result() {
  Disk after;
  std::map<NodeId, std::map<std::string, NodeId>> names;
  std::vector<const PendingChange*> changes;
  for (const auto& [id, directory] : before_.directories_) {
    names[id] = directory.durable;
    for (const auto& pending : directory.pending) changes.push_back(&pending);
  }
  std::sort(changes.begin(), changes.end(),
            [](const auto* a, const auto* b) { return a->sequence < b->sequence; });
  for (const auto* pending : changes) {
    if (landing_of(*pending) == Landing::none) continue;
    const Change& change = pending->change;
    if (change.kind == Change::Kind::rename) {
      // An earlier rename that did not land leaves the file under an older name than this one takes
      // it from.  No file system shows it under both.
      for (auto& [id, entries] : names) {
        std::erase_if(entries, [&](const auto& entry) { return entry.second == change.node; });
      }
    }
    change_names(change, [&](NodeId id) {
      const auto found = names.find(id);
      return found == names.end() ? nullptr : &found->second;
    });
  }

  // Downwards from the root: what no landed name leads to is gone.
  std::vector<NodeId> to_visit{kRootDirectory};
  while (!to_visit.empty()) {
    const auto id = to_visit.back();
    to_visit.pop_back();
    auto& directory = after.directories_[id];
    directory.live = directory.durable = names[id];
    for (const auto& [name, node] : directory.live) {
      if (names.contains(node)) {
        to_visit.push_back(node);
      } else if (const auto* file = before_.file(node)) {
        after.files_[node].durable = file->durable;
      }
    }
  }
  // In the order of their numbers, so that the coins do not depend on names.
  for (auto& [id, file] : after.files_) {
    file.durable = contents_after(before_.files_.at(id));
    file.live = file.durable;
  }
  after.next_node_ = before_.next_node_;
  return after;
}

Disk Disk::after_power_cut(CutOutcome outcome, std::uint64_t seed) const {
  return PowerCut(*this, outcome, seed).result();
}

Disk Disk::after_power_cut(const ExactCut& cut, std::uint64_t seed) const {
  return PowerCut(*this, cut, seed).result();
}

}  // namespace coffer::platform::simulated
