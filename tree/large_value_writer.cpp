// Writing: chunks as they fill, and the index grown at its right edge.
//
// The index is complete after every chunk, so that whatever happens next, the sealed length and the
// root say all that has to be given back.  A chunk that opens new index pages makes them first,
// bottom up, and links them last, with the one call that can still fail before its write.
#include <algorithm>
#include <coffer/error.hpp>
#include <cstring>

#include "tree/large_value.hpp"
#include "tree/large_value_index.hpp"
#include "tree/page_types.hpp"

namespace coffer::tree {

LargeValueWriter::LargeValueWriter(txn::PageSink& sink, std::shared_ptr<StreamRegistry> registry)
    : OpenStream(std::move(registry)), sink_(&sink), geometry_(sink) {}

LargeValueWriter::~LargeValueWriter() {
  if (phase_ == Phase::open || phase_ == Phase::undone) abandon();
}

void LargeValueWriter::require_open() const {
  switch (phase_) {
    case Phase::open:
      return;
    case Phase::released:
      throw InvalidArgument("this value writer has finished: begin a new one");
    case Phase::undone:
      throw InvalidArgument(
          "rolling back to a savepoint undid part of this value: write it again from the "
          "beginning");
    case Phase::ended:
      throw InvalidArgument("the transaction of this value writer has ended");
  }
}

void LargeValueWriter::write(std::span<const std::byte> bytes) {
  require_open();
  if (finished_) throw InvalidArgument("this value has been sealed: nothing can be added to it");
  while (!bytes.empty()) {
    if (!buffer_) buffer_ = sink_->chunk_buffer();
    // A full buffer is sealed only when more follows: a value of one chunk may yet go into its
    // page.
    if (buffered_ == geometry_.chunk_bytes()) seal_buffered();
    const std::size_t piece = std::min(bytes.size(), geometry_.chunk_bytes() - buffered_);
    std::memcpy(buffer_.bytes().data() + buffered_, bytes.data(), piece);
    buffered_ += piece;
    bytes = bytes.subspan(piece);
  }
}

std::optional<std::span<const std::byte>> LargeValueWriter::unsealed() const {
  require_open();
  if (written_.length != 0) return std::nullopt;
  if (buffered_ == 0) return std::span<const std::byte>();
  return buffer_.bytes().first(buffered_);
}

LargeValueDescriptor LargeValueWriter::finish() {
  require_open();
  if (buffered_ != 0) seal_buffered();
  finished_ = true;
  buffer_.reset();
  return describe();
}

void LargeValueWriter::release() noexcept {
  if (phase_ != Phase::open) return;
  phase_ = Phase::released;
  buffer_.reset();
}

LargeValueDescriptor LargeValueWriter::describe() const {
  LargeValueDescriptor value;
  value.length = written_.length;
  value.value_id = value_id_.value_or(0);
  value.born = sink_->commit_number();
  if (written_.root != kNoPage) {
    value.root = written_.root;
  } else {
    value.inline_chunks = inline_chunks_;
  }
  return value;
}

// --- sealing

void LargeValueWriter::seal_buffered() {
  if (!value_id_) value_id_ = sink_->new_value_id();
  const std::uint64_t index = geometry_.chunk_count(written_.length);
  const txn::ChunkRef ref = sink_->write_chunk(*value_id_, index, buffer_.bytes().first(buffered_));
  Ensures(ref.sealed_bytes == buffered_);
  try {
    append(ref);
  } catch (...) {
    give_back(ref);
    throw;
  }
  written_.length += buffered_;
  buffered_ = 0;
}

void LargeValueWriter::append(const txn::ChunkRef& ref) {
  const std::uint64_t chunks = geometry_.chunk_count(written_.length);
  if (chunks < kLargeInlineChunksMax) {
    inline_chunks_[chunks] = ref;
  } else if (chunks == kLargeInlineChunksMax) {
    begin_index(ref);
  } else {
    append_to_index(chunks, ref);
  }
}

namespace {

// Writes entry `slot`, the page's new last one.
void put_entry(txn::MutablePage& page, std::size_t content_bytes, unsigned level,
               std::uint64_t slot, std::span<const std::byte> entry) {
  const std::size_t offset = kIndexEntriesOffset + slot * entry.size();
  std::memcpy(page.write(offset, entry.size()).data(), entry.data(), entry.size());
  txn::PageHeader header = page.header();
  header.type = level == 0 ? kPageTypeChunkIndexLeaf : kPageTypeChunkIndexInner;
  header.level = static_cast<std::uint8_t>(level);
  header.count = static_cast<std::uint16_t>(slot + 1);
  header.gap_begin = static_cast<std::uint16_t>(offset + entry.size());
  header.gap_end = static_cast<std::uint16_t>(content_bytes);
  page.set_header(header);
}

std::array<std::byte, kIndexLeafEntryBytes> entry_of(const txn::ChunkRef& ref) {
  std::array<std::byte, kIndexLeafEntryBytes> entry;
  txn::encode_chunk_ref(ref, entry);
  return entry;
}

std::array<std::byte, kIndexInnerEntryBytes> entry_of(PageId page) {
  std::array<std::byte, kIndexInnerEntryBytes> entry;
  std::memcpy(entry.data(), &page.value, entry.size());
  return entry;
}

}  // namespace

void LargeValueWriter::begin_index(const txn::ChunkRef& third) {
  const std::size_t content = sink_->content_bytes();
  spine_.reserve(1);
  txn::MutablePage leaf = sink_->allocate();
  put_entry(leaf, content, 0, 0, entry_of(inline_chunks_[0]));
  put_entry(leaf, content, 0, 1, entry_of(inline_chunks_[1]));
  put_entry(leaf, content, 0, 2, entry_of(third));
  spine_.push_back(leaf.id());
  written_.root = leaf.id();
}

void LargeValueWriter::append_to_index(std::uint64_t chunks, const txn::ChunkRef& ref) {
  unsigned full_levels = 0;
  while (full_levels < spine_.size() && chunks % geometry_.chunks_below(full_levels) == 0) {
    ++full_levels;
  }
  if (full_levels != 0) {
    grow_index(chunks, full_levels, ref);
    return;
  }
  txn::MutablePage leaf = sink_->modify(spine_[0]);
  put_entry(leaf, sink_->content_bytes(), 0, chunks % geometry_.fanout(0), entry_of(ref));
}

void LargeValueWriter::grow_index(std::uint64_t chunks, unsigned full_levels,
                                  const txn::ChunkRef& ref) {
  const std::size_t content = sink_->content_bytes();
  std::vector<PageId> created;
  created.reserve(full_levels + 1);
  spine_.reserve(full_levels + 1);
  try {
    for (unsigned level = 0; level < full_levels; ++level) {
      txn::MutablePage page = sink_->allocate();
      created.push_back(page.id());
      if (level == 0) {
        put_entry(page, content, level, 0, entry_of(ref));
      } else {
        put_entry(page, content, level, 0, entry_of(created[level - 1]));
      }
    }
    const PageId top = created.back();
    if (full_levels == spine_.size()) {
      txn::MutablePage root = sink_->allocate();
      created.push_back(root.id());
      put_entry(root, content, full_levels, 0, entry_of(written_.root));
      put_entry(root, content, full_levels, 1, entry_of(top));
    } else {
      txn::MutablePage parent = sink_->modify(spine_[full_levels]);
      const std::uint64_t slot =
          chunks / geometry_.chunks_below(full_levels - 1) % geometry_.fanout(full_levels);
      put_entry(parent, content, full_levels, slot, entry_of(top));
    }
  } catch (...) {
    for (const PageId page : created) give_back(page);
    throw;
  }
  if (created.size() > spine_.size()) {
    spine_ = std::move(created);
    written_.root = spine_.back();
  } else {
    std::ranges::copy(created, spine_.begin());
  }
}

// --- giving back

void LargeValueWriter::note_leak() noexcept {
  if (registry() != nullptr) registry()->note_leak();
}

void LargeValueWriter::give_back(const txn::ChunkRef& ref) noexcept {
  try {
    sink_->free_chunk(ref, sink_->commit_number());
  } catch (...) {
    note_leak();
  }
}

void LargeValueWriter::give_back(PageId page) noexcept {
  try {
    sink_->free(page);
  } catch (...) {
    note_leak();
  }
}

void LargeValueWriter::abandon() noexcept {
  buffer_.reset();
  if (written_.length == 0) return;
  // Goes on after a failure, so that as little as possible stays behind.
  struct GiveBack final : LargeValueVisitor {
    explicit GiveBack(LargeValueWriter& owner) : writer(owner) {}
    void index_page(PageId id, unsigned) override { writer.give_back(id); }
    void chunk(std::uint64_t, const txn::ChunkRef& ref) override { writer.give_back(ref); }
    LargeValueWriter& writer;
  } visitor(*this);
  try {
    visit_large_value(*sink_, describe(), visitor);
  } catch (...) {
    note_leak();
  }
  written_ = {};
}

// --- what the transaction tells

void LargeValueWriter::savepoint_made(txn::SavepointId id) {
  if (phase_ == Phase::open || phase_ == Phase::undone) marks_.push_back({id, written_, size()});
}

void LargeValueWriter::rolled_back_to(txn::SavepointId id) noexcept {
  if (phase_ != Phase::open && phase_ != Phase::undone) return;
  if (younger_than(id)) {
    written_ = {};
    phase_ = Phase::undone;
  } else {
    const auto mark =
        std::ranges::find_if(marks_, [id](const Mark& m) { return m.savepoint == id; });
    Expects(mark != marks_.end());
    if (mark->size != size() || mark->written != written_) phase_ = Phase::undone;
    written_ = mark->written;
    marks_.erase(mark + 1, marks_.end());
  }
  if (phase_ == Phase::undone) {
    buffered_ = 0;
    buffer_.reset();
  }
}

void LargeValueWriter::transaction_ended(Ending ending) noexcept {
  if (ending == Ending::commit && (phase_ == Phase::open || phase_ == Phase::undone)) abandon();
  buffer_.reset();
  phase_ = Phase::ended;
}

}  // namespace coffer::tree
