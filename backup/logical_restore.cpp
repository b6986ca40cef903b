// Reading backups: to verify them, or into a new store.
#include <fmt/format.h>

#include <coffer/backup.hpp>
#include <coffer/error.hpp>

#include "backup/into_store.hpp"
#include "backup/label.hpp"
#include "backup/logical_chain.hpp"
#include "backup/new_file.hpp"
#include "backup/snapshot_restore.hpp"
#include "backup/store_copy.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

/// Looks at everything and keeps nothing.
class NoStore final : public RecordSink {
 public:
  void begin(const BackupReport&, bool) override {}
  void tree(const std::string&, const TreeOptions&) override {}
  void begin_range(const RangeBound&) override {}
  void end_range(const RangeBound&) override {}
  void entry(Bytes, Bytes) override {}
  void begin_value(Bytes, std::uint64_t) override {}
  void value_piece(Bytes) override {}
  void end_value() override {}
  void end() override {}
};

/// By what the first file says that it is; nothing is verified yet.
bool is_snapshot_chain(platform::Platform& platform,
                       const std::vector<std::filesystem::path>& chain) {
  if (chain.empty()) throw InvalidArgument("no backup was named");
  const platform::Path& first = chain.front();
  if (!platform.files().exists(first)) {
    throw InvalidArgument(fmt::format("there is no backup {}", first.string()));
  }
  const auto file = platform.files().open(first, platform::OpenMode::read_only);
  return is_snapshot(decode_label(read_header(*file), first).kind);
}

}  // namespace

BackupReport restore_logical_chain(platform::Platform& platform,
                                   const std::vector<platform::Path>& files, const Key* key,
                                   const platform::Path& path, const RestoreOptions& options) {
  const platform::Path place = free_place(platform, path, "a restored store");
  LogicalChain chain(platform, files, key, txn::lock_policy_of(options.store.memory_locking),
                     options.watch);
  expect_room(platform, place, chain.file_bytes());
  NewDirectory directory(platform, place);
  IntoStore sink(platform, directory.beside(), options, chain.heap());
  const BackupReport report = chain.read(sink);
  sink.close();
  directory.publish();
  return report;
}

}  // namespace backup

BackupReport verify_backup(const std::filesystem::path& file, const Key* key,
                           const VerifyOptions& options) {
  return verify_backup(std::vector<std::filesystem::path>{file}, key, options);
}

BackupReport verify_backup(const std::vector<std::filesystem::path>& chain, const Key* key,
                           const VerifyOptions& options) {
  using namespace backup;
  platform::Platform& platform = platform::native_platform();
  if (is_snapshot_chain(platform, chain)) return verify_snapshots(platform, chain, key, options);
  LogicalChain links(platform, chain, key, txn::lock_policy_of(options.memory_locking),
                     options.watch);
  NoStore sink;
  return links.read(sink);
}

BackupReport restore_backup(const std::vector<std::filesystem::path>& chain, const Key* key,
                            const std::filesystem::path& path, const RestoreOptions& options) {
  using namespace backup;
  platform::Platform& platform = platform::native_platform();
  if (is_snapshot_chain(platform, chain)) {
    return restore_snapshots(platform, chain, key, path, options);
  }
  return restore_logical_chain(platform, chain, key, path, options);
}

BackupReport restore_logical(const std::filesystem::path& file, const Key* key,
                             const std::filesystem::path& path, const RestoreOptions& options) {
  using namespace backup;
  return restore_logical_chain(platform::native_platform(), {file}, key, path, options);
}

}  // namespace coffer
