// The records of the journal in memory: any body behind a tag that verifies, and bodies that consist of records.
//
// What is accepted is exactly what is written (R2 in journal/records.hpp): written again it gives the same bytes.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "journal/record_format.hpp"
#include "journal/records.hpp"
#include "txn/delta.hpp"

namespace coffer::fuzz {
namespace {

using RecordBody = std::vector<std::byte>;

/// Writes each record that it hears of.
class Rewriter final : public journal::RecordVisitor {
 public:
  using RecordVisitor::on;
  void on(const journal::PageImage& record) override { write(record); }
  void on(const journal::PageDelta& record) override {
    write(record);
    apply(record);
  }
  void on(const journal::PageReference& record) override { write(record); }
  void on(const journal::PageFreed& record) override { write(record); }
  void on(const journal::RunAllocated& record) override { write(record); }
  void on(const journal::RunFreed& record) override { write(record); }
  void on(const journal::CommitState& record) override { write(record); }

  [[nodiscard]] const RecordBody& written() const { return written_; }

 private:
  template <class Record>
  void write(const Record& record) {
    const std::size_t at = written_.size();
    written_.resize(at + journal::encoded_bytes(record));
    journal::encode(std::span(written_).subspan(at), record);
  }

  /// As recovery does: a change of the right length, put into a page and taken out again, is the same.
  static void apply(const journal::PageDelta& record) {
    constexpr std::size_t kContentBytes = 600;
    if (record.blocks.size() != txn::delta_bytes(record.mask, kContentBytes)) return;
    const std::vector<std::byte> blocks(record.blocks.begin(), record.blocks.end());
    std::vector<std::byte> page(kContentBytes);
    txn::scatter(record.mask, blocks, page);
    std::vector<std::byte> again(blocks.size());
    if (txn::gather(record.mask, page, again) != again.size() || again != blocks) std::abort();
  }

  RecordBody written_;
};

/// Accepted or not; then what was read before the first byte that is none of a record's.
bool read_body(const RecordBody& body, bool last, RecordBody& written) {
  Rewriter rewriter;
  const bool accepted = journal::decode_records(body, last, rewriter);
  written = rewriter.written();
  // The records came one behind the other, from the front.
  if (written.size() > body.size() || !std::equal(written.begin(), written.end(), body.begin()))
    std::abort();
  return accepted;
}

/// Records whose fields the input gives, as a writer would write them.
class RecordDrafts {
 public:
  explicit RecordDrafts(FuzzedDataProvider& input) : input_(input) {}

  RecordBody draft(bool last) {
    const int count = input_.ConsumeIntegralInRange<int>(last ? 0 : 1, 6);
    for (int i = 0; i < count; ++i) one();
    if (last) {
      add(journal::CommitState{.catalog_root = PageId{number()}, .next_value_id = number()});
    }
    body_.resize(body_.size() + input_.ConsumeIntegralInRange<std::size_t>(0, 40));
    return std::move(body_);
  }

 private:
  [[nodiscard]] std::uint64_t number() { return input_.ConsumeIntegral<std::uint64_t>(); }
  [[nodiscard]] std::uint32_t count() { return input_.ConsumeIntegral<std::uint32_t>(); }

  void one() {
    switch (input_.ConsumeIntegralInRange<int>(0, 5)) {
      case 0: {
        const RecordBody used =
            input_.ConsumeBytes<std::byte>(input_.ConsumeIntegralInRange<std::size_t>(0, 300));
        return add(journal::PageImage{
            .page = PageId{number()}, .is_new = input_.ConsumeBool(), .used = used});
      }
      case 1: {
        const RecordBody blocks =
            input_.ConsumeBytes<std::byte>(input_.ConsumeIntegralInRange<std::size_t>(0, 300));
        return add(journal::PageDelta{.page = PageId{number()},
                                      .base = CommitNumber{number()},
                                      .mask = number(),
                                      .blocks = blocks});
      }
      case 2:
        return add(journal::PageReference{.page = PageId{number()},
                                          .is_new = input_.ConsumeBool(),
                                          .slot = SlotId{number()},
                                          .sealed_bytes = count(),
                                          .epoch = Epoch{count()},
                                          .tag = {}});
      case 3:
        return add(journal::PageFreed{.page = PageId{number()}});
      case 4:
        return add(journal::RunAllocated{.first = SlotId{number()}, .slots = count()});
      default:
        return add(journal::RunFreed{
            .first = SlotId{number()}, .slots = count(), .born = CommitNumber{number()}});
    }
  }
  template <class Record>
  void add(const Record& record) {
    const std::size_t at = body_.size();
    body_.resize(at + journal::encoded_bytes(record));
    journal::encode(std::span(body_).subspan(at), record);
  }

  FuzzedDataProvider& input_;
  RecordBody body_;
};

void any_body(FuzzedDataProvider& input, bool last) {
  const RecordBody body = input.ConsumeRemainingBytes<std::byte>();
  RecordBody written;
  if (!read_body(body, last, written)) return;
  // Behind the records there is nothing but zeros.
  if (!std::all_of(body.begin() + static_cast<std::ptrdiff_t>(written.size()), body.end(),
                   [](std::byte b) { return b == std::byte{0}; })) {
    std::abort();
  }
  // It ends a transaction or does not, and is no other's body.
  RecordBody again;
  if (read_body(body, !last, again)) std::abort();
}

void drafted_body(FuzzedDataProvider& input, bool last) {
  RecordBody body = RecordDrafts(input).draft(last);
  RecordBody written;
  if (!read_body(body, last, written)) std::abort();
  // And cut or altered anywhere.
  if (input.ConsumeBool()) body.resize(input.ConsumeIntegralInRange<std::size_t>(0, body.size()));
  while (input.remaining_bytes() > 2 && !body.empty()) {
    const auto at = input.ConsumeIntegral<std::uint16_t>() % body.size();
    body[at] ^= static_cast<std::byte>(input.ConsumeIntegral<std::uint8_t>());
  }
  static_cast<void>(read_body(body, last, written));
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::fuzz;
  if (size == 0) return 0;
  FuzzedDataProvider input(data, size);
  const auto how = input.ConsumeIntegral<std::uint8_t>();
  const bool last = (how & 1) != 0;
  if ((how & 2) != 0) {
    drafted_body(input, last);
  } else {
    any_body(input, last);
  }
  return 0;
}
