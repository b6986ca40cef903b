#include "tree/node.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

namespace coffer::tree {

void raise_damaged(PageId page, const char* what) {
  throw Corrupted(fmt::format("page {} of a tree is damaged: {}; restore the store from a backup",
                              page.value, what));
}

bool has_large_values(PageId id, std::span<const std::byte> page) {
  if (load<txn::PageHeader>(page.data()).type != kPageTypeLeaf) return false;
  const NodeView leaf(id, page);
  for (std::size_t i = 0; i < leaf.count(); ++i) {
    if (leaf.leaf_cell(i).large) return true;
  }
  return false;
}

}  // namespace coffer::tree
