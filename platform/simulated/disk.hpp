// The simulated disk: what programs see of it now, what a power cut would certainly leave, and the
// changes in between.
//
// 1. Every change goes through apply(), so that replaying a log of changes gives the same disk.
// 2. A file's `durable` image is what its last sync left; `pending` are the changes since, in
// order.
// 3. A directory's `durable` entries are those at its last sync_directory; `pending` are the changes
//    since.  A rename belongs to the directory it leads to and is durable with it, both sides at
//    once.
// 4. A file's contents and its name are durable independently of each other.
// 5. Disks are values: a copy shares contents with its original and never shows the other's
// changes. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platform/simulated/block_image.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::platform::simulated {

using NodeId = std::uint64_t;
inline constexpr NodeId kNoNode = 0;
inline constexpr NodeId kRootDirectory = 1;
inline constexpr std::uint64_t kSectorBytes = 512;

using Payload = std::shared_ptr<const std::vector<std::byte>>;

/// One change of the disk.  Which members count depends on the kind.
struct Change {
  enum class Kind {
    write,           ///< node, offset, payload
    allocate,        ///< node, offset, length
    truncate,        ///< node, length: the new size
    punch,           ///< node, offset, length
    sync,            ///< node
    lose_unsynced,   ///< node: a sync failed and the system forgot what it could not write
    create,          ///< node (new), directory, name
    make_directory,  ///< node (new), directory, name
    rename,          ///< node, directory and name, to_directory and to_name
    remove,          ///< node, directory, name
    sync_directory,  ///< directory
    overwrite,       ///< node, payload: somebody tampered; no step of the machine
    rot,             ///< node, offset, length: the bits to flip in the byte there; no step either
  };
  Kind kind = Kind::write;
  NodeId node = kNoNode;
  NodeId directory = kNoNode;
  NodeId to_directory = kNoNode;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Payload payload = nullptr;
  std::string name = {};
  std::string to_name = {};
  std::string path = {};  ///< for the log only

  [[nodiscard]] bool is_step() const { return kind != Kind::overwrite && kind != Kind::rot; }
};

/// A change that no sync has made durable yet.
struct PendingChange {
  std::uint64_t sequence;
  Change change;
};

struct FileNode {
  BlockImage live;
  BlockImage durable;
  std::vector<PendingChange> pending;
  bool linked = true;
  std::uint32_t opens = 0;
};

struct DirectoryNode {
  std::map<std::string, NodeId> live;
  std::map<std::string, NodeId> durable;
  std::vector<PendingChange> pending;
};

class Disk {
 public:
  Disk();

  /// A change of a node that is gone, which replay can meet, does nothing.
  void apply(const Change& change);

  /// The disk that a power cut leaves; all of it durable.  See crash.cpp.
  [[nodiscard]] Disk after_power_cut(CutOutcome outcome, std::uint64_t seed) const;
  [[nodiscard]] Disk after_power_cut(const ExactCut& cut, std::uint64_t seed) const;
  /// The sequence numbers of what no sync has made durable, in order.
  [[nodiscard]] std::vector<std::uint64_t> unsynced() const;
  /// The same contents and names, all of it durable.
  [[nodiscard]] Disk all_durable() const;

  /// Null when there is none.
  [[nodiscard]] const FileNode* file(NodeId id) const;
  [[nodiscard]] const DirectoryNode* directory(NodeId id) const;

  /// The number for the next node to be created.
  [[nodiscard]] NodeId next_node() const { return next_node_; }
  /// Handles and mappings keep a removed file's contents alive.
  void note_opened(NodeId id);
  void note_closed(NodeId id);
  /// Bytes of blocks that files with a name or a handle occupy.
  [[nodiscard]] std::uint64_t used_bytes() const;

 private:
  friend class PowerCut;

  void apply_to_file(FileNode& file, const Change& change);
  void apply_to_directory(DirectoryNode& directory, const Change& change);
  void link(const Change& change);
  void sync_directory(DirectoryNode& directory);
  void forget_unreachable();

  std::map<NodeId, FileNode> files_;
  std::map<NodeId, DirectoryNode> directories_;
  NodeId next_node_ = kRootDirectory + 1;
  std::uint64_t next_sequence_ = 0;
};

/// Performs the change of a name in a set of directories' entries.  `entries(id)` gives a
/// directory's entries or null.
template <class Entries>
void change_names(const Change& change, Entries&& entries) {
  using Names = std::map<std::string, NodeId>;
  const auto take_away = [&](NodeId directory, const std::string& name) {
    Names* const names = entries(directory);
    if (names == nullptr) return;
    // Another file may have the name by now, when an earlier change of it did not land.
    const auto found = names->find(name);
    if (found != names->end() && found->second == change.node) names->erase(found);
  };
  const auto give = [&](NodeId directory, const std::string& name) {
    if (Names* const names = entries(directory)) (*names)[name] = change.node;
  };
  switch (change.kind) {
    case Change::Kind::create:
    case Change::Kind::make_directory:
      give(change.directory, change.name);
      break;
    case Change::Kind::rename:
      take_away(change.directory, change.name);
      give(change.to_directory, change.to_name);
      break;
    case Change::Kind::remove:
      take_away(change.directory, change.name);
      break;
    default:
      break;
  }
}

}  // namespace coffer::platform::simulated
