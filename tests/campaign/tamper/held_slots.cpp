// Slots and who still needs them: bulk transactions that are logged by reference, small changes on top of them, readers
// of all ages, now and then a checkpoint, and kills.  Every reader sees what it saw when it began, and every recovery
// finds what the journal refers to.
//
// Slots are looked for from where the last one was found, so that one which is free too early is written again only when
// the search has come round.  Two of four lives see to that, each for one of the holds: so much is written that a file in
// which that hold is forgotten has been gone through more than once.
#include <array>
#include <deque>

#include "platform/simulated/simulated.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

constexpr const char* kTree = "entries";
/// Four to a page: more pages than a writer has frames.
constexpr std::size_t kValueBytes = 900;
constexpr int kKeys = 800;

enum class Kind {
  long_journal,  ///< no checkpoint: what only the journal names (Hold::journal)
  old_readers,   ///< a checkpoint behind each commit: what only readers need (Hold::version)
  by_lot,
};

class Slots {
 public:
  explicit Slots(std::uint64_t seed) : rng_(seed), machine_(SimulatedPlatform::make(seed)) {
    checkpoints_ = rng_() % 2 == 0;
    create_store(*machine_, &key_);
    store_.emplace(open_store(*machine_, &key_, options()));
    bulk();
  }

  /// What is wrong; empty: nothing.
  std::string run(Kind kind) {
    std::string wrong;
    if (kind == Kind::long_journal) {
      write_long_journal();
    } else if (kind == Kind::old_readers) {
      wrong = outlive_checkpoints();
    } else {
      for (int i = 0; i < 24 && wrong.empty(); ++i) wrong = step();
    }
    return wrong.empty() ? kill_and_compare() : wrong;
  }

 private:
  struct Reader {
    ReadTransaction transaction;
    Contents contents;
  };

  /// A page whose whole goes to a slot, then a change of it as a delta, then another whole: nobody needs the first slot
  /// but a recovery, which opens it to apply the delta.
  void write_long_journal() {
    constexpr int kRounds = 12;
    for (int i = 0; i < kRounds; ++i) {
      touch();
      bulk();
    }
  }
  /// Readers that began before a checkpoint replaced all that they see, while checkpoint after checkpoint gives back the
  /// slots of the one before.
  std::string outlive_checkpoints() {
    constexpr int kRounds = 8;
    for (int i = 0; i < kRounds; ++i) {
      if (i % 3 == 0) readers_.push_back({store_->read(), contents_});
      bulk();
      store_->checkpoint();
    }
    std::string wrong;
    while (!readers_.empty() && wrong.empty()) wrong = end_reader();
    return wrong;
  }

  /// In one half of these lives the journal is long, in the other one checkpoints are many and readers old.
  std::string step() {
    switch (rng_() % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        bulk();
        return "";
      case 4:
      case 5:
      case 6:
        touch();
        return "";
      case 7:
        if (readers_.size() < 3) readers_.push_back({store_->read(), contents_});
        return "";
      case 8:
        return rng_() % 4 == 0 ? end_reader() : "";
      case 9:
      case 10:
        if (checkpoints_) store_->checkpoint();
        return "";
      default:
        return readers_.empty() ? "" : compare(readers_[rng_() % readers_.size()]);
    }
  }

  /// No checkpoint but those that a life asks for.
  static Options options() {
    Options options = small_options();
    options.write_buffer_bytes_max = 64 << 20;
    return options;
  }
  void put(Tree& tree, int number) {
    const std::string key = std::to_string(1000 + number);
    std::string& value = contents_[std::string(kTree) + '\0' + key];
    if (value.empty()) value = random_value(rng_, kValueBytes);
    // All over the page.
    for (std::size_t at = rng_() % 50; at < value.size(); at += 50) {
      value[at] = static_cast<char>('!' + rng_() % 90);
    }
    tree.put(key, value);
  }
  void bulk() {
    WriteTransaction writing = store_->write();
    Tree tree = contents_.empty() ? writing.create_tree(kTree) : writing.tree(kTree);
    const int upto = contents_.empty() ? kKeys : kKeys - static_cast<int>(rng_() % (kKeys / 4));
    for (int i = 0; i < upto; ++i) put(tree, i);
    writing.commit();
  }
  /// Few bytes of many pages: logged as changes of what is there.
  void touch() {
    WriteTransaction writing = store_->write();
    Tree tree = writing.tree(kTree);
    for (int i = 0; i < 60; ++i) {
      const std::string key = std::to_string(1000 + rng_() % kKeys);
      std::string& value = contents_.at(std::string(kTree) + '\0' + key);
      value[rng_() % value.size()] = static_cast<char>('A' + rng_() % 26);
      tree.put(key, value);
    }
    writing.commit();
  }
  std::string end_reader() {
    if (readers_.empty()) return "";
    std::string wrong = compare(readers_.front());
    readers_.pop_front();
    return wrong;
  }
  static std::string compare(Reader& reader) {
    Tree tree = reader.transaction.tree(kTree);
    Cursor cursor = tree.cursor();
    auto expected = reader.contents.begin();
    for (bool more = cursor.first(); more; more = cursor.next(), ++expected) {
      if (expected == reader.contents.end() || cursor.value().text() != expected->second) {
        return "a reader sees another state than it began with";
      }
    }
    return expected == reader.contents.end() ? "" : "a reader misses entries";
  }
  std::string kill_and_compare() {
    readers_.clear();
    kill(*machine_, *store_);
    store_.reset();
    const Heard heard = hear(*machine_, &key_);
    if (!heard.opened()) return "after a kill: " + heard.error + ": " + heard.text;
    if (heard.contents != contents_) return "after a kill another state is shown";
    store_.emplace(open_store(*machine_, &key_, options()));
    return "";
  }

  std::mt19937_64 rng_;
  Key key_ = key_of(9);
  std::unique_ptr<SimulatedPlatform> machine_;
  std::optional<Store> store_;
  std::deque<Reader> readers_;
  Contents contents_;
  bool checkpoints_ = false;
};

}  // namespace

void run_held_slots(GateRun& run) {
  constexpr std::array kKinds = {Kind::long_journal, Kind::old_readers, Kind::by_lot, Kind::by_lot};
  each_case(run, "held-slots", run.cases(), [&](std::uint64_t i) {
    return Slots(seed_of(run, i)).run(kKinds.at(i % kKinds.size()));
  });
}

}  // namespace coffer::campaign::tamper
