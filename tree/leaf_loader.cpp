// See leaf_loader.hpp.
#include "tree/leaf_loader.hpp"

#include <coffer/error.hpp>

#include <algorithm>
#include <utility>

#include "platform/contracts.hpp"
#include "tree/leaf_filler.hpp"

namespace coffer::tree {

namespace {

constexpr std::size_t kBatches = 4;
constexpr std::size_t kBatchBytes = 32 << 10;
constexpr std::size_t kHeapSlackBytes = 4 << 10;

}  // namespace

LeafLoader::LeafLoader(platform::Memory& memory, platform::LockPolicy policy,
                       std::size_t content_bytes)
    : content_bytes_(content_bytes),
      batch_bytes_(std::max(kBatchBytes / content_bytes, std::size_t{1}) * content_bytes),
      heap_(memory,
            kBatches * batch_bytes_ + 2 * node_key_bytes_max(content_bytes) + kHeapSlackBytes,
            policy, "leaves to be written"),
      separator_(heap_.allocate(2 * node_key_bytes_max(content_bytes))),
      batches_([this] {
        std::vector<Batch> batches(kBatches);
        for (Batch& batch : batches) batch.pages = heap_.allocate(batch_bytes_);
        return batches;
      }()) {}

void LeafLoader::resume(BTree tree, txn::WriteView& view) {
  Expects(!writer_);
  if (!tree_) {
    Expects(tree.empty());
    has_leaves_ = false;
    separator_bytes_ = separator_key_bytes_ = 0;
    LeafFiller(leaf()).clear();
  }
  tree_.emplace(std::move(tree));
  view_ = &view;
  writer_ = view.batch_writer();
  here_writer_ = view.batch_writer();
}

std::span<std::byte> LeafLoader::leaf() {
  Batch& batch = batches_.current();
  return batch.pages.bytes().subspan(batch.ids.size() * content_bytes_, content_bytes_);
}

void LeafLoader::append(Bytes key, Bytes value) {
  tree_->require_entry(key, value);
  if (tree_->in_leaf(key, value)) return add(CellDraft::for_leaf(key, value, false));
  LargeValueWriter writer(*view_, tree_->context().registry);
  writer.write(value);
  append_large(key, writer.finish());
  writer.release();
}

void LeafLoader::append_large(Bytes key, const LargeValueDescriptor& value) {
  tree_->require_key(key);
  std::array<std::byte, kLargeDescriptorBytesMax> cell{};
  const std::size_t bytes = encode_large_value(LargeValueGeometry(*view_), value, cell);
  add(CellDraft::for_leaf(key, Bytes(cell.data(), bytes), true));
}

void LeafLoader::add(const CellDraft& draft) {
  if (LeafFiller(leaf()).append(draft, tree_->pairs())) return;
  end_leaf();
  keep_separator(draft);
  if (batches_.current().ids.size() * content_bytes_ == batch_bytes_) hand_over();
  LeafFiller next(leaf());
  next.clear();
  const bool fits = next.append(draft, tree_->pairs());
  Ensures(fits);
}

/// The leaf is whole, and goes into the tree.
void LeafLoader::end_leaf() {
  const PageId id = view_->new_page_number();
  batches_.current().ids.push_back(id);
  const std::span<const std::byte> separator = separator_.bytes();
  tree_->append_leaf(
      id, {separator.first(separator_key_bytes_),
           separator.subspan(separator_key_bytes_, separator_bytes_ - separator_key_bytes_)});
  has_leaves_ = true;
}

/// Between the last leaf and the entry that did not fit it.
void LeafLoader::keep_separator(const CellDraft& next) {
  Batch& batch = batches_.current();
  const NodeView last = LeafFiller(batch.pages.bytes().subspan(
                                       (batch.ids.size() - 1) * content_bytes_, content_bytes_))
                            .view();
  const Separator separator = separate(last.leaf_cell(last.count() - 1),
                                       {next.key, next.value, next.large}, tree_->pairs());
  const auto end = std::ranges::copy(separator.key, separator_.bytes().begin()).out;
  std::ranges::copy(separator.value, end);
  separator_key_bytes_ = separator.key.size();
  separator_bytes_ = separator.bytes();
}

void LeafLoader::write(txn::BatchWriter& writer, Batch& batch) {
  writer.write(batch.ids, batch.pages.bytes());
  batch.ids.clear();
}

/// Gives the whole leaves to the thread, or writes them when it has enough to do.
void LeafLoader::hand_over() {
  batches_.hand_over_or([writer = writer_.get()](Batch& batch) { write(*writer, batch); },
                        [writer = here_writer_.get()](Batch& batch) { write(*writer, batch); });
}

/// The transaction gets what was written.
void LeafLoader::let_go() {
  batches_.finish();
  for (auto* const writer : {&writer_, &here_writer_}) {
    view_->add(**writer);
    writer->reset();
  }
  view_ = nullptr;
}

void LeafLoader::suspend() {
  if (!batches_.current().ids.empty()) {
    // What is written are whole leaves; the one behind them that is being filled goes to the beginning of the current
    // batch, which may still be the same.
    const std::span<const std::byte> filled = leaf();
    hand_over();
    std::ranges::copy(filled, leaf().begin());
  }
  let_go();
}

void LeafLoader::finish() {
  const NodeView last = LeafFiller(leaf()).view();
  if (has_leaves_) {
    end_leaf();
  } else if (last.count() != 0) {
    txn::MutablePage root = view_->modify(tree_->root());
    NodeEditor(root).copy_from(last, leaf());
  }
  if (!batches_.current().ids.empty()) hand_over();
  let_go();
  tree_.reset();
}

}  // namespace coffer::tree
