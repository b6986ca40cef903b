// See image_copier.hpp.
#include "backup/image_copier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "tree/large_value.hpp"
#include "tree/node.hpp"
#include "tree/page_types.hpp"

namespace coffer::backup {
namespace {}  // namespace

ImageCopier::ImageCopier(txn::StoreImage& image, SlotSink& sink, Pace& pace,
                         platform::LockedHeap& heap)
    : image_(image),
      sink_(sink),
      pace_(pace),
      frame_(heap.allocate(pager::content_bytes(image.page_bytes()))),
      chunk_(heap.allocate(pager::chunk_bytes(image.page_bytes()))) {}

void ImageCopier::took(pager::SlotRun run) {
  sink_.took(run);
  slots_ += run.count;
  pace_.count_pages(run.count);
  pace_.advance(std::uint64_t{run.count} * image_.page_bytes());
}

void ImageCopier::copy_as_it_lies() {
  const auto words = image_.slots().words();
  const std::uint32_t run_max = pager::chunk_slots(image_.page_bytes());
  std::uint64_t begin = 0;  // of the run that ends before `slot`
  std::uint32_t count = 0;
  const auto copy_run = [&] {
    while (count != 0) {
      const pager::SlotRun run{SlotId(begin), std::min(count, run_max)};
      image_.read_slots(run, sink_.room(run.count));
      took(run);
      begin += run.count;
      count -= run.count;
    }
  };
  for (std::uint64_t w = 0; w < words.size(); ++w) {
    for (std::uint64_t rest = words[w]; rest != 0;) {
      const auto from = static_cast<unsigned>(std::countr_zero(rest));
      const auto here = static_cast<unsigned>(std::countr_one(rest >> from));
      const std::uint64_t slot = w * 64 + from;
      if (count >= run_max || begin + count != slot) copy_run();
      if (count == 0) begin = slot;
      count += here;
      rest = from + here == 64 ? 0 : rest & (~std::uint64_t{0} << (from + here));
    }
  }
  copy_run();
}

void ImageCopier::copy_verified() {
  walk(0, {});
  if (slots_ == image_.slots().count()) return;
  throw Corrupted(fmt::format(
      "the store's free map marks {} slots and {} are referred to; run coffer check, and restore "
      "from an earlier backup",
      image_.slots().count(), slots_));
}

void ImageCopier::copy_since(std::uint64_t checkpoint, CommitNumber commit) {
  Expects(checkpoint != 0);
  walk(checkpoint, commit);
}

void ImageCopier::walk(std::uint64_t born_after, CommitNumber values_after) {
  values_after_ = values_after;
  image_.walk({.page = [this](PageId id, const pager::SlotRef& ref) { page(id, ref); },
               .node = [this](const pager::NodePlace& place,
                              const pager::SlotRef& ref) { node(place, ref); },
               .used_slot = {}},
              born_after);
}

void ImageCopier::node(const pager::NodePlace& place, const pager::SlotRef& ref) {
  const pager::SlotRun run{ref.slot, 1};
  const auto slot = sink_.room(1);
  image_.read_slots(run, slot);
  // The walk has verified a copy of its own, which is not the one that is kept (C2).
  image_.verify_node(place, ref, slot, frame_.bytes());
  took(run);
}

void ImageCopier::page(PageId page, const pager::SlotRef& ref) {
  const pager::SlotRun run{ref.slot, 1};
  const auto slot = sink_.room(1);
  image_.read_slots(run, slot);
  image_.open_page(page, ref, slot, frame_.bytes());
  took(run);
  pager::PageHeader header;
  std::memcpy(&header, frame_.bytes().data(), sizeof header);
  if (header.type == tree::kPageTypeLeaf) large_values(page);
}

class ImageCopier::Chunks final : public tree::LargeValueVisitor {
 public:
  Chunks(ImageCopier& copier, std::uint64_t value_id) : copier_(copier), value_id_(value_id) {}
  void index_page(PageId, unsigned) override {}  // a page like others
  void chunk(std::uint64_t index, const txn::ChunkRef& ref) override {
    copier_.chunk(value_id_, index, ref);
  }

 private:
  ImageCopier& copier_;
  std::uint64_t value_id_;
};

void ImageCopier::large_values(PageId page) {
  const tree::NodeView leaf(page, frame_.bytes());
  for (std::size_t i = 0; i < leaf.count(); ++i) {
    const tree::LeafCell cell = leaf.leaf_cell(i);
    if (!cell.large) continue;
    txn::ImageView view(image_);
    const tree::LargeValueDescriptor value =
        tree::decode_large_value(tree::LargeValueGeometry(view), cell.value, page);
    // A large value is written once: one that the parent has stands where it stood.
    if (value.born <= values_after_) continue;
    Chunks chunks(*this, value.value_id);
    tree::visit_large_value(view, value, chunks);
  }
}

void ImageCopier::chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref) {
  const pager::SlotRun run = image_.run_of(value_id, index, ref);
  const auto slots = sink_.room(run.count);
  image_.read_slots(run, slots);
  image_.open_chunk(value_id, index, ref, slots, chunk_.bytes());
  took(run);
}

}  // namespace coffer::backup
