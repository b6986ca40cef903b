// A leaf in memory that is no transaction's page yet, filled in the order of its entries.
#pragma once

#include <coffer/bytes.hpp>

#include <span>

#include "platform/contracts.hpp"
#include "tree/node_editor.hpp"
#include "tree/search.hpp"

namespace coffer::tree {

class LeafFiller {
 public:
  explicit LeafFiller(std::span<std::byte> page) : page_(page) {}

  void clear() { set_shape(0, page_.size()); }
  /// False when there is no room.  Contract: the entry lies behind the last.
  [[nodiscard]] bool append(const CellDraft& draft, bool pairs) {
    const NodeView leaf = view();
    const std::size_t bytes = draft.bytes();
    if (leaf.gap_end() - leaf.gap_begin() < bytes + kLeafCellPointerBytes) return false;
    if (leaf.count() != 0) {
      const LeafCell last = leaf.leaf_cell(leaf.count() - 1);
      Expects(compare_entry(last.key, last.value, {draft.key, draft.value}, pairs) < 0);
    }
    const std::size_t at = leaf.gap_end() - bytes;
    store_cell_pointer(page_.data() + leaf.gap_begin(), 0, at, draft.hash());
    draft.write(page_.subspan(at, bytes));
    set_shape(leaf.count() + 1, at);
    return true;
  }
  [[nodiscard]] NodeView view() const { return {kNoPage, page_}; }

 private:
  void set_shape(std::size_t count, std::size_t gap_end) {
    const txn::PageHeader header = node_header({0, count, gap_end, 0});
    std::memcpy(page_.data(), &header, sizeof header);
    store(page_.data() + kFragmentedOffset, std::uint32_t{0});
  }

  std::span<std::byte> page_;
};

}  // namespace coffer::tree
