// See snapshot_restore.hpp.
#include "backup/snapshot_restore.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>
#include <coffer/store.hpp>

#include "backup/new_file.hpp"
#include "backup/pace.hpp"
#include "backup/snapshot_chain.hpp"
#include "backup/store_copy.hpp"
#include "platform/contracts.hpp"
#include "tree/store_state.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::backup {
namespace {

BackupReport report_of(const SnapshotChain& chain, std::uint64_t slots) {
  const BackupHeader& header = chain.last_header();
  BackupReport report;
  report.kind = kind_of(header.label.kind);
  report.link = header.label.link;
  report.encrypted = header.suite != crypto::Suite::none;
  report.bytes = chain.file_bytes();
  report.commit = chain.superblock().commit.value;
  report.taken = header.label.taken;
  report.page_size = chain.superblock().page_bytes;
  report.slots = slots;
  return report;
}

/// The slots of a group, into the copy.  What a later link no longer has may lie behind the last slot in use: that
/// is not needed.
void put(const SnapshotReader& link, std::uint64_t slots_end, std::uint32_t page_bytes,
         StoreCopy& copy) {
  auto slots = link.slots();
  for (const pager::SlotRun& run : link.runs()) {
    const std::uint64_t first = std::min(run.first.value, slots_end);
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(run.count, slots_end - first));
    if (count != 0) copy.write({run.first, count}, slots.first(std::size_t{count} * page_bytes));
    slots = slots.subspan(std::size_t{run.count} * page_bytes);
  }
}

/// Reads all links to their ends; what they hold goes into `copy`, unless that is null.  The number of slots.
std::uint64_t read_all(SnapshotChain& chain, Pace& pace, StoreCopy* copy) {
  const pager::Superblock& shown = chain.superblock();
  std::uint64_t slots = 0;
  for (std::size_t i = 0; i < chain.links(); ++i) {
    const auto link = chain.open(i);
    while (link->reader().next()) {
      if (copy != nullptr) put(link->reader(), shown.slot_count, shown.page_bytes, *copy);
      pace.count_pages(link->reader().slots().size() / shown.page_bytes);
      pace.advance(link->reader().slots().size());
    }
    slots += link->reader().slots_read();
  }
  return slots;
}

/// Opens what was restored and reads all of it.
void check_copy(platform::Platform& platform, const StoreCopy& copy, const Key* key,
                MemoryLocking locking) {
  Options options;
  options.read_only = true;
  options.memory_locking = locking;
  Store store(Store::State::open(platform, copy.beside(), key, options));
  static_cast<void>(store.check());
  store.close();
}

std::uint64_t build(platform::Platform& platform, SnapshotChain& chain, StoreCopy& copy, Pace& pace,
                    const Key* key, platform::LockPolicy policy, MemoryLocking locking) {
  const std::uint64_t slots = read_all(chain, pace, &copy);
  const BackupHeader& header = chain.last_header();
  copy.finish(chain.superblock(), *header.keys,
              std::span(header.bytes).subspan(format::kKeyHeaderAt, format::kKeyHeaderBytes),
              policy);
  if (!chain.verified()) check_copy(platform, copy, key, locking);
  return slots;
}

}  // namespace

BackupReport verify_snapshots(platform::Platform& platform,
                              const std::vector<platform::Path>& files, const Key* key,
                              const VerifyOptions& options) {
  const auto policy = txn::lock_policy_of(options.memory_locking);
  SnapshotChain chain(platform, files, key, policy);
  Pace pace(platform.clock(), options.watch, chain.file_bytes(), 0);
  std::uint64_t slots = 0;
  if (chain.verified()) {
    slots = read_all(chain, pace, nullptr);
  } else {
    StoreCopy copy(platform, files.front(), chain.superblock().page_bytes,
                   chain.superblock().slot_count);
    slots = build(platform, chain, copy, pace, key, policy, options.memory_locking);
  }
  pace.finish();
  return report_of(chain, slots);
}

BackupReport restore_snapshots(platform::Platform& platform,
                               const std::vector<platform::Path>& files, const Key* key,
                               const platform::Path& path, const RestoreOptions& options) {
  if (options.new_key != nullptr) {
    throw InvalidArgument(
        "a snapshot is restored as it is, under its own key or unencrypted: leave out the new key; "
        "a logical backup can be restored under any");
  }
  const platform::Path place = free_place(platform, path, "a restored store");
  const auto policy = txn::lock_policy_of(options.store.memory_locking);
  SnapshotChain chain(platform, files, key, policy);
  if (options.page_size && *options.page_size != chain.superblock().page_bytes) {
    throw InvalidArgument(
        fmt::format("a snapshot is restored with its own page size, {}: leave out the page size, "
                    "or restore a logical backup",
                    chain.superblock().page_bytes));
  }
  Pace pace(platform.clock(), options.watch, chain.file_bytes(), 0);
  StoreCopy copy(platform, place, chain.superblock().page_bytes, chain.superblock().slot_count);
  const std::uint64_t slots =
      build(platform, chain, copy, pace, key, policy, options.store.memory_locking);
  pace.finish();
  copy.publish();
  return report_of(chain, slots);
}

}  // namespace coffer::backup
