// The inside of the public Cursor.
#pragma once

#include "tree/btree_cursor.hpp"

namespace coffer {

struct Cursor::State {
  explicit State(const tree::BTree& tree) : cursor(tree) {}
  tree::BTreeCursor cursor;
};

}  // namespace coffer
