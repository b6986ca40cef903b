// A B+tree in a transaction's pages.
//
//   B1  The root's page number never changes: a split of the root moves its content into two new
//       pages, and a root with a single child takes over the child's content.
//   B2  Every page but the root is named by exactly one branch cell, in a page one level above.
//   B3  Entries are in strictly ascending order over all leaves; a separator lies above everything to
//       its left and not above anything to its right.
//   B4  A leaf other than the root has an entry, a branch has a child.
//   B5  Between two calls nothing is pinned but what the caller holds (cursors, entries).
//
// On failure: whatever a call raises, the tree is as it was before the call.  An insertion acquires all
// pages that it will change before it writes to the first; what frees pages runs inside a savepoint.
// Should that savepoint fail to be rolled back, or giving back a new page fail, the registry's
// must_roll_back() says that the transaction can only be rolled back.  Corrupted found in the middle of
// a change leaves the transaction fit for nothing but rolling back.
//
// Used by the transaction's thread only.
#pragma once

#include <coffer/tree.hpp>

#include <array>
#include <optional>

#include "tree/large_value.hpp"
#include "tree/node_editor.hpp"
#include "tree/search.hpp"
#include "tree/tree_context.hpp"
#include "txn/pages.hpp"

namespace coffer::tree {

/// The way from the root to a leaf: which page stands on each level and which of its cells was taken.
class Path {
 public:
  struct Step {
    PageId page;
    std::uint32_t index = 0;
  };
  [[nodiscard]] Step& at(std::size_t level) { return steps_[level]; }
  [[nodiscard]] const Step& at(std::size_t level) const { return steps_[level]; }
  [[nodiscard]] std::size_t root_level() const { return root_level_; }
  void set_root_level(std::size_t level) { root_level_ = level; }
  /// How many steps to a neighbouring leaf, in one direction, have led here.
  [[nodiscard]] std::uint32_t steps_in_a_row() const { return steps_in_a_row_; }
  void note_step(bool forward) {
    steps_in_a_row_ = forward == stepped_forward_ ? steps_in_a_row_ + 1 : 1;
    stepped_forward_ = forward;
  }

 private:
  std::array<Step, kLevelsMax> steps_;
  std::size_t root_level_ = 0;
  std::uint32_t steps_in_a_row_ = 0;
  bool stepped_forward_ = true;
};

enum class PutMode {
  set,     ///< replaces
  insert,  ///< only where nothing is
  append,  ///< only behind the last entry
};

class BTree {
 public:
  /// An entry's value in its leaf.
  struct Entry {
    txn::PagePin leaf;
    Bytes value;
    bool large = false;
  };

  BTree(TreeContext context, PageId root, TreeOptions options);
  /// A new tree's root.
  [[nodiscard]] static PageId create_root(txn::PageSink& sink);

  [[nodiscard]] const TreeContext& context() const { return context_; }
  [[nodiscard]] txn::PageSource& source() const { return *context_.source; }
  [[nodiscard]] const TreeOptions& options() const { return options_; }
  [[nodiscard]] bool pairs() const { return options_.multi_value; }
  [[nodiscard]] PageId root() const { return root_; }
  [[nodiscard]] std::size_t content_bytes() const { return content_bytes_; }
  [[nodiscard]] std::size_t key_bytes_max() const { return node_key_bytes_max(content_bytes_); }
  /// The longest value that stays in the leaf under a key of that length.
  [[nodiscard]] std::size_t inline_value_bytes_max(std::size_t key_bytes) const;
  /// InvalidArgument when no entry can have that key.
  void require_key(Bytes key) const;
  /// InvalidArgument when the tree can have no such entry.
  void require_entry(Bytes key, Bytes value) const;
  /// Whether an entry's value stands in its leaf.
  [[nodiscard]] bool in_leaf(Bytes key, Bytes value) const {
    return pairs() || value.size() <= inline_value_bytes_max(key.size());
  }
  /// InvalidArgument in a transaction that only reads.
  void require_writable() const { static_cast<void>(sink()); }
  [[nodiscard]] LargeValueDescriptor descriptor(const LeafCell& cell, PageId page) const;

  // --- reading (btree_read.cpp)

  /// The first entry of `key`.
  [[nodiscard]] std::optional<Entry> find(Bytes key) const;
  /// True when the pair is there (multi-value trees).
  [[nodiscard]] bool contains_pair(Bytes key, Bytes value) const;
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] bool empty() const;

  /// Pins one of the tree's pages; Corrupted when it is not on that level.
  [[nodiscard]] txn::PagePin pin_at(PageId id, std::size_t level) const;
  /// Pins the leaf to which the target belongs.
  [[nodiscard]] txn::PagePin descend(const Target& target, Path& path) const;
  [[nodiscard]] txn::PagePin descend_first(Path& path) const;
  [[nodiscard]] txn::PagePin descend_last(Path& path) const;
  /// The next leaf; an empty pin, and the path as it was, behind the last.
  [[nodiscard]] txn::PagePin next_leaf(Path& path) const;
  [[nodiscard]] txn::PagePin previous_leaf(Path& path) const;
  /// Steps to neighbouring leaves that make a scan, whose next leaves are worth opening ahead: fewer take less time than
  /// it takes to begin with that.
  static constexpr std::uint32_t kStepsOfScan = 32;

  // --- changing (btree_insert.cpp, btree_erase.cpp)

  /// False when the mode forbids it (or the pair is there already) and nothing changed.
  bool put(Bytes key, Bytes value, PutMode mode);
  /// Puts a leaf behind the last one: a page with entries that lie behind the tree's, or whatever the empty root's first
  /// child is to hold.  `separator` lies between the two leaves and is not looked at for the first.  The page need not
  /// have been written yet.
  void append_leaf(PageId leaf, const Separator& separator);
  /// Puts a large value, whose pages and chunks become the tree's.
  void put_large(Bytes key, const LargeValueDescriptor& value);
  /// Removes the entries from `from` on as long as `stop` does not hold; returns how many.
  struct Until {
    Bytes from_key_on{};              ///< stop at this key, when not empty
    std::optional<Bytes> only_key{};  ///< stop behind this key
    Bytes prefix{};                   ///< stop behind the keys that begin so
    [[nodiscard]] bool reached(Bytes key) const;
  };
  std::uint64_t erase_run(const Target& from, const Until& until);
  /// Removes one entry; false when it is not there.
  bool erase_one(const Target& target);
  /// Removes entry `index` of the leaf at the path's end, where it must be.  True when pages were merged
  /// or freed, after which the path leads nowhere.
  bool erase_at(const Path& path, std::size_t index);
  /// True when erase_at might do that.
  [[nodiscard]] bool erase_may_merge(const Path& path, const NodeView& leaf,
                                     std::size_t index) const;
  /// Frees all pages and large values, the root too.
  void free_all();

 private:
  struct Spot;
  struct SplitLevel;
  class NewPages;

  [[nodiscard]] txn::PageSink& sink() const;
  [[nodiscard]] txn::PagePin edge_leaf(Path& path, txn::PagePin pin, bool last) const;
  [[nodiscard]] txn::PagePin sibling_leaf(Path& path, bool forward) const;
  void name_ahead(const NodeView& parent, const Path& path, bool forward) const;

  /// Puts an entry at the end of the leaf that the last append ended in, when nothing has changed since and there
  /// is room; false otherwise, also when the entry belongs elsewhere.
  [[nodiscard]] bool append_again(Bytes key, Bytes value);

  [[nodiscard]] Spot locate(Bytes key, Bytes value) const;
  [[nodiscard]] bool admits(const Spot& spot, PutMode mode) const;
  /// Both return the leaf that they put the entry into, or where it split its right half: an append's is the last leaf.
  PageId place(const Spot& spot, const CellDraft& draft);
  /// Into the path's node on `level`, and above it where nodes split.
  PageId insert_cell(const Path& path, std::size_t level, std::size_t index, bool replaces,
                     const CellDraft& draft);
  [[nodiscard]] SplitLevel plan_split(txn::MutablePage page, const Path& path, std::size_t index,
                                      bool replaces, const CellDraft& draft, NewPages& new_pages);
  void apply_split(SplitLevel& split);

  bool erase_cells(const Path& path, std::size_t first, std::size_t last, bool guarded);
  void free_large_values(const NodeView& leaf, std::size_t first, std::size_t last);
  void remove_child(const Path& path, std::size_t level);
  void rebalance(const Path& path, std::size_t level);
  [[nodiscard]] std::optional<std::size_t> mergeable_sibling(const Path& path, std::size_t level,
                                                             std::size_t removed) const;
  void merge_with_sibling(const Path& path, std::size_t level);
  void merge(const Path& path, std::size_t level, std::size_t left_index);
  void collapse_root();
  void free_below(PageId id, std::size_t level);

  TreeContext context_;
  PageId root_;
  TreeOptions options_;
  std::size_t content_bytes_;

  /// The tree's last leaf, as long as the source's change_count() is this.
  PageId last_leaf_ = kNoPage;
  std::uint64_t last_leaf_at_ = 0;
};

}  // namespace coffer::tree
