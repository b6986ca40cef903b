#include "tests/support/fake_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace coffer::testing {

namespace {

txn::PageHeader header_of(const std::byte* bytes) {
  txn::PageHeader header;
  std::memcpy(&header, bytes, sizeof header);
  return header;
}

bool gap_is_possible(const txn::PageHeader& header, std::size_t content_bytes) {
  return header.gap_begin >= txn::kPageHeaderBytes && header.gap_begin <= header.gap_end &&
         header.gap_end <= content_bytes;
}

}  // namespace

// Chunk buffers count their pins apart from pages.
class FakePages::Buffers final : public txn::PinOwner {
 public:
  explicit Buffers(FakePages& pages) : pages_(pages) {}
  void unpin(std::uint32_t index) noexcept override { pages_.buffers_.erase(index); }

 private:
  FakePages& pages_;
};

FakePages::FakePages(FakePagesOptions options)
    : options_(options),
      random_(options.seed),
      buffer_owner_(std::make_unique<Buffers>(*this)),
      layers_(1) {
  Expects(options.content_bytes > txn::kPageHeaderBytes && options.content_bytes <= 65535);
}

FakePages::~FakePages() = default;

// --- faults

void FakePages::about_to(const char* call) {
  ++calls_;
  if (hook_) hook_(call);
  if (fail_at_ != 0 && (calls_ == fail_at_ || (fail_later_ && calls_ > fail_at_))) {
    throw InjectedFault(fmt::format("call {} ({}) was made to fail", calls_, call));
  }
}

void FakePages::fail_call(std::uint64_t nth, bool and_later) {
  calls_ = 0;
  fail_at_ = nth;
  fail_later_ = and_later;
}

// --- pages

FakePages::Frame& FakePages::frame_of(PageId id, const char* call) {
  const auto found = pages_.find(id.value);
  if (found == pages_.end()) {
    throw Corrupted(fmt::format("{}: page {} is not in use", call, id.value));
  }
  return *frames_.at(found->second);
}

txn::PagePin FakePages::pin_frame(std::uint32_t index, const char* call) {
  if (pins_ >= options_.pins_max) {
    throw MemoryLockError(fmt::format("{}: all {} frames are pinned", call, options_.pins_max),
                          {options_.content_bytes, pins_ * options_.content_bytes, 0, 0, 0});
  }
  Frame& frame = *frames_.at(index);
  ++frame.pins;
  ++pins_;
  pins_peak_ = std::max(pins_peak_, pins_);
  return txn::PagePin(*this, index, frame.id, {frame.bytes.get(), options_.content_bytes});
}

void FakePages::unpin(std::uint32_t index) noexcept {
  Frame& frame = *frames_.at(index);
  --frame.pins;
  --pins_;
  if (frame.pins != 0) return;
  if (!frame.current) {
    frames_.erase(index);
  } else if (options_.scribble) {
    reread(frame);
  }
}

void FakePages::reread(Frame& frame) noexcept {
  auto moved = std::make_unique<std::byte[]>(options_.content_bytes);
  std::memcpy(moved.get(), frame.bytes.get(), options_.content_bytes);
  frame.bytes = std::move(moved);
  scribble_gap(frame.bytes.get());
}

void FakePages::scribble_gap(std::byte* bytes) noexcept {
  const txn::PageHeader header = header_of(bytes);
  if (!gap_is_possible(header, options_.content_bytes)) return;  // commit complains
  for (std::size_t i = header.gap_begin; i < header.gap_end; ++i) {
    bytes[i] = static_cast<std::byte>(random_());
  }
}

std::uint32_t FakePages::new_frame(PageId id) {
  const std::uint32_t index = next_frame_++;
  auto frame = std::make_unique<Frame>();
  frame->id = id;
  frame->bytes = std::make_unique<std::byte[]>(options_.content_bytes);
  frame->current = true;
  frames_.emplace(index, std::move(frame));
  pages_[id.value] = index;
  return index;
}

void FakePages::drop_current(PageId id) {
  const auto found = pages_.find(id.value);
  if (found == pages_.end()) return;
  Frame& frame = *frames_.at(found->second);
  frame.current = false;
  if (frame.pins == 0) frames_.erase(found->second);
  pages_.erase(found);
}

txn::PagePin FakePages::pin(PageId id) {
  about_to("pin");
  static_cast<void>(frame_of(id, "pin"));
  return pin_frame(pages_.at(id.value), "pin");
}

txn::MutablePage FakePages::modify(PageId id) {
  about_to("modify");
  Frame& before = frame_of(id, "modify");
  if (pins_ >= options_.pins_max) static_cast<void>(pin_frame(pages_.at(id.value), "modify"));
  save(id);
  if (before.pins != 0) {
    before.current = false;
    const std::uint32_t index = new_frame(id);
    Frame& copy = *frames_.at(index);
    std::memcpy(copy.bytes.get(), before.bytes.get(), options_.content_bytes);
    copy.dirty = before.dirty;
    copy.fresh = before.fresh;
  }
  ++change_count_;
  const std::uint32_t index = pages_.at(id.value);
  Frame& frame = *frames_.at(index);
  return {pin_frame(index, "modify"), {frame.bytes.get(), options_.content_bytes}, &frame.dirty};
}

txn::MutablePage FakePages::allocate() {
  about_to("allocate");
  const PageId id(next_page_);
  if (pins_ >= options_.pins_max) {
    throw MemoryLockError(fmt::format("allocate: all {} frames are pinned", options_.pins_max),
                          {options_.content_bytes, pins_ * options_.content_bytes, 0, 0, 0});
  }
  ++next_page_;  // Numbers are never used again: a stale one is noticed.
  save(id);
  const std::uint32_t index = new_frame(id);
  Frame& frame = *frames_.at(index);
  frame.fresh = true;
  txn::PageHeader header{};
  header.gap_begin = txn::kPageHeaderBytes;
  header.gap_end = static_cast<std::uint16_t>(options_.content_bytes);
  std::memcpy(frame.bytes.get(), &header, sizeof header);
  ++change_count_;
  return {pin_frame(index, "allocate"), {frame.bytes.get(), options_.content_bytes}, &frame.dirty};
}

void FakePages::free(PageId id) {
  about_to("free");
  static_cast<void>(frame_of(id, "free"));
  save(id);
  drop_current(id);
  ++change_count_;
}

void FakePages::set_catalog_root(PageId id) {
  about_to("set_catalog_root");
  catalog_root_ = id;
  ++change_count_;
}

// --- chunks

txn::ChunkBuffer FakePages::chunk_buffer() {
  about_to("chunk_buffer");
  if (buffers_.size() >= options_.chunk_buffers_max) {
    throw MemoryLockError(
        fmt::format("all {} chunk buffers are in use", options_.chunk_buffers_max),
        {options_.chunk_bytes, buffers_.size() * options_.chunk_bytes, 0, 0, 0});
  }
  const std::uint32_t index = next_buffer_++;
  std::vector<std::byte>& bytes = buffers_[index];
  bytes.resize(options_.chunk_bytes);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random_());
  buffers_peak_ = std::max(buffers_peak_, buffers_.size());
  return txn::ChunkBuffer(*buffer_owner_, index, bytes);
}

void FakePages::require_chunk_memory(std::span<const std::byte> bytes, const char* call) const {
  const bool inside = std::ranges::any_of(buffers_, [&](const auto& buffer) {
    const std::byte* begin = buffer.second.data();
    return bytes.data() >= begin && bytes.data() + bytes.size() <= begin + buffer.second.size();
  });
  if (!inside) throw ContractViolation(fmt::format("{}: memory outside every chunk buffer", call));
}

const FakePages::Chunk& FakePages::chunk_of(const txn::ChunkRef& ref, const char* call) const {
  const auto found = chunks_.find(ref.first_slot.value);
  if (found == chunks_.end() || !live_chunks_.contains(ref.first_slot.value)) {
    throw Corrupted(fmt::format("{}: no chunk at slot {}", call, ref.first_slot.value));
  }
  const Chunk& chunk = found->second;
  if (chunk.tag != ref.tag || chunk.bytes.size() != ref.sealed_bytes || ref.epoch != Epoch(1)) {
    throw Corrupted(
        fmt::format("{}: chunk at slot {} does not fit its reference", call, ref.first_slot.value));
  }
  return chunk;
}

void FakePages::read_chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref,
                           std::span<std::byte> out) {
  about_to("read_chunk");
  if (out.size() != ref.sealed_bytes) throw ContractViolation("read_chunk: size of out");
  require_chunk_memory(out, "read_chunk");
  const Chunk& chunk = chunk_of(ref, "read_chunk");
  if (chunk.value_id != value_id || chunk.index != index) {
    throw Corrupted(fmt::format("read_chunk: chunk at slot {} is another value's or place's",
                                ref.first_slot.value));
  }
  std::ranges::copy(chunk.bytes, out.begin());
}

platform::LockedHeap& FakePages::heap() {
  if (!heap_) {
    heap_ = std::make_unique<platform::LockedHeap>(platform::native_platform().memory(), 1 << 20,
                                                   platform::LockPolicy::proceed_unlocked, "tests");
  }
  return *heap_;
}

std::uint64_t FakePages::new_value_id() {
  about_to("new_value_id");
  return next_value_id_++;
}

txn::ChunkRef FakePages::write_chunk(std::uint64_t value_id, std::uint64_t index,
                                     std::span<const std::byte> plaintext) {
  about_to("write_chunk");
  if (plaintext.empty() || plaintext.size() > options_.chunk_bytes) {
    throw ContractViolation("write_chunk: length");
  }
  require_chunk_memory(plaintext, "write_chunk");
  if (value_id == 0 || value_id >= next_value_id_) {
    throw ContractViolation("write_chunk: no such value id");
  }
  Chunk chunk;
  chunk.value_id = value_id;
  chunk.index = index;
  chunk.born = commit_number();
  for (std::byte& b : chunk.tag) b = static_cast<std::byte>(random_());
  chunk.bytes.assign(plaintext.begin(), plaintext.end());
  txn::ChunkRef ref;
  ref.first_slot = SlotId(next_slot_);
  ref.sealed_bytes = static_cast<std::uint32_t>(plaintext.size());
  ref.epoch = Epoch(1);
  ref.tag = chunk.tag;
  next_slot_ += 17;  // a run of 16 slots, and a hole
  layers_.back().chunks.push_back({ref.first_slot.value, true});
  chunks_.emplace(ref.first_slot.value, std::move(chunk));
  live_chunks_.insert(ref.first_slot.value);
  ++change_count_;
  return ref;
}

void FakePages::free_chunk(const txn::ChunkRef& ref, CommitNumber born) {
  about_to("free_chunk");
  const Chunk& chunk = chunk_of(ref, "free_chunk");
  if (chunk.born != born) {
    // A tree's mistake, or a damaged descriptor: the engine could not tell them apart either.
    throw Corrupted(
        fmt::format("free_chunk: born {}, but {} was given", chunk.born.value, born.value));
  }
  layers_.back().chunks.push_back({ref.first_slot.value, false});
  live_chunks_.erase(ref.first_slot.value);
  ++change_count_;
}

// --- undo

void FakePages::save(PageId id) {
  auto& saved = layers_.back().pages;
  if (saved.contains(id.value)) return;
  const auto found = pages_.find(id.value);
  if (found == pages_.end()) {
    saved.emplace(id.value, std::nullopt);
    return;
  }
  const Frame& frame = *frames_.at(found->second);
  SavedPage page;
  page.bytes.assign(frame.bytes.get(), frame.bytes.get() + options_.content_bytes);
  page.dirty = frame.dirty;
  page.fresh = frame.fresh;
  saved.emplace(id.value, std::move(page));
}

void FakePages::put_back(std::uint64_t id, const std::optional<SavedPage>& saved) {
  drop_current(PageId(id));
  if (!saved) return;
  Frame& frame = *frames_.at(new_frame(PageId(id)));
  std::ranges::copy(saved->bytes, frame.bytes.get());
  frame.dirty = saved->dirty;
  frame.fresh = saved->fresh;
  if (options_.scribble) scribble_gap(frame.bytes.get());
}

void FakePages::undo(Layer& layer) {
  for (const auto& [id, saved] : layer.pages) put_back(id, saved);
  for (auto change = layer.chunks.rbegin(); change != layer.chunks.rend(); ++change) {
    if (change->added) {
      live_chunks_.erase(change->slot);
      chunks_.erase(change->slot);
    } else {
      live_chunks_.insert(change->slot);
    }
  }
  catalog_root_ = layer.catalog_root;
  layer.pages.clear();
  layer.chunks.clear();
  ++change_count_;
}

std::size_t FakePages::layer_index(txn::SavepointId id) const {
  for (std::size_t i = 1; i < layers_.size(); ++i) {
    if (layers_[i].id == id) return i;
  }
  throw ContractViolation("no such savepoint");
}

txn::SavepointId FakePages::savepoint() {
  about_to("savepoint");
  Layer layer;
  layer.id = txn::SavepointId{next_savepoint_++};
  layer.catalog_root = catalog_root_;
  layers_.push_back(std::move(layer));
  return layers_.back().id;
}

void FakePages::rollback_to(txn::SavepointId id) {
  if (undo_may_fail_) about_to("rollback_to");
  const std::size_t index = layer_index(id);
  while (layers_.size() > index + 1) {
    undo(layers_.back());
    layers_.pop_back();
  }
  undo(layers_.back());
}

void FakePages::release(txn::SavepointId id) {
  if (undo_may_fail_) about_to("release");
  const std::size_t index = layer_index(id);
  while (layers_.size() > index) {
    Layer top = std::move(layers_.back());
    layers_.pop_back();
    Layer& below = layers_.back();
    for (auto& [page, saved] : top.pages) below.pages.try_emplace(page, std::move(saved));
    below.chunks.insert(below.chunks.end(), top.chunks.begin(), top.chunks.end());
  }
}

void FakePages::rollback() {
  while (layers_.size() > 1) {
    undo(layers_.back());
    layers_.pop_back();
  }
  undo(layers_.back());
}

// --- commit

void FakePages::check_page(const Frame& frame, const std::optional<SavedPage>& before) {
  const txn::PageHeader header = header_of(frame.bytes.get());
  if (!gap_is_possible(header, options_.content_bytes)) {
    throw ContractViolation(fmt::format("page {}: gap [{}, {}) cannot be", frame.id.value,
                                        header.gap_begin, header.gap_end));
  }
  if (header.type == 0) {
    throw ContractViolation(fmt::format("page {}: type 0", frame.id.value));
  }
  if (!options_.verify_dirty_blocks || frame.fresh || !before) return;
  std::vector<std::byte> replayed = before->bytes;
  scribble_gap(replayed.data());
  const std::size_t block = (options_.content_bytes + 63) / 64;
  for (std::size_t i = 0; i * block < options_.content_bytes; ++i) {
    if ((frame.dirty.mask >> i & 1) == 0) continue;
    const std::size_t length = std::min(block, options_.content_bytes - i * block);
    std::memcpy(replayed.data() + i * block, frame.bytes.get() + i * block, length);
  }
  for (std::size_t i = 0; i < options_.content_bytes; ++i) {
    if (i >= header.gap_begin && i < header.gap_end) continue;
    if (i >= offsetof(txn::PageHeader, version) && i < sizeof(txn::PageHeader)) continue;
    if (replayed[i] != frame.bytes[i]) {
      throw ContractViolation(
          fmt::format("page {} (type {}): byte {} changed, or came out of the "
                      "gap, without MutablePage::write",
                      frame.id.value, header.type, i));
    }
  }
}

void FakePages::commit() {
  while (layers_.size() > 1) release(layers_.back().id);
  for (const auto& [id, before] : layers_[0].pages) {
    if (pages_.contains(id)) check_page(*frames_.at(pages_.at(id)), before);
  }
  committed_ = committed_.next();
  for (const auto& [id, before] : layers_[0].pages) {
    const auto found = pages_.find(id);
    if (found == pages_.end()) continue;
    Frame& frame = *frames_.at(found->second);
    // Readers of the new version see a frame of their own: pinned bytes stay as they are.
    SavedPage page;
    page.bytes.assign(frame.bytes.get(), frame.bytes.get() + options_.content_bytes);
    std::memcpy(page.bytes.data() + offsetof(txn::PageHeader, version), &committed_.value, 8);
    put_back(id, page);
  }
  for (const ChunkChange& change : layers_[0].chunks) {
    if (!live_chunks_.contains(change.slot)) chunks_.erase(change.slot);
  }
  layers_[0] = Layer{};
  layers_[0].catalog_root = catalog_root_;
}

// --- what a test looks at

std::vector<PageId> FakePages::pages() const {
  std::vector<PageId> ids;
  for (const auto& page : pages_) ids.emplace_back(page.first);
  return ids;
}

FakePages::Image FakePages::image() const {
  Image image;
  for (const auto& [id, index] : pages_) {
    const std::byte* bytes = frames_.at(index)->bytes.get();
    const txn::PageHeader header = header_of(bytes);
    std::vector<std::byte> content(bytes, bytes + options_.content_bytes);
    std::fill_n(content.begin() + offsetof(txn::PageHeader, version), 8, std::byte{0});
    if (gap_is_possible(header, options_.content_bytes)) {
      std::fill(content.begin() + header.gap_begin, content.begin() + header.gap_end, std::byte{0});
    }
    image.pages.emplace(id, std::move(content));
  }
  image.chunks = live_chunks_;
  image.catalog_root = catalog_root_.value;
  return image;
}

void FakePages::damage_page(PageId id, std::size_t offset, std::byte value) {
  Expects(offset < options_.content_bytes);
  frame_of(id, "damage_page").bytes[offset] = value;
}

}  // namespace coffer::testing
