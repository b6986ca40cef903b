// Records to bytes and back (invariants R1 and R2 in records.hpp).
#include "journal/records.hpp"

#include <algorithm>

#include "crypto/seal_format.hpp"
#include "journal/record_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::journal {
namespace {

using format::RecordKind;

/// Puts fields one behind the other.  The destructor's contract finds a layout that its size
/// constant does not describe.
class FieldWriter {
 public:
  FieldWriter(std::span<std::byte> out, RecordKind kind) : rest_(out) {
    integer(static_cast<std::uint8_t>(kind));
  }
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;
  ~FieldWriter() { Ensures(rest_.empty()); }

  template <class Integer>
  void integer(Integer value) {
    Expects(rest_.size() >= sizeof value);
    crypto::seal_format::put_little_endian(rest_.data(), value);
    rest_ = rest_.subspan(sizeof value);
  }
  void bytes(std::span<const std::byte> bytes) {
    Expects(rest_.size() >= bytes.size());
    std::copy(bytes.begin(), bytes.end(), rest_.begin());
    rest_ = rest_.subspan(bytes.size());
  }
  /// A length and what it measures.
  void payload(std::span<const std::byte> payload) {
    integer(static_cast<std::uint32_t>(payload.size()));
    bytes(payload);
  }

 private:
  std::span<std::byte> rest_;
};

/// Takes fields one behind the other.  Past the end it gives zeros and remembers that it did.
class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> in) : rest_(in) {}

  template <class Integer>
  [[nodiscard]] Integer integer() {
    const auto field = bytes(sizeof(Integer));
    return field.empty() ? Integer{0}
                         : crypto::seal_format::get_little_endian<Integer>(field.data());
  }
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t count) {
    if (count > rest_.size()) {
      short_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  [[nodiscard]] std::span<const std::byte> payload() {
    const auto length = integer<std::uint32_t>();
    return length <= format::kPayloadBytesMax ? bytes(length) : bytes(rest_.size() + 1);
  }
  /// Goes to the end, over zeros only; false when there is something else.
  [[nodiscard]] bool skip_zeros() {
    const auto rest = bytes(rest_.size());
    return std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; });
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool ran_short() const { return short_; }

 private:
  std::span<const std::byte> rest_;
  bool short_ = false;
};

bool read_image(FieldReader& in, bool is_new, RecordVisitor& visitor) {
  PageImage record{.page = PageId{in.integer<std::uint64_t>()}, .is_new = is_new, .used = {}};
  record.used = in.payload();
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_delta(FieldReader& in, RecordVisitor& visitor) {
  PageDelta record;
  record.page = PageId{in.integer<std::uint64_t>()};
  record.base = CommitNumber{in.integer<std::uint64_t>()};
  record.mask = in.integer<std::uint64_t>();
  record.blocks = in.payload();
  // Whether mask and blocks agree is replay's to check: it knows the page size.
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_reference(FieldReader& in, bool is_new, RecordVisitor& visitor) {
  PageReference record;
  record.page = PageId{in.integer<std::uint64_t>()};
  record.is_new = is_new;
  record.slot = SlotId{in.integer<std::uint64_t>()};
  record.sealed_bytes = in.integer<std::uint32_t>();
  record.epoch = Epoch{in.integer<std::uint32_t>()};
  const auto tag = in.bytes(record.tag.size());
  if (in.ran_short()) return false;
  std::copy(tag.begin(), tag.end(), record.tag.begin());
  visitor.on(record);
  return true;
}

bool read_freed(FieldReader& in, RecordVisitor& visitor) {
  const PageFreed record{.page = PageId{in.integer<std::uint64_t>()}};
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_run_allocated(FieldReader& in, RecordVisitor& visitor) {
  RunAllocated record;
  record.first = SlotId{in.integer<std::uint64_t>()};
  record.slots = in.integer<std::uint32_t>();
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_run_freed(FieldReader& in, RecordVisitor& visitor) {
  RunFreed record;
  record.first = SlotId{in.integer<std::uint64_t>()};
  record.slots = in.integer<std::uint32_t>();
  record.born = CommitNumber{in.integer<std::uint64_t>()};
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_commit_state(FieldReader& in, RecordVisitor& visitor) {
  CommitState record;
  record.catalog_root = PageId{in.integer<std::uint64_t>()};
  record.next_value_id = in.integer<std::uint64_t>();
  if (in.ran_short()) return false;
  visitor.on(record);
  return true;
}

bool read_record(RecordKind kind, FieldReader& in, RecordVisitor& visitor) {
  switch (kind) {
    case RecordKind::padding:
      return in.skip_zeros();
    case RecordKind::new_page_image:
      return read_image(in, true, visitor);
    case RecordKind::page_image:
      return read_image(in, false, visitor);
    case RecordKind::page_delta:
      return read_delta(in, visitor);
    case RecordKind::new_page_reference:
      return read_reference(in, true, visitor);
    case RecordKind::page_reference:
      return read_reference(in, false, visitor);
    case RecordKind::page_freed:
      return read_freed(in, visitor);
    case RecordKind::run_allocated:
      return read_run_allocated(in, visitor);
    case RecordKind::run_freed:
      return read_run_freed(in, visitor);
    case RecordKind::commit_state:
      return read_commit_state(in, visitor);
  }
  return false;
}

}  // namespace

std::size_t record_payload_bytes_max() {
  return format::kPayloadBytesMax;
}

std::size_t record_bytes(std::size_t payload_bytes) {
  // The largest fixed part of any kind, so that the caller need not know which kind it will be.
  return format::kReferenceBytes + payload_bytes;
}

std::size_t encoded_bytes(const PageImage& record) {
  return format::kImageFixedBytes + record.used.size();
}
std::size_t encoded_bytes(const PageDelta& record) {
  return format::kDeltaFixedBytes + record.blocks.size();
}
std::size_t encoded_bytes(const PageReference&) {
  return format::kReferenceBytes;
}
std::size_t encoded_bytes(const PageFreed&) {
  return format::kFreedBytes;
}
std::size_t encoded_bytes(const RunAllocated&) {
  return format::kRunAllocatedBytes;
}
std::size_t encoded_bytes(const RunFreed&) {
  return format::kRunFreedBytes;
}
std::size_t encoded_bytes(const CommitState&) {
  return format::kCommitStateBytes;
}

void encode(std::span<std::byte> out, const PageImage& record) {
  FieldWriter to(out, record.is_new ? RecordKind::new_page_image : RecordKind::page_image);
  to.integer(record.page.value);
  to.payload(record.used);
}

void encode(std::span<std::byte> out, const PageDelta& record) {
  FieldWriter to(out, RecordKind::page_delta);
  to.integer(record.page.value);
  to.integer(record.base.value);
  to.integer(record.mask);
  to.payload(record.blocks);
}

void encode(std::span<std::byte> out, const PageReference& record) {
  FieldWriter to(out, record.is_new ? RecordKind::new_page_reference : RecordKind::page_reference);
  to.integer(record.page.value);
  to.integer(record.slot.value);
  to.integer(record.sealed_bytes);
  to.integer(record.epoch.value);
  to.bytes(record.tag);
}

void encode(std::span<std::byte> out, const PageFreed& record) {
  FieldWriter to(out, RecordKind::page_freed);
  to.integer(record.page.value);
}

void encode(std::span<std::byte> out, const RunAllocated& record) {
  FieldWriter to(out, RecordKind::run_allocated);
  to.integer(record.first.value);
  to.integer(record.slots);
}

void encode(std::span<std::byte> out, const RunFreed& record) {
  FieldWriter to(out, RecordKind::run_freed);
  to.integer(record.first.value);
  to.integer(record.slots);
  to.integer(record.born.value);
}

void encode(std::span<std::byte> out, const CommitState& record) {
  FieldWriter to(out, RecordKind::commit_state);
  to.integer(record.catalog_root.value);
  to.integer(record.next_value_id);
}

bool decode_records(std::span<const std::byte> body, bool last, RecordVisitor& visitor) {
  FieldReader in(body);
  if (body.empty() || static_cast<RecordKind>(body.front()) == RecordKind::padding) return false;
  bool ended = false;
  while (!in.at_end()) {
    const auto kind = static_cast<RecordKind>(in.integer<std::uint8_t>());
    // The commit state ends a transaction: no record follows it, and only a last fragment has it.
    if (ended && kind != RecordKind::padding) return false;
    if (kind == RecordKind::commit_state && !last) return false;
    if (!read_record(kind, in, visitor)) return false;
    ended = ended || kind == RecordKind::commit_state;
  }
  return ended == last;
}

}  // namespace coffer::journal
