// See image_copier.hpp.
#include "backup/image_copier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <iterator>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "tree/large_value.hpp"
#include "tree/node.hpp"

namespace coffer::backup {
namespace {

constexpr std::size_t kNodeBlockBytes = 64 << 10;

}  // namespace

ChangedSlots::ChangedSlots(txn::StoreImage& image, std::uint64_t checkpoint,
                           std::size_t remembered_bytes_max)
    : checkpoint_(checkpoint), remembered_bytes_max_(remembered_bytes_max) {
  Expects(checkpoint != 0);
  image.walk({.page =
                  [this](PageId id, const pager::SlotRef& ref) {
                    remember({.is_node = false, .page = id, .ref = ref}, {});
                  },
              .node =
                  [this](const pager::NodePlace&, const pager::SlotRef& ref,
                         std::span<const std::byte> slot) {
                    remember({.is_node = true, .page = {}, .ref = ref}, slot);
                  },
              .used_slot = {}},
             checkpoint);
}

void ChangedSlots::remember(const Slot& slot, std::span<const std::byte> node) {
  ++count_;
  if (!all_remembered_) return;
  if ((slots_.size() + 1) * sizeof(Slot) + node_bytes_ + node.size() > remembered_bytes_max_) {
    all_remembered_ = false;
    std::vector<Slot>().swap(slots_);
    node_blocks_.clear();
    return;
  }
  slots_.push_back(slot);
  if (node.empty()) return;
  // Blocks, since a vector that grows to megabytes copies them, into memory that the system has to clear first.
  if (node_blocks_.empty() ||
      node_blocks_.back().size() + node.size() > node_blocks_.back().capacity()) {
    node_blocks_.emplace_back().reserve(std::max(kNodeBlockBytes, node.size()));
  }
  node_blocks_.back().insert(node_blocks_.back().end(), node.begin(), node.end());
  node_bytes_ += node.size();
}

ImageCopier::ImageCopier(txn::StoreImage& image, SlotSink& sink, Pace& pace,
                         platform::LockedHeap& heap)
    : image_(image),
      sink_(sink),
      pace_(pace),
      frame_(heap.allocate(pager::content_bytes(image.page_bytes()))),
      second_frame_(heap.allocate(pager::content_bytes(image.page_bytes()))),
      chunk_(heap.allocate(pager::chunk_bytes(image.page_bytes()))),
      slot_(image.page_bytes()) {}

void ImageCopier::took() {
  sink_.took(runs_);
  std::uint64_t count = 0;
  for (const pager::SlotRun& run : runs_) count += run.count;
  runs_.clear();
  slots_ += count;
  pace_.count_pages(count);
  pace_.advance(count * image_.page_bytes());
}

void ImageCopier::copy_as_it_lies() {
  const auto words = image_.slots().words();
  const std::uint32_t run_max = room_slots(image_.page_bytes());
  std::uint64_t begin = 0;  // of the run that ends before `slot`
  std::uint32_t count = 0;
  const auto copy_run = [&] {
    while (count != 0) {
      const pager::SlotRun run{SlotId(begin), std::min(count, run_max)};
      image_.read_slots(run, sink_.room(run.count));
      runs_.push_back(run);
      took();
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
  walk(0);
  if (slots_ == image_.slots().count()) return;
  throw Corrupted(fmt::format(
      "the store's free map marks {} slots and {} are referred to; run coffer check, and restore "
      "from an earlier backup",
      image_.slots().count(), slots_));
}

void ImageCopier::copy_since(const ChangedSlots& changed, CommitNumber commit) {
  values_after_ = commit;
  if (!changed.all_remembered_) return walk(changed.checkpoint_);
  auto block = changed.node_blocks_.begin();
  std::size_t at = 0;
  for (const ChangedSlots::Slot& slot : changed.slots_) {
    if (slot.is_node) {
      if (at == block->size()) {
        ++block;
        at = 0;
      }
      node(slot.ref.slot, std::span(*block).subspan(at, image_.page_bytes()));
      at += image_.page_bytes();
    } else {
      page(slot.page, slot.ref);
    }
  }
  copy_pages();
}

void ImageCopier::page(PageId id, const pager::SlotRef& ref) {
  pages_.push_back({.page = id, .ref = ref});
  if (pages_.size() == room_slots(image_.page_bytes())) copy_pages();
}

void ImageCopier::walk(std::uint64_t born_after) {
  image_.walk({.page = [this](PageId id, const pager::SlotRef& ref) { page(id, ref); },
               .node = [this](const pager::NodePlace&, const pager::SlotRef& ref,
                              std::span<const std::byte> slot) { node(ref.slot, slot); },
               .used_slot = {}},
              born_after);
  copy_pages();
}

void ImageCopier::node(SlotId slot, std::span<const std::byte> bytes) {
  std::ranges::copy(bytes, sink_.room(1).begin());
  runs_.push_back({slot, 1});
  took();
}

/// Reads the slots of the pages into the room, neighbours at once.
void ImageCopier::read_runs(std::span<std::byte> room) {
  for (const PageToCopy& page : pages_) {
    if (!runs_.empty() && runs_.back().first.next(runs_.back().count) == page.ref.slot) {
      ++runs_.back().count;
    } else {
      runs_.push_back({page.ref.slot, 1});
    }
  }
  for (const pager::SlotRun& run : runs_) {
    const std::size_t bytes = std::size_t{run.count} * image_.page_bytes();
    image_.read_slots(run, room.first(bytes));
    room = room.subspan(bytes);
  }
}

/// The pages in the room, on two threads.
void ImageCopier::verify(std::span<const std::byte> room) {
  const std::size_t size = image_.page_bytes();
  std::atomic<std::size_t> next{0};
  second_.help_with([&](bool is_second) {
    const auto frame = (is_second ? second_frame_ : frame_).bytes();
    for (std::size_t i = next++; i < pages_.size(); i = next++) {
      PageToCopy& page = pages_[i];
      image_.open_page(page.page, page.ref, room.subspan(i * size, size), frame);
      page.has_large_values = tree::has_large_values(page.page, frame);
    }
  });
}

void ImageCopier::copy_pages() {
  if (pages_.empty()) return;
  const auto room = sink_.room(static_cast<std::uint32_t>(pages_.size()));
  read_runs(room);
  verify(room);
  took();
  std::ranges::copy_if(pages_, std::back_inserter(with_values_),
                       [](const PageToCopy& page) { return page.has_large_values; });
  pages_.clear();
  for (const PageToCopy& page : with_values_) large_values(page);
  with_values_.clear();
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

void ImageCopier::large_values(const PageToCopy& page) {
  // Opened once more: its plaintext was not kept.
  image_.read_slots({page.ref.slot, 1}, slot_);
  image_.open_page(page.page, page.ref, slot_, frame_.bytes());
  const tree::NodeView leaf(page.page, frame_.bytes());
  for (std::size_t i = 0; i < leaf.count(); ++i) {
    const tree::LeafCell cell = leaf.leaf_cell(i);
    if (!cell.large) continue;
    txn::ImageView view(image_);
    const tree::LargeValueDescriptor value =
        tree::decode_large_value(tree::LargeValueGeometry(view), cell.value, page.page);
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
  runs_.push_back(run);
  took();
}

}  // namespace coffer::backup
