// A store in miniature for model-checking the reuse of slots: three pages, versions, snapshots, a
// journal, two copies of the superblock, checkpoints step by step, crashes, and one damaged copy.
// Its slots are the real SlotLedger's; what stands in them is a number.
//
// It follows the discipline that slot_ledger.hpp asks of the layers above.  After each step it
// looks at everything that could be read next, by a snapshot or by a recovery from any state in
// which the disk could be found, and reports the first slot that does not hold what it must.
// Nothing here computes "needed": a slot that was handed out too early shows by its content.
#pragma once

#include <optional>
#include <string>

#include "pager_support.hpp"

namespace coffer::test {

class SlotReuseModel {
 public:
  /// What is done wrong on purpose.
  struct Fault {
    std::optional<pager::Hold> ignored_hold;  ///< as if the ledger did not know it
    bool install_after_copy_a = false;        ///< breaks G4
  };

  SlotReuseModel(std::uint64_t seed, const Fault& fault);

  /// One random step; what went wrong, or nothing.
  std::optional<std::string> step();

  // How often what happened, so that a test can see that it did.
  std::uint64_t crashes = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t commits = 0;
  std::uint64_t reused = 0;
  std::uint64_t full = 0;

 private:
  using Page = unsigned;
  using Value = std::uint64_t;  ///< the commit that wrote it; 0: no page
  using Pages = std::map<Page, Value>;
  using Table = std::map<Page, SlotId>;
  static constexpr Page kPages = 3;

  enum class Kind { delta, reference, freed };
  struct Record {
    std::uint64_t commit;
    Page page;
    Kind kind;
    SlotId slot;  ///< of a reference
    Value base;   ///< of a delta
  };
  struct Image {  ///< what a superblock leads to
    std::uint64_t number = 0;
    std::uint64_t commit = 0;
    Table table;
    std::optional<SlotId> node;  ///< stands for the table's and the map's nodes
  };
  struct Version {
    std::uint64_t commit;
    std::optional<SlotId> slot;  ///< nothing: the page does not exist
  };
  struct Content {
    Page page = 0;
    Value value = 0;
    std::uint64_t node_of = 0;  ///< checkpoint number; then it is no page
    friend bool operator==(const Content&, const Content&) = default;
  };
  enum class Phase { none, prepared, a_written, a_synced, b_written };

  void open(const Image& image);
  void hold(SlotId slot, pager::Hold h);
  void release(SlotId slot, pager::Hold h) { ledger_->release({slot, 1}, h); }
  std::optional<SlotId> allocate(pager::Hold h);

  [[nodiscard]] Value value_at(std::optional<SlotId> slot, Page page) const;
  [[nodiscard]] Version latest(Page page) const;
  void begin_versions(Page page);
  void add_version(Page page, std::uint64_t commit, std::optional<SlotId> slot);
  void prune(Page page);
  void prune_all();

  void commit();
  void abort();
  void advance_checkpoint();
  void prepare_checkpoint();
  void install_checkpoint();
  void crash();

  [[nodiscard]] std::optional<std::string> check() const;
  [[nodiscard]] std::optional<std::string> check_snapshots() const;
  [[nodiscard]] std::optional<std::string> check_recovery(const Image& image) const;

  Random random_;
  Fault fault_;
  std::shared_ptr<SparseDisk> disk_;
  std::unique_ptr<pager::PageFile> file_;
  std::unique_ptr<pager::SlotLedger> ledger_;

  std::map<std::uint64_t, Content> content_;
  std::set<std::uint64_t> ever_written_;
  std::vector<Pages> history_{Pages{}};  ///< the state after each commit
  std::uint64_t durable_ = 0;
  std::vector<Record> journal_;
  std::array<std::vector<Image>, 2> copies_;  ///< what each copy may hold; the last is the newest
  Image in_force_;
  std::map<Page, std::vector<Version>> versions_;
  std::multiset<std::uint64_t> snapshots_;
  Phase phase_ = Phase::none;
  Image next_;
  std::vector<pager::SlotRun> now_used_;
  std::vector<pager::SlotRun> no_longer_used_;
};

}  // namespace coffer::test
