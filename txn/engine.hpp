// One open store, as the layers above see it: opening, transactions, durability, checkpoints, what it says
// of itself.  Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <coffer/key.hpp>
#include <coffer/options.hpp>
#include <coffer/statistics.hpp>

#include "platform/platform.hpp"
#include "txn/pages.hpp"
#include "txn/read_view.hpp"
#include "txn/store_image.hpp"
#include "txn/write_view.hpp"

namespace coffer::txn {

class BackgroundCheckpointer;

class Engine {
 public:
  /// `key` null: unencrypted.  `segment_bytes` of the journal is fixed with the store (a multiple of 64 KiB).
  static void create(platform::Platform& platform, const platform::Path& path, const Key* key,
                     const CreateOptions& create, const Options& options,
                     std::uint64_t segment_bytes = kSegmentBytes);
  [[nodiscard]] static std::unique_ptr<Engine> open(platform::Platform& platform,
                                                    const platform::Path& path, const Key* key,
                                                    const Options& options);
  /// Closes what `close` has not; reports nothing.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] std::unique_ptr<ReadView> begin_read(std::optional<bool> latest);
  /// Waits for the writer's turn; null when `wait` is false and somebody has it.
  [[nodiscard]] std::unique_ptr<WriteView> begin_write(bool wait);
  /// To be called after a commit was handed over, with no lock held: makes a checkpoint, or has one made,
  /// when one is due.
  void after_commit();
  void wait_durable(CommitNumber commit);
  [[nodiscard]] bool is_durable(CommitNumber commit) const;

  void sync();
  void checkpoint();
  /// Makes a checkpoint, lists it in the superblock as one that was backed up, and keeps it as it is while the
  /// result lives (not longer than the engine).  InvalidArgument when the store is read-only.
  [[nodiscard]] std::unique_ptr<StoreImage> image();
  [[nodiscard]] Anchor anchor() const;
  [[nodiscard]] Statistics statistics() const;
  void close();
  void check_alive() const { core_->check_alive(); }
  [[nodiscard]] const Options& options() const { return core_->options; }
  [[nodiscard]] platform::LockedHeap& heap() { return *core_->heap; }
  [[nodiscard]] platform::Platform& platform() { return core_->platform; }
  [[nodiscard]] const crypto::KeyRing& keys() const { return *core_->keys; }
  /// Of the copies of the key header on disk the one that the store was opened with (Tampered when neither is).
  [[nodiscard]] std::vector<std::byte> key_header_copy() const;
  [[nodiscard]] bool forked() const noexcept { return core_->platform.forked(); }

  /// What check compares: walks all structure below the trees (verifying every node from disk), then lets
  /// `trees` walk the trees of one snapshot and report what they refer to.
  struct References {
    std::function<void(PageId)> page;
    std::function<void(pager::SlotRun)> run;
  };
  /// Fills the structural figures of the report.  Raises Tampered or Corrupted at the first thing wrong.
  void check(CheckReport& report,
             const std::function<void(PageSource&, const References&)>& walk_trees);

 private:
  void ask_for_room();
  void make_name_durable();
  Engine(platform::Platform& platform, StoreFiles files, const Options& options);
  void open_files(const Key* key);
  void recover_journal();
  void start_journal(const journal::JournalEnd& end);
  void shut_down();
  void shorten_file() noexcept;

  std::unique_ptr<Core> core_;
  std::unique_ptr<BackgroundCheckpointer> background_;
  journal::JournalEnd journal_end_;  ///< where writing goes on, until the journal is started
  bool closed_ = false;
};

}  // namespace coffer::txn
