// The simulated machine's files, mappings, names and locks.
//
// Like the Linux ones in what they refuse (errno for errno) and in what a mapping shows: bytes
// behind the end of the file, in its last page, read as zero; pages behind that raise IoError.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <coffer/error.hpp>
#include <system_error>

#include "platform/simulated/machine.hpp"

namespace coffer::platform::simulated {

namespace {

[[noreturn]] void refuse(const char* operation, const Path& path, int code) {
  throw IoError(fmt::format("cannot {} '{}': {} (errno {}, simulated)", operation, path.string(),
                            std::generic_category().message(code), code),
                operation, path, code);
}

class SimulatedMapping final : public Mapping {
 public:
  SimulatedMapping(Machine& machine, NodeId node, Path path, std::uint64_t offset,
                   std::uint64_t length)
      : machine_(machine), node_(node), path_(std::move(path)), offset_(offset), length_(length) {
    const std::lock_guard guard(machine_.mutex());
    machine_.disk().note_opened(node_);
    ++machine_.open_mappings_;
  }
  ~SimulatedMapping() override {
    const std::lock_guard guard(machine_.mutex());
    machine_.disk().note_closed(node_);
    --machine_.open_mappings_;
  }
  SimulatedMapping(const SimulatedMapping&) = delete;
  SimulatedMapping& operator=(const SimulatedMapping&) = delete;

  std::uint64_t size() const override { return length_; }

  void copy_out(std::uint64_t offset, std::span<std::byte> out) const override {
    machine_.fault("copy_out", path_, offset_ + offset, out.size());
    const auto from = machine_.directed("copy_out", path_, offset_ + offset, out.size());
    if (offset > length_ || out.size() > length_ - offset) refuse("read mapped", path_, 0);
    const std::lock_guard guard(machine_.mutex());
    const auto& image = machine_.disk().file(node_)->live;
    const auto mapped_end = (image.size() + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (!out.empty() && from + out.size() > mapped_end) {
      refuse("read mapped", path_, EIO);
    }
    image.read(from, out);
  }

 private:
  Machine& machine_;
  const NodeId node_;
  const Path path_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
};

class SimulatedFile final : public File {
 public:
  /// With the machine's mutex held.
  SimulatedFile(Machine& machine, NodeId node, Path path, OpenMode mode)
      : machine_(machine), node_(node), path_(std::move(path)), mode_(mode) {
    machine_.disk().note_opened(node_);
    ++machine_.open_files_;
  }
  ~SimulatedFile() override {
    const std::lock_guard guard(machine_.mutex());
    machine_.disk().note_closed(node_);
    --machine_.open_files_;
  }
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  const Path& path() const override { return path_; }
  FileIdentity identity() const override { return {machine_.device, node_}; }

  std::uint64_t size() const override {
    const std::lock_guard guard(machine_.mutex());
    return image().size();
  }

  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    machine_.fault("read", path_, offset, out.size());
    offset = machine_.directed("read", path_, offset, out.size());
    const std::lock_guard guard(machine_.mutex());
    const auto size = image().size();
    if (offset >= size) return 0;
    const auto part = out.first(std::min<std::uint64_t>(out.size(), size - offset));
    image().read(offset, part);
    return part.size();
  }

  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    write(offset, std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()));
  }

  void write_vector_at(std::uint64_t offset,
                       std::span<const std::span<const std::byte>> runs) override {
    std::vector<std::byte> all;
    for (const auto& run : runs) all.insert(all.end(), run.begin(), run.end());
    write(offset, std::make_shared<const std::vector<std::byte>>(std::move(all)));
  }

  void sync() override { sync_as("sync"); }
  void data_sync() override { sync_as("data_sync"); }

  void allocate(std::uint64_t offset, std::uint64_t length) override {
    change_range(Change::Kind::allocate, "allocate", offset, length);
  }
  void punch(std::uint64_t offset, std::uint64_t length) override {
    change_range(Change::Kind::punch, "punch", offset, length);
  }

  void truncate(std::uint64_t size) override {
    machine_.fault("truncate", path_, 0, size);
    require_writable("truncate");
    const std::lock_guard guard(machine_.mutex());
    auto change = change_of(Change::Kind::truncate);
    change.length = size;
    machine_.apply(std::move(change));
  }

  std::unique_ptr<Mapping> map(std::uint64_t offset, std::uint64_t length) const override {
    Expects(length > 0 && offset % kPageBytes == 0);
    machine_.fault("map", path_, offset, length);
    return std::make_unique<SimulatedMapping>(machine_, node_, path_, offset, length);
  }

 private:
  const BlockImage& image() const { return machine_.disk().file(node_)->live; }

  Change change_of(Change::Kind kind) const {
    Change change;
    change.kind = kind;
    change.node = node_;
    change.path = path_.string();
    return change;
  }

  void require_writable(const char* operation) const {
    if (mode_ == OpenMode::read_only) refuse(operation, path_, EBADF);
  }

  void write(std::uint64_t offset, Payload payload) {
    if (payload->empty()) return;
    machine_.fault("write", path_, offset, payload->size());
    offset = machine_.directed("write", path_, offset, payload->size());
    require_writable("write");
    const std::lock_guard guard(machine_.mutex());
    machine_.require_space("write", path_, image().blocks_missing(offset, payload->size()));
    auto change = change_of(Change::Kind::write);
    change.offset = offset;
    change.length = payload->size();
    change.payload = std::move(payload);
    machine_.apply(std::move(change));
  }

  void change_range(Change::Kind kind, const char* operation, std::uint64_t offset,
                    std::uint64_t length) {
    if (length == 0) return;
    machine_.fault(operation, path_, offset, length);
    require_writable(operation);
    const std::lock_guard guard(machine_.mutex());
    if (kind == Change::Kind::allocate) {
      machine_.require_space(operation, path_, image().blocks_missing(offset, length));
    }
    auto change = change_of(kind);
    change.offset = offset;
    change.length = length;
    machine_.apply(std::move(change));
  }

  void sync_as(const char* operation) {
    try {
      machine_.fault(operation, path_);
    } catch (...) {
      if (machine_.failed_sync_drops_writes()) {
        const std::lock_guard guard(machine_.mutex());
        machine_.apply(change_of(Change::Kind::lose_unsynced));
      }
      throw;
    }
    const std::lock_guard guard(machine_.mutex());
    machine_.apply(change_of(Change::Kind::sync));
  }

  Machine& machine_;
  const NodeId node_;
  const Path path_;
  const OpenMode mode_;
};

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(Machine& machine, NodeId node, bool shared)
      : machine_(machine), node_(node), shared_(shared) {}
  ~SimulatedLock() override {
    if (machine_.forked()) return;
    const std::lock_guard guard(machine_.mutex());
    auto& state = machine_.locks.at(node_);
    if (shared_) {
      --state.shared;
    } else {
      state.exclusive = false;
    }
    if (state.shared == 0 && !state.exclusive) machine_.locks.erase(node_);
  }
  SimulatedLock(const SimulatedLock&) = delete;
  SimulatedLock& operator=(const SimulatedLock&) = delete;

 private:
  Machine& machine_;
  const NodeId node_;
  const bool shared_;
};

class SimulatedFileSystem final : public FileSystem {
 public:
  explicit SimulatedFileSystem(Machine& machine) : machine_(machine) {}

  std::unique_ptr<File> open(const Path& path, OpenMode mode) override {
    machine_.fault("open", path);
    const std::lock_guard guard(machine_.mutex());
    const auto place = machine_.find_file("open", path);
    return std::make_unique<SimulatedFile>(machine_, place.node, path, mode);
  }

  std::unique_ptr<File> create(const Path& path) override {
    machine_.fault("create", path);
    const std::lock_guard guard(machine_.mutex());
    const auto node = make_node(Change::Kind::create, "create", path);
    return std::make_unique<SimulatedFile>(machine_, node, path, OpenMode::read_write);
  }

  bool exists(const Path& path) const override {
    const std::lock_guard guard(machine_.mutex());
    return node_or_none(path) != kNoNode;
  }
  bool is_directory(const Path& path) const override {
    const std::lock_guard guard(machine_.mutex());
    return machine_.disk().directory(node_or_none(path)) != nullptr;
  }

  std::vector<std::string> list(const Path& directory) const override {
    machine_.fault("list", directory);
    const std::lock_guard guard(machine_.mutex());
    const auto place = find_directory("list", directory);
    std::vector<std::string> names;
    for (const auto& [name, node] : machine_.disk().directory(place.node)->live) {
      names.push_back(name);
    }
    return names;
  }

  void make_directory(const Path& path) override {
    machine_.fault("make_directory", path);
    const std::lock_guard guard(machine_.mutex());
    make_node(Change::Kind::make_directory, "make_directory", path);
  }

  void rename(const Path& from, const Path& to) override {
    machine_.fault("rename", from);
    const std::lock_guard guard(machine_.mutex());
    const auto source = machine_.find("rename", from);
    const auto target = machine_.find("rename", to);
    if (source.node == kNoNode) refuse("rename", from, ENOENT);
    if (target.node != kNoNode) {
      throw InvalidArgument(fmt::format("cannot rename '{}' to '{}': that name is taken",
                                        from.string(), to.string()));
    }
    auto change = change_at(Change::Kind::rename, source, from);
    change.to_directory = target.directory;
    change.to_name = target.name;
    machine_.apply(std::move(change));
  }

  void remove(const Path& path) override {
    machine_.fault("remove", path);
    const std::lock_guard guard(machine_.mutex());
    machine_.apply(change_at(Change::Kind::remove, machine_.find_file("remove", path), path));
  }

  void remove_directory(const Path& path) override {
    machine_.fault("remove_directory", path);
    const std::lock_guard guard(machine_.mutex());
    const auto place = find_directory("remove_directory", path);
    if (!machine_.disk().directory(place.node)->live.empty()) {
      refuse("remove_directory", path, ENOTEMPTY);
    }
    if (place.node == kRootDirectory) refuse("remove_directory", path, EBUSY);
    machine_.apply(change_at(Change::Kind::remove, place, path));
  }

  void sync_directory(const Path& directory) override {
    machine_.fault("sync_directory", directory);
    const std::lock_guard guard(machine_.mutex());
    Change change;
    change.kind = Change::Kind::sync_directory;
    change.directory = find_directory("sync_directory", directory).node;
    change.path = directory.string();
    machine_.apply(std::move(change));
  }

  std::uint64_t free_bytes(const Path&) const override {
    const std::lock_guard guard(machine_.mutex());
    return machine_.free_bytes();
  }

  std::unique_ptr<FileLock> lock(const Path& path, bool shared) override;

  std::uint64_t map_granularity_bytes() const override { return kPageBytes; }

 private:
  NodeId node_or_none(const Path& path) const {
    try {
      return machine_.find("look for", path).node;
    } catch (const IoError&) {
      return kNoNode;  // a directory on the way is missing
    }
  }

  Machine::Place find_directory(const char* operation, const Path& path) const {
    auto place = machine_.find(operation, path);
    if (machine_.disk().directory(place.node) == nullptr) {
      refuse(operation, path, place.node == kNoNode ? ENOENT : ENOTDIR);
    }
    return place;
  }

  static Change change_at(Change::Kind kind, const Machine::Place& place, const Path& path) {
    Change change;
    change.kind = kind;
    change.node = place.node;
    change.directory = place.directory;
    change.name = place.name;
    change.path = path.string();
    return change;
  }

  NodeId make_node(Change::Kind kind, const char* operation, const Path& path) {
    auto place = machine_.find(operation, path);
    if (place.node != kNoNode) refuse(operation, path, EEXIST);
    place.node = machine_.disk().next_node();
    machine_.apply(change_at(kind, place, path));
    return place.node;
  }

  Machine& machine_;
};

std::unique_ptr<FileLock> SimulatedFileSystem::lock(const Path& path, bool shared) {
  machine_.fault("lock", path);
  const std::lock_guard guard(machine_.mutex());
  auto node = machine_.find("lock", path).node;
  if (node == kNoNode) {
    node = make_node(Change::Kind::create, "lock", path);
  } else if (machine_.disk().file(node) == nullptr) {
    refuse("lock", path, EISDIR);
  }
  auto& state = machine_.locks[node];
  if (state.exclusive || (!shared && state.shared > 0)) {
    throw Busy(
        fmt::format("'{}' is locked by this process; close the store there or wait, then "
                    "open it again",
                    path.string()));
  }
  auto lock = std::make_unique<SimulatedLock>(machine_, node, shared);
  if (shared) {
    ++state.shared;
  } else {
    state.exclusive = true;
  }
  return lock;
}

}  // namespace

std::unique_ptr<FileSystem> make_file_system(Machine& machine) {
  return std::make_unique<SimulatedFileSystem>(machine);
}

}  // namespace coffer::platform::simulated
