// Making snapshots and increments of them.
#include <fmt/format.h>

#include <coffer/backup.hpp>
#include <coffer/error.hpp>

#include "backup/backup_name.hpp"
#include "backup/chunked_file.hpp"
#include "backup/image_copier.hpp"
#include "backup/new_file.hpp"
#include "backup/snapshot_reader.hpp"
#include "backup/snapshot_writer.hpp"
#include "backup/store_copy.hpp"
#include "platform/contracts.hpp"
#include "tree/store_state.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

/// What all three ways of copying begin with.
class Copying {
 public:
  Copying(Store& store, const BackupOptions& options)
      : engine_(*store.state().engine), platform_(engine_.platform()), options_(options) {
    engine_.check_alive();
    expect_own_encryption(options.encryption, engine_.keys().suite() != crypto::Suite::none);
    if (options.compress) {
      throw InvalidArgument(
          "a snapshot is ciphertext, which nothing compresses; a logical backup can be compressed");
    }
    report_.taken = platform_.clock().wall();
  }

  [[nodiscard]] platform::Platform& platform() const { return platform_; }
  [[nodiscard]] platform::LockPolicy policy() const {
    return txn::lock_policy_of(options_.memory_locking);
  }
  [[nodiscard]] txn::StoreImage& image() { return *image_; }
  [[nodiscard]] platform::LockedHeap& heap() { return *heap_; }
  [[nodiscard]] Label label() const {
    return full_label(platform_.entropy(), format::Kind::snapshot, report_.taken,
                      image_->page_bytes());
  }

  /// Where the file goes.
  [[nodiscard]] platform::Path place(const platform::Path& file, BackupKind kind) const {
    return free_place(platform_,
                      place_of_new(platform_, file, options_.store_name, kind,
                                   engine_.keys().suite() != crypto::Suite::none, report_.taken),
                      "a backup");
  }
  /// Makes the checkpoint that is copied and pins it.
  void begin() {
    image_ = engine_.image();
    heap_ = std::make_unique<platform::LockedHeap>(
        platform_.memory(), copier_heap_bytes(image_->page_bytes()) + kStreamKeysHeapBytes,
        policy(), "a snapshot");
    report_.kind = BackupKind::snapshot;
    report_.encrypted = engine_.keys().suite() != crypto::Suite::none;
    report_.commit = image_->superblock().commit.value;
    report_.page_size = image_->page_bytes();
  }
  void copy_all(SlotSink& sink) {
    Pace pace(platform_.clock(), options_.watch, image_bytes(), options_.bytes_per_second_max);
    ImageCopier copier(*image_, sink, pace, *heap_);
    options_.verify ? copier.copy_verified() : copier.copy_as_it_lies();
    done(copier, pace);
  }
  void copy_since(SlotSink& sink, const ChangedSlots& changed, CommitNumber commit) {
    Pace pace(platform_.clock(), options_.watch, 0, options_.bytes_per_second_max);
    ImageCopier copier(*image_, sink, pace, *heap_);
    copier.copy_since(changed, commit);
    done(copier, pace);
  }
  [[nodiscard]] std::uint64_t image_bytes() const {
    return image_->slots().count() * image_->page_bytes();
  }
  [[nodiscard]] BackupReport& report() { return report_; }

 private:
  void done(const ImageCopier& copier, Pace& pace) {
    report_.slots = copier.slots();
    report_.bytes = report_.slots * image_->page_bytes();
    pace.finish();
  }

  txn::Engine& engine_;
  platform::Platform& platform_;
  const BackupOptions& options_;
  std::unique_ptr<txn::StoreImage> image_;
  std::unique_ptr<platform::LockedHeap> heap_;
  BackupReport report_;
};

/// What is behind the slots, and how far the file system's own needs go.
constexpr std::uint64_t kArchiveSlackBytes = 1 << 20;

/// The manifest of what shall be the parent.
struct Parent {
  Label label;
  Manifest manifest;
};

Parent read_parent(Copying& copying, const platform::Path& path) {
  auto& files = copying.platform().files();
  if (!files.exists(path)) {
    throw InvalidArgument(fmt::format("there is no backup {} to be the parent", path.string()));
  }
  if (files.is_directory(path)) {
    throw InvalidArgument(
        fmt::format("{} is a directory: an increment follows a snapshot in a file, or an "
                    "increment of one",
                    path.string()));
  }
  const auto file = files.open(path, platform::OpenMode::read_only);
  auto bytes = read_header(*file);
  // Said before store ids are compared: a logical backup that is not under the store's key has one of its own.
  if (const Label label = decode_label(bytes, path); !is_snapshot(label.kind)) {
    throw InvalidArgument(
        fmt::format("{} is a {} backup, not a snapshot", path.string(), name_of(label.kind)));
  }
  SnapshotReader reader(
      *file, header_of_parent(copying.image().keys(), std::move(bytes), copying.heap(), path),
      copying.heap());
  return {reader.header().label, reader.manifest()};
}

}  // namespace
}  // namespace backup

BackupReport backup_snapshot(Store& store, const std::filesystem::path& file,
                             const BackupOptions& options) {
  using namespace backup;
  Copying copying(store, options);
  const platform::Path place = copying.place(file, BackupKind::snapshot);
  copying.begin();
  expect_room(copying.platform(), place, copying.image_bytes() + kArchiveSlackBytes);
  NewFile target(copying.platform(), place);
  SnapshotWriter writer(
      target.file(),
      new_snapshot_header(copying.platform(), copying.image(), copying.label(), copying.heap()),
      {.verified = options.verify, .parent = {}, .superblock = copying.image().superblock()},
      copying.heap());
  copying.copy_all(writer);
  copying.report().bytes = writer.finish();
  target.publish();
  copying.report().file = place;
  return copying.report();
}

BackupReport backup_increment(Store& store, const std::filesystem::path& file,
                              const std::filesystem::path& parent_file,
                              const BackupOptions& options) {
  using namespace backup;
  Copying copying(store, options);
  const platform::Path place = copying.place(file, BackupKind::snapshot_increment);
  copying.begin();
  const pager::Superblock& now = copying.image().superblock();
  const Parent parent = read_parent(copying, parent_file);
  const pager::Superblock& then = parent.manifest.superblock;
  expect_ancestor(now, then.instance, mark_of(then), parent_file);
  const ChangedSlots changed(copying.image(), then.checkpoint);
  expect_room(copying.platform(), place,
              changed.count() * copying.image().page_bytes() + kArchiveSlackBytes);
  Label label = copying.label();
  label.kind = format::Kind::snapshot_increment;
  label.link = parent.label.link + 1;
  label.set = parent.label.set;
  label.parent = parent.label.id;
  NewFile target(copying.platform(), place);
  SnapshotWriter writer(
      target.file(),
      new_snapshot_header(copying.platform(), copying.image(), label, copying.heap()),
      {.verified = true, .parent = mark_of(then), .superblock = now}, copying.heap());
  copying.copy_since(writer, changed, then.commit);
  copying.report().kind = BackupKind::snapshot_increment;
  copying.report().link = label.link;
  copying.report().bytes = writer.finish();
  target.publish();
  copying.report().file = place;
  return copying.report();
}

BackupReport backup_snapshot_directory(Store& store, const std::filesystem::path& path,
                                       const BackupOptions& options) {
  using namespace backup;
  Copying copying(store, options);
  const platform::Path place = free_place(copying.platform(), path, "a snapshot");
  copying.begin();
  txn::StoreImage& image = copying.image();
  StoreCopy copy(copying.platform(), place, image.page_bytes(), image.superblock().slot_count);
  copying.copy_all(copy);
  copy.finish(image.superblock(), image.keys(), image.key_header(), copying.policy());
  copy.publish();
  copying.report().file = place;
  return copying.report();
}

}  // namespace coffer
