// The public Cursor over BTreeCursor.
#include "tree/public_cursor.hpp"

#include <coffer/error.hpp>

#include "tree/value_stream.hpp"

namespace coffer {

namespace {

// The entry that the cursor stands on now.
tree::LeafCell current(tree::BTreeCursor& cursor) {
  cursor.refresh();
  if (!cursor.valid()) throw InvalidArgument("the cursor stands on no entry; place it first");
  return cursor.cell();
}

}  // namespace

Cursor::Cursor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

bool Cursor::valid() const {
  state_->use().refresh();
  return state_->use().valid();
}

bool Cursor::first() {
  return state_->use().first();
}
bool Cursor::last() {
  return state_->use().last();
}
bool Cursor::seek(Bytes key) {
  return state_->use().seek({key});
}

bool Cursor::seek_exact(Bytes key) {
  return state_->use().seek_in_key({key});
}

bool Cursor::seek_last(Bytes key) {
  return state_->use().seek_before({.key = key, .after_values = true});
}

bool Cursor::seek_value(Bytes key, Bytes value) {
  if (!state_->use().tree().pairs()) {
    throw InvalidArgument("seek_value is for multi-value trees; use seek");
  }
  return state_->use().seek_in_key({key, value});
}

bool Cursor::next() {
  return state_->use().next();
}
bool Cursor::previous() {
  return state_->use().previous();
}

bool Cursor::next_key() {
  tree::BTreeCursor& cursor = state_->use();
  if (!cursor.tree().pairs()) return cursor.next();
  cursor.refresh();
  return cursor.valid() && cursor.seek({.key = cursor.cell().key, .after_values = true});
}

Bytes Cursor::key() const {
  return current(state_->use()).key;
}

Bytes Cursor::value() const {
  const tree::LeafCell cell = current(state_->use());
  if (cell.large) throw InvalidArgument("the value is a large one, which no page holds; use read");
  return cell.value;
}

std::uint64_t Cursor::value_size() const {
  const tree::LeafCell cell = current(state_->use());
  if (!cell.large) return cell.value.size();
  return state_->use().tree().descriptor(cell, state_->use().leaf_id()).length;
}

bool Cursor::value_is_large() const {
  return current(state_->use()).large;
}

ValueReader Cursor::read() const {
  const tree::BTreeCursor& cursor = state_->use();
  const tree::LeafCell cell = current(state_->use());
  const tree::BTree& tree = cursor.tree();
  if (cell.large) {
    return tree::make_large_reader(tree.source(), tree.descriptor(cell, cursor.leaf_id()),
                                   tree.context().registry);
  }
  tree::BTree::Entry entry = cursor.entry();
  return tree::make_inline_reader(std::move(entry.leaf), entry.value);
}

bool Cursor::erase() {
  return state_->use().erase();
}

}  // namespace coffer
