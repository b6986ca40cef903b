// Writing a logical backup: one read transaction's trees, as records.
#include <memory>

#include <coffer/backup.hpp>
#include <coffer/error.hpp>

#include "backup/backup_name.hpp"
#include "backup/chunked_file.hpp"
#include "backup/leaf_scan.hpp"
#include "backup/new_file.hpp"
#include "backup/record_writer.hpp"
#include "tree/catalog.hpp"
#include "tree/store_state.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

/// Makes the checkpoint from which an increment of this backup tells what changed; nothing where none can be made.
/// What is read afterwards shows it or what came later, and an increment covers both (L2 in change_walk.hpp).
ParentMark make_mark(txn::Engine& engine) {
  if (engine.options().read_only) return {};
  try {
    return mark_of(engine.image()->superblock());
  } catch (const NoSpace&) {
    // A store whose disk is full can still be backed up to another one.
    return {};
  }
}

void write_trees(txn::ReadView& view, LeafScan& leaves, RecordWriter& records) {
  tree::for_each_tree({.source = &view}, [&](Bytes name, const tree::CatalogEntry& entry) {
    records.begin_tree(name.text(), entry.options);
    const tree::BTree tree({.source = &view}, entry.root, entry.options);
    leaves.each(tree, [&](const tree::NodeView& leaf) { records.leaf(tree, leaf); });
    records.end_tree();
  });
}

}  // namespace
}  // namespace backup

BackupReport backup_logical(Store& store, const std::filesystem::path& file,
                            const BackupOptions& options) {
  using namespace backup;
  txn::Engine& engine = *store.state().engine;
  engine.check_alive();
  platform::Platform& platform = engine.platform();
  const BackupEncryptionMode mode =
      settle_mode(options.encryption, engine.keys().suite() != crypto::Suite::none);
  const platform::LockPolicy policy = txn::lock_policy_of(options.memory_locking);

  BackupReport report;
  report.encrypted = mode != BackupEncryptionMode::none;
  report.taken = platform.clock().wall();
  report.file = free_place(platform,
                           place_of_new(platform, file, options.store_name, BackupKind::logical,
                                        report.encrypted, report.taken),
                           "a backup");
  const ParentMark mark = make_mark(engine);
  const std::unique_ptr<txn::ReadView> view = engine.begin_read(false);
  report.commit = view->snapshot().value;
  report.page_size = engine.statistics().page_size;
  const std::size_t chunks = chunks_that_fit(platform.memory());
  platform::LockedHeap heap(platform.memory(),
                            writer_heap_bytes(options.compress, chunks) + kLeafScanHeapBytes,
                            policy, "a backup");
  Pace pace(platform.clock(), options.watch, 0, options.bytes_per_second_max);
  NewFile target(platform, report.file);
  Label label = full_label(platform.entropy(), format::Kind::logical, report.taken);
  label.compressed = report.compressed = options.compress;
  ChunkedWriter writer(target.file(),
                       new_header(engine, label, mode, options.encryption.key, heap, policy), heap,
                       pace, chunks);
  RecordWriter records(writer, pace);
  records.origin({.store = engine.keys().store_id(),
                  .instance = engine.anchor().instance,
                  .commit = report.commit,
                  .taken = report.taken,
                  .page_size = report.page_size,
                  .mark = mark,
                  .parent_header = {}},
                 false);
  LeafScan leaves(*view, heap);
  write_trees(*view, leaves, records);
  records.end();
  report.trees = records.trees();
  report.entries = records.entries();
  report.bytes = writer.finish();
  pace.finish();
  target.publish();
  return report;
}

}  // namespace coffer
