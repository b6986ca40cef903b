// See leaf_scan.hpp.
#include "backup/leaf_scan.hpp"

namespace coffer::backup {

LeafScan::LeafScan(txn::ReadView& view, platform::LockedHeap& heap)
    : content_bytes_(view.content_bytes()),
      reader_(view.batch_reader()),
      here_reader_(view.batch_reader()),
      batches_([&heap] {
        std::vector<Batch> batches(kLeafBatches);
        for (Batch& batch : batches) batch.pages = heap.allocate(kLeafBatchBytes);
        return batches;
      }()) {}

void LeafScan::each(const tree::BTree& tree, const Visit& visit) {
  {
    const txn::PagePin root = tree.source().pin(tree.root());
    const tree::NodeView node(root);
    if (node.is_leaf()) return visit(node);
    path_.set_root_level(node.level());
  }
  enter(tree, tree.root(), path_.root_level());
  listed_ = false;
  for (;;) {
    read_ahead(tree);
    const Batch* const batch =
        batches_.take([this](Batch& full) { here_reader_.read(full.ids, full.pages.bytes()); });
    if (batch == nullptr) return;
    look_at(*batch, visit);
    batches_.give_back();
  }
}

void LeafScan::read_ahead(const tree::BTree& tree) {
  while (!listed_) {
    Batch* const batch = batches_.free();
    if (batch == nullptr) return;
    list(tree, batch->ids);
    if (batch->ids.empty()) return;
    batches_.hand_over([this](Batch& full) { reader_.read(full.ids, full.pages.bytes()); });
  }
}

/// The next leaves' numbers.  They come from branches, which only the view's own thread may ask it for.
void LeafScan::list(const tree::BTree& tree, std::vector<PageId>& leaves) {
  leaves.clear();
  const std::size_t most = kLeafBatchBytes / content_bytes_;
  while (!listed_) {
    tree::Path::Step& step = path_.at(1);
    const txn::PagePin pin = tree.pin_at(step.page, 1);
    const tree::NodeView branch(pin);
    for (; step.index < branch.count() && leaves.size() < most; ++step.index) {
      leaves.push_back(branch.child(step.index));
    }
    if (step.index < branch.count()) return;
    listed_ = !next_branch(tree);
  }
}

bool LeafScan::next_branch(const tree::BTree& tree) {
  for (std::size_t level = 2; level <= path_.root_level(); ++level) {
    tree::Path::Step& step = path_.at(level);
    const txn::PagePin pin = tree.pin_at(step.page, level);
    const tree::NodeView branch(pin);
    if (step.index + 1 >= branch.count()) continue;
    ++step.index;
    enter(tree, branch.child(step.index), level - 1);
    return true;
  }
  return false;
}

/// The path leads to the first leaf below the branch.
void LeafScan::enter(const tree::BTree& tree, PageId branch, std::size_t level) {
  for (;; --level) {
    const txn::PagePin pin = tree.pin_at(branch, level);
    path_.at(level) = {branch, 0};
    if (level == 1) return;
    branch = tree::NodeView(pin).child(0);
  }
}

void LeafScan::look_at(const Batch& batch, const Visit& visit) const {
  for (std::size_t i = 0; i < batch.ids.size(); ++i) {
    const tree::NodeView leaf(batch.ids[i],
                              batch.pages.bytes().subspan(i * content_bytes_, content_bytes_));
    if (!leaf.is_leaf()) {
      tree::raise_damaged(leaf.id(), "it is not on the level it is named from");
    }
    visit(leaf);
  }
}

}  // namespace coffer::backup
