// A transaction in ordinary memory, for tests of what stands on txn/pages.hpp.  It keeps that
// header's contract and is as unkind as the contract allows:
//
//   - when a page's last pin goes, its bytes move (AddressSanitizer then sees who looks at them still)
//     and its gap is filled with garbage, as if the page had been sealed and opened again;
//   - modify() of a pinned page, also one held by another MutablePage, works on a copy;
//   - commit() replays each page's changed blocks over its last committed version, whose gap is garbage:
//     a byte that went past MutablePage::write shows up as ContractViolation;
//   - pins and chunk buffers are counted and limited (MemoryLockError);
//   - freed and unknown pages and chunks raise Corrupted; freeing a chunk with the wrong commit number is
//     ContractViolation.
//
// Plaintext lies in ordinary memory here: for tests only.
#pragma once

#include <coffer/error.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "txn/pages.hpp"

namespace coffer::testing {

/// The code under test broke a rule of txn/pages.hpp.
class ContractViolation : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// What the fault hook raises when a test asks for the Nth call to fail.
class InjectedFault : public Error {
 public:
  using Error::Error;
};

struct FakePagesOptions {
  std::size_t content_bytes = 4072;
  std::size_t chunk_bytes = 4096;
  std::size_t pins_max = 64;          ///< at one time
  std::size_t chunk_buffers_max = 4;  ///< at one time
  bool scribble = true;  ///< garbage in the gap, and bytes that move, after the last unpin
  bool verify_dirty_blocks = true;  ///< at commit
  std::uint64_t seed = 1;
};

class FakePages final : public txn::PageSink, private txn::PinOwner {
 public:
  explicit FakePages(FakePagesOptions options = {});
  ~FakePages() override;

  // --- txn::PageSource and txn::PageSink

  [[nodiscard]] std::size_t content_bytes() const override { return options_.content_bytes; }
  [[nodiscard]] txn::PagePin pin(PageId id) override;
  void let_go(PageId id) noexcept override { ++times_let_go_[id.value]; }
  [[nodiscard]] bool wants_ahead() const noexcept override { return true; }
  void read_ahead(std::span<const PageId> pages) noexcept override {
    named_ahead_.assign(pages.begin(), pages.end());
  }
  [[nodiscard]] PageId catalog_root() const override { return catalog_root_; }
  [[nodiscard]] std::size_t chunk_bytes() const override { return options_.chunk_bytes; }
  [[nodiscard]] txn::ChunkBuffer chunk_buffer() override;
  void read_chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref,
                  std::span<std::byte> out) override;
  [[nodiscard]] platform::LockedHeap& heap() override;
  [[nodiscard]] std::uint64_t change_count() const override { return change_count_; }

  [[nodiscard]] CommitNumber commit_number() const override { return committed_.next(); }
  [[nodiscard]] txn::MutablePage modify(PageId id) override;
  [[nodiscard]] txn::MutablePage allocate() override;
  void free(PageId id) override;
  void set_catalog_root(PageId id) override;
  [[nodiscard]] std::uint64_t new_value_id() override;
  [[nodiscard]] txn::ChunkRef write_chunk(std::uint64_t value_id, std::uint64_t index,
                                          std::span<const std::byte> plaintext) override;
  void free_chunk(const txn::ChunkRef& ref, CommitNumber born) override;
  [[nodiscard]] txn::SavepointId savepoint() override;
  void rollback_to(txn::SavepointId id) override;
  void release(txn::SavepointId id) override;

  // --- what a transaction's owner does

  /// Checks the changes, keeps them, and begins the next transaction.
  void commit();
  /// Undoes everything since the last commit.
  void rollback();

  // --- what a test looks at

  [[nodiscard]] std::size_t page_count() const { return pages_.size(); }
  [[nodiscard]] std::vector<PageId> pages() const;
  [[nodiscard]] std::size_t chunk_count() const { return live_chunks_.size(); }
  /// Slots of the chunks that are referenced from this state.
  [[nodiscard]] const std::set<std::uint64_t>& live_chunks() const { return live_chunks_; }
  [[nodiscard]] std::size_t pins() const { return pins_; }
  [[nodiscard]] std::size_t pins_peak() const { return pins_peak_; }
  void reset_peak() { pins_peak_ = pins_; }
  /// How often each page was let go of.
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& times_let_go() const {
    return times_let_go_;
  }
  /// What was named to be read ahead, since it was asked last.
  [[nodiscard]] std::vector<PageId> take_named_ahead() { return std::exchange(named_ahead_, {}); }
  [[nodiscard]] std::size_t chunk_buffers() const { return buffers_.size(); }
  [[nodiscard]] std::size_t chunk_buffers_peak() const { return buffers_peak_; }

  /// All that counts of the state: pages without their gaps and versions, live chunks, the catalog.
  struct Image {
    std::map<std::uint64_t, std::vector<std::byte>> pages;
    std::set<std::uint64_t> chunks;
    std::uint64_t catalog_root = 0;
    friend bool operator==(const Image&, const Image&) = default;
  };
  [[nodiscard]] Image image() const;

  // --- what a test does to it

  /// Changes a committed page's byte behind everybody's back.
  void damage_page(PageId id, std::size_t offset, std::byte value);

  /// Called before every call that may fail, with its name; what it throws is the call's failure.
  /// rollback_to and release do not fail unless `undo_may_fail`.
  void on_call(std::function<void(const char* call)> hook) { hook_ = std::move(hook); }
  /// The `nth` call from now (1: the next) raises InjectedFault; with `and_later` all that follow
  /// too.
  void fail_call(std::uint64_t nth, bool and_later = false);
  void stop_failing() { fail_at_ = 0; }
  void set_undo_may_fail(bool value) { undo_may_fail_ = value; }
  /// Calls since fail_call or the beginning; tells a test when it has failed each.
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

 private:
  struct Frame {
    PageId id;
    std::unique_ptr<std::byte[]> bytes;
    txn::DirtyBlocks dirty;
    bool fresh = false;    // allocated since the last commit
    bool current = false;  // what pin(id) gives; the others live until they are unpinned
    std::size_t pins = 0;
  };
  struct SavedPage {
    std::vector<std::byte> bytes;
    txn::DirtyBlocks dirty;
    bool fresh = false;
  };
  struct Chunk {
    std::uint64_t value_id = 0;
    std::uint64_t index = 0;
    CommitNumber born;
    std::array<std::byte, 16> tag{};
    std::vector<std::byte> bytes;
  };
  struct ChunkChange {
    std::uint64_t slot;
    bool added;
  };
  // What stood before the changes that came after a savepoint (the first one: after the last
  // commit).
  struct Layer {
    txn::SavepointId id{};
    std::map<std::uint64_t, std::optional<SavedPage>> pages;
    std::vector<ChunkChange> chunks;
    PageId catalog_root;
  };
  class Buffers;

  void unpin(std::uint32_t frame) noexcept override;
  void about_to(const char* call);
  void reread(Frame& frame) noexcept;
  void scribble_gap(std::byte* bytes) noexcept;
  Frame& frame_of(PageId id, const char* call);
  txn::PagePin pin_frame(std::uint32_t index, const char* call);
  std::uint32_t new_frame(PageId id);
  void drop_current(PageId id);
  void save(PageId id);
  void put_back(std::uint64_t id, const std::optional<SavedPage>& saved);
  void undo(Layer& layer);
  std::size_t layer_index(txn::SavepointId id) const;
  const Chunk& chunk_of(const txn::ChunkRef& ref, const char* call) const;
  void require_chunk_memory(std::span<const std::byte> bytes, const char* call) const;
  void check_page(const Frame& frame, const std::optional<SavedPage>& before);

  FakePagesOptions options_;
  std::mt19937_64 random_;
  std::map<std::uint64_t, std::uint32_t> pages_;  // number -> current frame
  std::unordered_map<std::uint32_t, std::unique_ptr<Frame>> frames_;
  std::map<std::uint64_t, Chunk> chunks_;  // slot -> chunk, live or freed since the last commit
  std::set<std::uint64_t> live_chunks_;
  std::unordered_map<std::uint32_t, std::vector<std::byte>> buffers_;
  std::unique_ptr<Buffers> buffer_owner_;
  std::unique_ptr<platform::LockedHeap> heap_;
  std::vector<Layer> layers_;
  PageId catalog_root_;
  CommitNumber committed_{0};
  std::uint64_t next_page_ = 1;
  std::uint64_t next_slot_ = 1000;
  std::uint64_t next_value_id_ = 1;
  std::uint32_t next_frame_ = 1;
  std::uint32_t next_buffer_ = 1;
  std::uint32_t next_savepoint_ = 1;
  std::uint64_t change_count_ = 0;
  std::size_t pins_ = 0;
  std::map<std::uint64_t, std::uint64_t> times_let_go_;
  std::vector<PageId> named_ahead_;
  std::size_t pins_peak_ = 0;
  std::size_t buffers_peak_ = 0;
  std::function<void(const char*)> hook_;
  std::uint64_t calls_ = 0;
  std::uint64_t fail_at_ = 0;
  bool fail_later_ = false;
  bool undo_may_fail_ = false;
};

}  // namespace coffer::testing
