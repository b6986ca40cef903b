// See disk.hpp.
#include "platform/simulated/disk.hpp"

#include <algorithm>
#include <set>

#include "platform/contracts.hpp"

namespace coffer::platform::simulated {

Disk::Disk() {
  directories_[kRootDirectory];
}

const FileNode* Disk::file(NodeId id) const {
  const auto found = files_.find(id);
  return found == files_.end() ? nullptr : &found->second;
}

const DirectoryNode* Disk::directory(NodeId id) const {
  const auto found = directories_.find(id);
  return found == directories_.end() ? nullptr : &found->second;
}

void Disk::apply(const Change& change) {
  switch (change.kind) {
    case Change::Kind::create:
    case Change::Kind::make_directory:
    case Change::Kind::rename:
    case Change::Kind::remove:
      link(change);
      break;
    case Change::Kind::sync_directory: {
      const auto found = directories_.find(change.directory);
      if (found != directories_.end()) sync_directory(found->second);
      break;
    }
    default: {
      const auto found = files_.find(change.node);
      if (found != files_.end()) apply_to_file(found->second, change);
      break;
    }
  }
}

namespace {

/// What the change does to contents and length; whole, and in order.
void perform(BlockImage& image, const Change& change) {
  switch (change.kind) {
    case Change::Kind::write:
      image.write(change.offset, *change.payload);
      image.set_size_only(std::max(image.size(), change.offset + change.payload->size()));
      break;
    case Change::Kind::allocate:
      image.reserve(change.offset, change.length);
      image.set_size_only(std::max(image.size(), change.offset + change.length));
      break;
    case Change::Kind::truncate:
      image.set_size(change.length);
      break;
    case Change::Kind::punch:
      image.zero(change.offset, change.length);
      break;
    default:
      Ensures(false);
  }
}

/// Makes `to` equal to `from` where `pending` changes may have made them differ.
void take_changed(BlockImage& to, const BlockImage& from,
                  const std::vector<PendingChange>& pending) {
  const bool all = std::any_of(pending.begin(), pending.end(), [](const PendingChange& p) {
    return p.change.kind == Change::Kind::truncate;
  });
  if (all) {
    const auto size = to.size();
    to = from;
    to.set_size_only(size);
    return;
  }
  for (const auto& [sequence, change] : pending) {
    to.take_blocks(from, change.offset, change.length);
  }
}

}  // namespace

void Disk::apply_to_file(FileNode& file, const Change& change) {
  switch (change.kind) {
    case Change::Kind::sync:
      take_changed(file.durable, file.live, file.pending);
      file.durable.set_size_only(file.live.size());
      file.pending.clear();
      break;
    case Change::Kind::lose_unsynced: {
      // The data is gone; the length, which the system holds in memory, still waits for a sync.
      const auto size = file.live.size();
      take_changed(file.live, file.durable, file.pending);
      file.live.set_size(size);
      file.pending.clear();
      if (size != file.durable.size()) {
        Change length_only;
        length_only.kind = Change::Kind::truncate;
        length_only.node = change.node;
        length_only.length = size;
        file.pending.push_back({next_sequence_++, std::move(length_only)});
      }
      break;
    }
    case Change::Kind::rot:
      for (BlockImage* const image : {&file.live, &file.durable}) {
        if (change.offset >= image->size()) continue;
        std::byte byte{};
        image->read(change.offset, {&byte, 1});
        byte ^= static_cast<std::byte>(change.length);
        image->write(change.offset, {&byte, 1});
      }
      break;
    case Change::Kind::overwrite:
      file.live = BlockImage();
      file.live.write(0, *change.payload);
      file.live.set_size_only(change.payload->size());
      file.durable = file.live;
      file.pending.clear();
      break;
    default:
      perform(file.live, change);
      file.pending.push_back({next_sequence_++, change});
      break;
  }
}

void Disk::link(const Change& change) {
  if (change.kind == Change::Kind::create) files_[change.node];
  if (change.kind == Change::Kind::make_directory) directories_[change.node];
  if (change.kind == Change::Kind::remove) {
    const auto found = files_.find(change.node);
    if (found != files_.end()) found->second.linked = false;
  }
  next_node_ = std::max(next_node_, change.node + 1);
  change_names(change, [&](NodeId id) {
    const auto found = directories_.find(id);
    return found == directories_.end() ? nullptr : &found->second.live;
  });
  const auto home = change.kind == Change::Kind::rename ? change.to_directory : change.directory;
  const auto found = directories_.find(home);
  if (found != directories_.end()) found->second.pending.push_back({next_sequence_++, change});
}

void Disk::sync_directory(DirectoryNode& directory) {
  bool something_lost_its_name = false;
  for (const auto& [sequence, change] : directory.pending) {
    change_names(change, [&](NodeId id) {
      const auto found = directories_.find(id);
      return found == directories_.end() ? nullptr : &found->second.durable;
    });
    something_lost_its_name |= change.kind == Change::Kind::remove;
  }
  directory.pending.clear();
  if (something_lost_its_name) forget_unreachable();
}

void Disk::forget_unreachable() {
  std::set<NodeId> reachable{kRootDirectory};
  for (const auto& [id, directory] : directories_) {
    for (const auto& [name, node] : directory.live) reachable.insert(node);
    for (const auto& [name, node] : directory.durable) reachable.insert(node);
    for (const auto& [sequence, change] : directory.pending) reachable.insert(change.node);
  }
  std::erase_if(files_, [&](const auto& entry) {
    return entry.second.opens == 0 && !reachable.contains(entry.first);
  });
  std::erase_if(directories_, [&](const auto& entry) { return !reachable.contains(entry.first); });
}

void Disk::note_opened(NodeId id) {
  ++files_.at(id).opens;
}

void Disk::note_closed(NodeId id) {
  const auto found = files_.find(id);
  Expects(found != files_.end() && found->second.opens > 0);
  --found->second.opens;
}

std::vector<std::uint64_t> Disk::unsynced() const {
  std::vector<std::uint64_t> sequences;
  for (const auto& [id, file] : files_) {
    for (const auto& pending : file.pending) sequences.push_back(pending.sequence);
  }
  for (const auto& [id, directory] : directories_) {
    for (const auto& pending : directory.pending) sequences.push_back(pending.sequence);
  }
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

std::uint64_t Disk::used_bytes() const {
  std::uint64_t blocks = 0;
  for (const auto& [id, file] : files_) {
    if (file.linked || file.opens > 0) blocks += file.live.blocks_in_use();
  }
  return blocks * BlockImage::kBlockBytes;
}

Disk Disk::all_durable() const {
  Disk copy = *this;
  for (auto& [id, directory] : copy.directories_) {
    directory.durable = directory.live;
    directory.pending.clear();
  }
  for (auto& [id, file] : copy.files_) {
    file.durable = file.live;
    file.pending.clear();
    file.opens = 0;
  }
  copy.forget_unreachable();
  return copy;
}

}  // namespace coffer::platform::simulated
