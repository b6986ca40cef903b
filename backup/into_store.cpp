// See into_store.hpp.
#include "backup/into_store.hpp"

#include <algorithm>

#include "platform/contracts.hpp"
#include "tree/catalog.hpp"
#include "tree/store_state.hpp"
#include "tree/value_stream.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::backup {
namespace {

constexpr std::uint64_t kBatchBytes = 128 << 20;
constexpr std::uint64_t kTableCacheBytes = 8 << 20;
/// What an entry that goes counts for: it is changes to pages that a transaction has to keep.
constexpr std::uint64_t kErasedBytes = 64;

/// A value behind what is being loaded.  Its key outlives it.
class LoaderPlacer final : public tree::ValuePlacer {
 public:
  LoaderPlacer(tree::LeafLoader& loader, Bytes key) : loader_(loader), key_(key) {}
  [[nodiscard]] std::size_t inline_bytes_max() const override {
    return loader_.tree().inline_value_bytes_max(key_.size());
  }
  void place_inline(std::span<const std::byte> value) override { loader_.append(key_, value); }
  void place_large(const tree::LargeValueDescriptor& value) override {
    loader_.append_large(key_, value);
  }

 private:
  tree::LeafLoader& loader_;
  Bytes key_;
};

}  // namespace

using format::BoundKind;

IntoStore::IntoStore(platform::Platform& platform, const platform::Path& path,
                     const RestoreOptions& options, platform::LockedHeap& heap)
    : platform_(platform),
      path_(path),
      options_(options),
      place_key_{heap.allocate(format::kKeyBytesMax)},
      place_value_{heap.allocate(format::kKeyBytesMax)} {}

void IntoStore::begin(const BackupReport& report, bool increment) {
  Expects(increment == store_.has_value());
  if (!increment) create(report.page_size);
  begin_batch();
  if (!loader_) {
    loader_.emplace(store_->state().engine->platform().memory(),
                    txn::lock_policy_of(options_.store.memory_locking), view().content_bytes());
  }
  before_ = writing_->trees();
  next_before_ = 0;
}

void IntoStore::create(std::uint32_t page_bytes) {
  Options options = options_.store;
  options.read_only = false;
  options.anchor.reset();
  // Nobody sees the store before it is whole and closed, which makes all of it durable.
  options.durability = Durability::relaxed;
  // Entries come in order: what was in the table before is not asked for again.
  options.table_cache_bytes_max = std::min(options.table_cache_bytes_max, kTableCacheBytes);
  const CreateOptions create{.page_size = options_.page_size.value_or(page_bytes)};
  store_.emplace(Store::State::create(platform_, path_, options_.new_key, create, options));
}

void IntoStore::begin_batch() {
  writing_.emplace(store_->write());
  batch_bytes_ = 0;
}

void IntoStore::done_with(std::uint64_t bytes) {
  batch_bytes_ += bytes;
  if (batch_bytes_ >= kBatchBytes) next_batch();
}

void IntoStore::next_batch() {
  const bool merging = cursor_.has_value();
  cursor_.reset();
  tree_.reset();
  if (loading()) loader_->suspend();
  writing_->commit();
  writing_.reset();
  begin_batch();
  if (loading()) {
    loader_->resume(*tree::find_in_catalog(writing_->state().context(), name_), view());
  } else {
    tree_.emplace(writing_->tree(name_));
  }
  if (merging) find_place();
}

txn::WriteView& IntoStore::view() const {
  return *writing_->state().view;
}

void IntoStore::end_tree() {
  tree_.reset();
  if (loading()) loader_->finish();
}

/// Those of the former trees that come before `name`, or all that are left; none of them is in the increment.
void IntoStore::drop_before(const std::string* name) {
  for (; next_before_ < before_.size(); ++next_before_) {
    const std::string& other = before_[next_before_].name;
    if (name != nullptr && compare(Bytes(other), Bytes(*name)) >= 0) return;
    writing_->drop_tree(other);
  }
}

void IntoStore::tree(const std::string& name, const TreeOptions& options) {
  end_tree();
  drop_before(&name);
  name_ = name;
  if (next_before_ < before_.size() && before_[next_before_].name == name) {
    const TreeInfo& former = before_[next_before_++];
    if (former.multi_value == options.multi_value && former.integer_keys == options.integer_keys) {
      tree_.emplace(writing_->tree(name));
      return;
    }
    writing_->drop_tree(name);
  }
  loader_->resume(tree::create_in_catalog(writing_->state().context(), name, options), view());
}

void IntoStore::end() {
  end_tree();
  drop_before(nullptr);
  writing_->commit();
  writing_.reset();
}

void IntoStore::close() {
  store_->close();
  store_.reset();
}

void IntoStore::begin_range(const RangeBound& low) {
  if (loading()) return;
  place_ = low.kind;
  place_key_.copy(low.key);
  place_value_.copy(low.value);
  find_place();
}

void IntoStore::end_range(const RangeBound& high) {
  if (loading()) return;
  erase_before(high);
  cursor_.reset();
}

void IntoStore::stand_behind(Bytes key, Bytes value) {
  place_ = BoundKind::behind;
  place_key_.copy(key);
  place_value_.copy(tree_->options().multi_value ? value : Bytes());
}

/// Puts a cursor on the first entry that is not before the place.
void IntoStore::find_place() {
  Cursor& cursor = cursor_.emplace(tree_->cursor());
  const Bytes key = place_key_.bytes();
  if (place_ == BoundKind::open) {
    cursor.first();
    return;
  }
  const bool behind = place_ == BoundKind::behind;
  if (!tree_->options().multi_value) {
    if (cursor.seek(key) && behind && equal(cursor.key(), key)) cursor.next();
    return;
  }
  const Bytes value = place_value_.bytes();
  if (cursor.seek_value(key, value)) {
    if (behind && equal(cursor.value(), value)) cursor.next();
  } else if (cursor.seek(key) && equal(cursor.key(), key)) {
    // All of the key's values are before the place.
    cursor.next_key();
  }
}

int IntoStore::order_of_cursor(Bytes key, Bytes value) const {
  const int order = compare(cursor_->key(), key);
  return order != 0 || !tree_->options().multi_value ? order : compare(cursor_->value(), value);
}

void IntoStore::erase_before(const RangeBound& bound) {
  while (cursor_->valid() &&
         (bound.kind == BoundKind::open || order_of_cursor(bound.key, bound.value) < 0)) {
    cursor_->erase();
    done_with(kErasedBytes);
  }
}

void IntoStore::entry(Bytes key, Bytes value) {
  if (loading()) {
    loader_->append(key, value);
    return done_with(key.size() + value.size());
  }
  erase_before({.kind = BoundKind::at, .key = key, .value = value});
  if (cursor_->valid() && order_of_cursor(key, value) == 0) {
    const bool same = tree_->options().multi_value ||
                      (!cursor_->value_is_large() && equal(cursor_->value(), value));
    if (!same) tree_->put(key, value);
    cursor_->next();
  } else {
    tree_->put(key, value);
  }
  stand_behind(key, value);
  done_with(key.size() + value.size());
}

void IntoStore::begin_value(Bytes key, std::uint64_t) {
  if (loading()) {
    value_.emplace(tree::make_value_writer(view(), writing_->state().registry,
                                           std::make_unique<LoaderPlacer>(*loader_, key)));
    return;
  }
  erase_before({.kind = BoundKind::at, .key = key, .value = {}});
  replaces_ = cursor_->valid() && order_of_cursor(key, {}) == 0;
  stand_behind(key, {});
  value_.emplace(tree_->write(key));
}

void IntoStore::value_piece(Bytes bytes) {
  value_->write(bytes);
  batch_bytes_ += bytes.size();
}

void IntoStore::end_value() {
  value_->finish();
  value_.reset();
  if (!loading() && replaces_) cursor_->next();
  done_with(0);
}

}  // namespace coffer::backup
