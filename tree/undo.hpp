// A point to go back to inside one operation: everything since it was made is undone when it goes out
// of scope, unless `keep` was called.  Pages that can be changed are not held across its calls.
#pragma once

#include "tree/tree_context.hpp"

namespace coffer::tree {

class Undo {
 public:
  explicit Undo(const TreeContext& context)
      : context_(context), savepoint_(context.sink->savepoint()) {}
  /// Should undoing fail, the registry's must_roll_back() says so.
  ~Undo() {
    if (!open_) return;
    try {
      context_.sink->rollback_to(savepoint_);
      context_.sink->release(savepoint_);
    } catch (...) {
      if (context_.registry) context_.registry->note_leak();
    }
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void keep() {
    context_.sink->release(savepoint_);
    open_ = false;
  }

 private:
  const TreeContext& context_;
  txn::SavepointId savepoint_;
  bool open_ = true;
};

}  // namespace coffer::tree
