// The inside of the public Cursor.
#pragma once

#include "tree/btree_cursor.hpp"
#include "tree/fork_guard.hpp"

namespace coffer {

struct Cursor::State {
  explicit State(const tree::BTree& tree) : cursor(tree) {}
  tree::BTreeCursor& use() {
    guard.check();
    return cursor;
  }
  tree::BTreeCursor cursor;
  tree::ForkGuard guard;
};

}  // namespace coffer
