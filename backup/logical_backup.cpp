// Writing a logical backup: one read transaction's trees, as records.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <coffer/backup.hpp>

#include "backup/backup_name.hpp"
#include "backup/chunked_file.hpp"
#include "backup/new_file.hpp"
#include "backup/record_format.hpp"
#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"
#include "tree/store_state.hpp"
#include "txn/locked_budget.hpp"

namespace coffer {
namespace backup {
namespace {

using crypto::seal_format::put_little_endian;
using format::RecordType;

/// A record's type and its numbers, put together on the stack: none of it is what users stored.
class FixedPart {
 public:
  explicit FixedPart(RecordType type) { put(static_cast<std::uint8_t>(type)); }
  template <class Integer>
  FixedPart& put(Integer number) {
    Expects(size_ + sizeof number <= bytes_.size());
    put_little_endian(&bytes_[size_], number);
    size_ += sizeof number;
    return *this;
  }
  FixedPart& put_bytes(std::span<const std::byte> bytes) {
    Expects(size_ + bytes.size() <= bytes_.size());
    std::ranges::copy(bytes, &bytes_[size_]);
    size_ += bytes.size();
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, 1 + format::kFixedBytesMax> bytes_{};
  std::size_t size_ = 0;
};

class RecordWriter {
 public:
  RecordWriter(ChunkedWriter& writer, Pace& pace) : writer_(writer), pace_(pace) {}

  void origin(const txn::Engine& engine, const BackupReport& report) {
    const Anchor anchor = engine.anchor();
    writer_.write(FixedPart(RecordType::origin)
                      .put_bytes(engine.keys().store_id())
                      .put_bytes(anchor.instance)
                      .put(report.commit)
                      .put(static_cast<std::uint64_t>(report.taken.count()))
                      .put(report.page_size)
                      .bytes());
  }
  /// The number of its entries.
  std::uint64_t tree(Tree tree, const std::string& name) {
    Expects(name.size() <= format::kNameBytesMax);
    const TreeOptions& options = tree.options();
    const auto bits = static_cast<std::uint8_t>((options.multi_value ? format::kMultiValue : 0) |
                                                (options.integer_keys ? format::kIntegerKeys : 0));
    writer_.write(
        FixedPart(RecordType::tree).put(bits).put(static_cast<std::uint8_t>(name.size())).bytes());
    writer_.write(Bytes(name));
    std::uint64_t entries = 0;
    Cursor cursor = tree.cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      entry(cursor);
      ++entries;
      pace_.count_entry();
    }
    writer_.write(FixedPart(RecordType::tree_end).put(entries).bytes());
    return entries;
  }
  void end(const BackupReport& report) {
    writer_.write(FixedPart(RecordType::end).put(report.trees).put(report.entries).bytes());
  }

 private:
  void entry(const Cursor& cursor) {
    const Bytes key = cursor.key();
    const std::uint64_t size = cursor.value_size();
    writer_.write(
        FixedPart(RecordType::entry).put(gsl::narrow<std::uint16_t>(key.size())).put(size).bytes());
    writer_.write(key);
    if (!cursor.value_is_large()) return writer_.write(cursor.value());
    ValueReader reader = cursor.read();
    for (std::uint64_t left = size; left > 0;) {
      const auto room = writer_.room();
      const std::size_t got = reader.read(room.first(std::min<std::uint64_t>(room.size(), left)));
      if (got == 0)
        throw Corrupted("a large value is shorter than its size says; run coffer check");
      writer_.wrote(got);
      left -= got;
    }
  }

  ChunkedWriter& writer_;
  Pace& pace_;
};

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

  ReadTransaction reading = store.read({.latest = false});
  BackupReport report{.encrypted = mode != BackupEncryptionMode::none,
                      .bytes = 0,
                      .commit = reading.commit_number(),
                      .taken = platform.clock().wall(),
                      .page_size = engine.statistics().page_size,
                      .trees = 0,
                      .entries = 0};
  report.file = free_place(platform,
                           place_of_new(platform, file, options.store_name, BackupKind::logical,
                                        report.encrypted, report.taken),
                           "a backup");
  platform::LockedHeap heap(platform.memory(), kStreamHeapBytes, policy, "a backup");
  Pace pace(platform.clock(), options.watch, 0, options.bytes_per_second_max);
  NewFile target(platform, report.file);
  const Label label = full_label(platform.entropy(), format::Kind::logical, report.taken);
  ChunkedWriter writer(target.file(),
                       new_header(engine, label, mode, options.encryption.key, heap, policy), heap,
                       pace);
  RecordWriter records(writer, pace);
  records.origin(engine, report);
  for (const TreeInfo& tree : reading.trees()) {
    report.entries += records.tree(reading.tree(tree.name), tree.name);
    ++report.trees;
  }
  records.end(report);
  report.bytes = writer.finish();
  pace.finish();
  target.publish();
  return report;
}

}  // namespace coffer
