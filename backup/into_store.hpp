// Records into a new store: a full backup's, and then what its increments changed.
//
// Invariants
//   S1  What is done is committed some megabytes at a time; nobody sees the store before it is whole and closed.
//   S2  Of a range every entry between its bounds is looked at once, in order, beside the range's own: those that
//       it does not have are erased, those that it has are put, and one that is there with its value already stays.
//   S3  Keys and values are in locked memory, or in the store's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <coffer/store.hpp>

#include "backup/held_bytes.hpp"
#include "backup/record_reader.hpp"
#include "tree/leaf_loader.hpp"

namespace coffer::backup {

/// Locked memory for a place in a tree.
inline constexpr std::uint64_t kPlaceHeapBytes = 2 * format::kKeyBytesMax;

class IntoStore final : public RecordSink {
 public:
  /// Everything outlives the sink; `heap` has kPlaceHeapBytes.
  IntoStore(platform::Platform& platform, const platform::Path& path, const RestoreOptions& options,
            platform::LockedHeap& heap);

  void begin(const BackupReport& report, bool increment) override;
  void tree(const std::string& name, const TreeOptions& options) override;
  void begin_range(const RangeBound& low) override;
  void end_range(const RangeBound& high) override;
  void entry(Bytes key, Bytes value) override;
  void begin_value(Bytes key, std::uint64_t size) override;
  void value_piece(Bytes bytes) override;
  void end_value() override;
  void end() override;

  /// Everything is on the disk when it returns.
  void close();

 private:
  void create(std::uint32_t page_bytes);
  void begin_batch();
  void next_batch();
  void done_with(std::uint64_t bytes);
  /// The tree was empty or is new: entries come behind all others.
  [[nodiscard]] bool loading() const { return loader_->active(); }
  [[nodiscard]] txn::WriteView& view() const;
  void end_tree();
  void drop(const std::string& name);
  void drop_before(const std::string* name);

  void stand_behind(Bytes key, Bytes value);
  void find_place();
  [[nodiscard]] int order_of_cursor(Bytes key, Bytes value) const;
  void erase_before(const RangeBound& bound);

  platform::Platform& platform_;
  platform::Path path_;
  const RestoreOptions& options_;
  std::optional<Store> store_;
  std::optional<WriteTransaction> writing_;
  std::optional<tree::LeafLoader> loader_;
  std::optional<Tree> tree_;  ///< when it is not being loaded
  std::optional<ValueWriter> value_;
  std::string name_;
  std::uint64_t batch_bytes_ = 0;

  // Of an increment.
  std::vector<TreeInfo> before_;  ///< trees that were there
  std::size_t next_before_ = 0;   ///< the first of them that was not come to
  std::optional<Cursor> cursor_;  ///< the first entry behind the place
  /// Up to where the tree is as it shall be.
  format::BoundKind place_ = format::BoundKind::open;
  HeldBytes place_key_;
  HeldBytes place_value_;
  bool replaces_ = false;  ///< the value that is being written does
};

}  // namespace coffer::backup
