// Writing an increment of a logical backup: of a checkpoint, what changed since the one that the parent was made
// after.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include <coffer/backup.hpp>
#include <coffer/error.hpp>

#include "backup/backup_name.hpp"
#include "backup/change_walk.hpp"
#include "backup/chunked_file.hpp"
#include "backup/new_file.hpp"
#include "backup/record_reader.hpp"
#include "backup/record_writer.hpp"
#include "tree/catalog.hpp"
#include "tree/store_state.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

/// What shall be the parent, as far as its trees.
struct LogicalParent {
  BackupHeader header;  ///< without the stream's key
  Origin origin;
};

const char* name_of_mode(BackupEncryptionMode mode) {
  switch (mode) {
    case BackupEncryptionMode::none:
      return "none";
    case BackupEncryptionMode::use_provided_key:
      return "use_provided_key";
    case BackupEncryptionMode::use_database_key:
      break;
  }
  return "use_database_key";
}

/// Raises unless what was asked for is what the parent has: an increment opens with what opens its full backup.
void expect_mode_of_parent(const BackupEncryption& encryption, const Label& label,
                           bool store_is_encrypted, const platform::Path& path) {
  const BackupEncryptionMode mode = mode_of(label.key_origin);
  if (encryption.mode.value_or(mode) != mode) {
    throw InvalidArgument(
        fmt::format("{} was made with the mode {}, and an increment has its full backup's: leave "
                    "out the mode, or begin with a full backup",
                    path.string(), name_of_mode(mode)));
  }
  static_cast<void>(settle_mode({.mode = mode, .key = encryption.key}, store_is_encrypted));
}

void expect_can_be_followed(const Origin& parent, const txn::Engine& engine,
                            const platform::Path& path) {
  if (parent.store != engine.keys().store_id()) {
    throw InvalidArgument(
        fmt::format("{} is a backup of another store: an increment follows a backup of its own; "
                    "name that one",
                    path.string()));
  }
  if (parent.mark.checkpoint == 0) {
    throw InvalidArgument(
        fmt::format("{} was made of a store that was open read-only, or had no room, and without a "
                    "checkpoint no increment can follow: begin with a full backup",
                    path.string()));
  }
}

LogicalParent read_logical_parent(txn::Engine& engine, const platform::Path& path,
                                  const BackupOptions& options, platform::LockedHeap& heap) {
  platform::Platform& platform = engine.platform();
  if (!platform.files().exists(path) || platform.files().is_directory(path)) {
    throw InvalidArgument(fmt::format("there is no backup {} to be the parent", path.string()));
  }
  const auto file = platform.files().open(path, platform::OpenMode::read_only);
  auto bytes = read_header(*file);
  const Label label = decode_label(bytes, path);
  if (is_snapshot(label.kind)) {
    throw InvalidArgument(fmt::format(
        "{} is a {} backup, not a logical one: name a logical backup, or an increment of one",
        path.string(), name_of(label.kind)));
  }
  expect_mode_of_parent(options.encryption, label, engine.keys().suite() != crypto::Suite::none,
                        path);
  BackupHeader header = label.key_origin == format::KeyOrigin::store
                            ? header_of_parent(engine.keys(), std::move(bytes), heap, path)
                            : open_header(platform, std::move(bytes), options.encryption.key, heap,
                                          txn::lock_policy_of(options.memory_locking), path);
  LogicalParent parent;
  parent.header = {header.bytes, header.label, header.keys, header.suite, {}};
  const BackupWatch nobody;
  Pace pace(platform.clock(), nobody, 0, 0);
  ChunkedReader reader(*file, std::move(header), heap, pace, kLeastChunks);
  parent.origin = read_origin(reader);
  expect_can_be_followed(parent.origin, engine, path);
  return parent;
}

Label label_behind(platform::Platform& platform, const Label& parent,
                   std::chrono::nanoseconds taken) {
  Label label = full_label(platform.entropy(), format::Kind::logical, taken);
  label.kind = format::Kind::logical_increment;
  label.key_origin = parent.key_origin;
  label.link = parent.link + 1;
  label.set = parent.set;
  label.parent = parent.id;
  return label;
}

/// Under the keys that the parent is under.
BackupHeader header_behind(const LogicalParent& parent, const txn::StoreImage& image,
                           platform::Platform& platform, const Label& label,
                           platform::LockedHeap& heap) {
  if (label.key_origin == format::KeyOrigin::store) {
    return next_header(platform, image.keys(), image.key_header(), label, heap);
  }
  return next_header(platform, *parent.header.keys,
                     std::span(parent.header.bytes).subspan(format::kKeyHeaderAt), label, heap);
}

void write_changes(txn::StoreImage& image, std::uint64_t since, RecordWriter& records, Pace& pace) {
  ChangeWalk walk(image, since, pace);
  txn::ImageView view(image);
  tree::for_each_tree({.source = &view}, [&](Bytes name, const tree::CatalogEntry& entry) {
    records.begin_tree(name.text(), entry.options);
    walk.write(tree::BTree({.source = &view}, entry.root, entry.options), records);
    records.end_tree();
  });
}

}  // namespace
}  // namespace backup

BackupReport backup_logical_increment(Store& store, const std::filesystem::path& file,
                                      const std::filesystem::path& parent_file,
                                      const BackupOptions& options) {
  using namespace backup;
  txn::Engine& engine = *store.state().engine;
  engine.check_alive();
  platform::Platform& platform = engine.platform();
  const std::size_t chunks = chunks_that_fit(platform.memory());
  platform::LockedHeap heap(
      platform.memory(),
      std::max(reader_heap_bytes(kLeastChunks), writer_heap_bytes(options.compress, chunks)),
      txn::lock_policy_of(options.memory_locking), "a backup");
  const LogicalParent parent = read_logical_parent(engine, parent_file, options, heap);
  BackupReport report;
  report.kind = BackupKind::logical_increment;
  report.link = parent.header.label.link + 1;
  report.encrypted = parent.header.suite != crypto::Suite::none;
  report.taken = platform.clock().wall();
  report.file = free_place(
      platform,
      place_of_new(platform, file, options.store_name, report.kind, report.encrypted, report.taken),
      "a backup");

  const std::unique_ptr<txn::StoreImage> image = engine.image();
  const pager::Superblock& now = image->superblock();
  expect_ancestor(now, parent.origin.instance, parent.origin.mark, parent_file);
  report.commit = now.commit.value;
  report.page_size = image->page_bytes();
  Label label = label_behind(platform, parent.header.label, report.taken);
  label.compressed = report.compressed = options.compress;
  Pace pace(platform.clock(), options.watch, 0, options.bytes_per_second_max);
  NewFile target(platform, report.file);
  ChunkedWriter writer(target.file(), header_behind(parent, *image, platform, label, heap), heap,
                       pace, chunks);
  RecordWriter records(writer, pace);
  records.origin({.store = engine.keys().store_id(),
                  .instance = now.instance,
                  .commit = report.commit,
                  .taken = report.taken,
                  .page_size = report.page_size,
                  .mark = mark_of(now),
                  .parent_header = context_of(parent.header)},
                 true);
  write_changes(*image, parent.origin.mark.checkpoint, records, pace);
  records.end();
  report.trees = records.trees();
  report.entries = records.entries();
  report.bytes = writer.finish();
  pace.finish();
  target.publish();
  return report;
}

}  // namespace coffer
