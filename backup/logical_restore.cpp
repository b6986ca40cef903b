// Reading a logical backup: to verify it, or into a new store.
#include <fmt/format.h>

#include <optional>

#include <coffer/backup.hpp>

#include "backup/label.hpp"
#include "backup/new_file.hpp"
#include "backup/record_reader.hpp"
#include "backup/snapshot_reader.hpp"
#include "backup/snapshot_restore.hpp"
#include "backup/store_copy.hpp"
#include "platform/contracts.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

/// Looks at everything and keeps nothing.
class NoStore final : public RecordSink {
 public:
  void origin(const BackupReport&) override {}
  void tree(const std::string&, const TreeOptions&) override {}
  void entry(Bytes, Bytes) override {}
  void begin_value(Bytes, std::uint64_t) override {}
  void value_piece(Bytes) override {}
  void end_value() override {}
};

/// Puts the records into a new store, some at a time.
class IntoStore final : public RecordSink {
 public:
  IntoStore(const platform::Path& path, const RestoreOptions& options)
      : path_(path), options_(options) {}

  void origin(const BackupReport& report) override {
    Options options = options_.store;
    options.read_only = false;
    options.anchor.reset();
    // Nobody sees the store before it is whole and closed, which makes all of it durable.
    options.durability = Durability::relaxed;
    const CreateOptions create{.page_size = options_.page_size.value_or(report.page_size)};
    store_.emplace(options_.new_key != nullptr
                       ? Store::create(path_, *options_.new_key, create, options)
                       : Store::create_unencrypted(path_, create, options));
    begin();
  }
  void tree(const std::string& name, const TreeOptions& options) override {
    name_ = name;
    tree_.reset();
    tree_.emplace(writing_->create_tree(name, options));
  }
  void entry(Bytes key, Bytes value) override {
    tree_->append(key, value);
    done_with(key.size() + value.size());
  }
  void begin_value(Bytes key, std::uint64_t) override { value_.emplace(tree_->write(key)); }
  void value_piece(Bytes bytes) override {
    value_->write(bytes);
    batch_bytes_ += bytes.size();
  }
  void end_value() override {
    value_->finish();
    value_.reset();
    done_with(0);
  }

  /// Everything is on the disk when it returns.
  void close() {
    tree_.reset();
    writing_->commit();
    writing_.reset();
    store_->close();
    store_.reset();
  }

 private:
  static constexpr std::uint64_t kBatchBytes = 8 << 20;

  void begin() {
    writing_.emplace(store_->write());
    batch_bytes_ = 0;
  }
  void done_with(std::uint64_t bytes) {
    batch_bytes_ += bytes;
    if (batch_bytes_ < kBatchBytes) return;
    tree_.reset();
    writing_->commit();
    writing_.reset();
    begin();
    tree_.emplace(writing_->tree(name_));
  }

  platform::Path path_;
  const RestoreOptions& options_;
  std::optional<Store> store_;
  std::optional<WriteTransaction> writing_;
  std::optional<Tree> tree_;
  std::optional<ValueWriter> value_;
  std::string name_;
  std::uint64_t batch_bytes_ = 0;
};

struct Reading {
  platform::Platform& platform;
  const platform::Path& file;
  const Key* key;
  const BackupWatch& watch;
  MemoryLocking memory_locking;
};

BackupReport read_backup(const Reading& reading, platform::File& file, RecordSink& sink) {
  const auto policy = txn::lock_policy_of(reading.memory_locking);
  const std::uint64_t size = file.size();
  platform::LockedHeap heap(reading.platform.memory(), kStreamHeapBytes + kRecordHeapBytes, policy,
                            "a backup");
  Pace pace(reading.platform.clock(), reading.watch, size, 0);
  ChunkedReader reader(reading.platform, file, reading.key, heap, policy, pace);
  BackupReport report = read_records(reader, heap, pace, sink);
  report.bytes = size;
  pace.finish();
  return report;
}

std::unique_ptr<platform::File> open_backup(platform::Platform& platform,
                                            const platform::Path& file) {
  if (!platform.files().exists(file)) {
    throw InvalidArgument(fmt::format("there is no backup {}", file.string()));
  }
  return platform.files().open(file, platform::OpenMode::read_only);
}

}  // namespace
}  // namespace backup

namespace backup {
namespace {

/// What a file says that it is; nothing is verified yet.
format::Kind kind_in(platform::Platform& platform, const platform::Path& file) {
  return decode_label(read_header(*open_backup(platform, file)), file).kind;
}

void expect_single(const std::vector<std::filesystem::path>& chain) {
  if (chain.size() == 1) return;
  throw InvalidArgument(fmt::format(
      "{} is a logical backup, which has no increments: name it alone", chain.front().string()));
}

}  // namespace
}  // namespace backup

BackupReport verify_backup(const std::filesystem::path& file, const Key* key,
                           const VerifyOptions& options) {
  return verify_backup(std::vector<std::filesystem::path>{file}, key, options);
}

BackupReport verify_backup(const std::vector<std::filesystem::path>& chain, const Key* key,
                           const VerifyOptions& options) {
  using namespace backup;
  if (chain.empty()) throw InvalidArgument("no backup was named");
  platform::Platform& platform = platform::native_platform();
  if (is_snapshot(kind_in(platform, chain.front()))) {
    return verify_snapshots(platform, chain, key, options);
  }
  expect_single(chain);
  const auto opened = open_backup(platform, chain.front());
  NoStore sink;
  return read_backup({platform, chain.front(), key, options.watch, options.memory_locking}, *opened,
                     sink);
}

BackupReport restore_backup(const std::vector<std::filesystem::path>& chain, const Key* key,
                            const std::filesystem::path& path, const RestoreOptions& options) {
  using namespace backup;
  if (chain.empty()) throw InvalidArgument("no backup was named");
  platform::Platform& platform = platform::native_platform();
  if (is_snapshot(kind_in(platform, chain.front()))) {
    return restore_snapshots(platform, chain, key, path, options);
  }
  expect_single(chain);
  return restore_logical(chain.front(), key, path, options);
}

BackupReport restore_logical(const std::filesystem::path& file, const Key* key,
                             const std::filesystem::path& path, const RestoreOptions& options) {
  using namespace backup;
  platform::Platform& platform = platform::native_platform();
  const platform::Path place = free_place(platform, path, "a restored store");
  const auto opened = open_backup(platform, file);
  expect_room(platform, place, opened->size());
  NewDirectory directory(platform, place);
  IntoStore sink(directory.beside(), options);
  const BackupReport report = read_backup(
      {platform, file, key, options.watch, options.store.memory_locking}, *opened, sink);
  sink.close();
  directory.publish();
  return report;
}

}  // namespace coffer
