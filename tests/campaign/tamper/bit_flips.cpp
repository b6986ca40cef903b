// Every bit of a store of 64 pages, of a journal and of each kind of backup, flipped and put back.
//
// Each flip is looked at by what it can reach: a bit of a page by whoever reads that page in a store that is open, one of
// a node or of the journal by an opening, one of the superblock or of the keys by what reads these, and each 32nd of
// them by an opening that reads everything.  A bit that means something is refused, or, where there are two copies, made
// up for by the other; a bit of filler changes nothing.
#include <array>
#include <gsl/gsl>
#include <numeric>
#include <set>

#include "crypto/key_header.hpp"
#include "journal/fragment.hpp"
#include "pager/superblock.hpp"
#include "tests/campaign/tamper/backups.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tree/store_state.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::OpenMode;
using platform::SimulatedPlatform;

constexpr std::uint64_t kSlotBits = 4096 * 8;
constexpr std::uint64_t kWholeLookEach = 32;

/// One bit of a file, flipped while it lives.
class Flip {
 public:
  Flip(platform::File& file, std::uint64_t bit) : file_(file), at_(bit / 8) {
    static_cast<void>(file_.read_at(at_, {&byte_, 1}));
    write(byte_ ^ static_cast<std::byte>(1u << bit % 8));
  }
  ~Flip() {
    write(byte_);
    // So that the machine does not remember what was never synced.
    if (at_ % 16 == 0) file_.sync();
  }
  Flip(const Flip&) = delete;
  Flip& operator=(const Flip&) = delete;

 private:
  void write(std::byte value) { file_.write_at(at_, {&value, 1}); }
  platform::File& file_;
  const std::uint64_t at_;
  std::byte byte_{};
};

/// Something whose bits are flipped.
class Target {
 public:
  virtual ~Target() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::uint64_t bits() const = 0;
  /// What is wrong with what is said of it; empty: nothing.
  [[nodiscard]] virtual std::string flip(std::uint64_t bit) = 0;
};

std::string expected_latest(const Heard& heard, const Contents& contents) {
  if (!heard.opened()) return "refused: " + heard.text;
  return heard.contents == contents ? "" : "another state was shown";
}

// --- The page file

/// 64 pages of entries, a large value, and their nodes, as one checkpoint has them.
class Pages final : public Target {
 public:
  explicit Pages(const Key& key) : key_(key), machine_(SimulatedPlatform::make(64)) {
    create_store(*machine_, &key_);
    {
      Store store = open_store(*machine_, &key_);
      fill(store);
      store.checkpoint();
      store.close();
    }
    store_.emplace(open_store(*machine_, &key_));
    file_ = machine_->files().open(platform::Path(kStore) / "pages", OpenMode::read_write);
    engine().image()->walk({.page =
                                [this](PageId id, const pager::SlotRef& ref) {
                                  pages_[ref.slot.value] = {id, ref};
                                },
                            .node = [this](auto&&, const pager::SlotRef& ref,
                                           auto&&) { nodes_[ref.slot.value] = ref; },
                            .used_slot = [this](SlotId slot) { used_.insert(slot.value); }},
                           0);
    closed_ = machine_with(files_of(*machine_), 65);
    closed_file_ = closed_->files().open(platform::Path(kStore) / "pages", OpenMode::read_write);
  }
  [[nodiscard]] std::string name() const override { return "pages"; }
  /// Up to the last slot in use.
  [[nodiscard]] std::uint64_t bits() const override { return (*used_.rbegin() + 1) * kSlotBits; }

  [[nodiscard]] std::string flip(std::uint64_t bit) override {
    const std::uint64_t slot = bit / kSlotBits;
    const std::uint64_t byte = bit % kSlotBits / 8;
    const auto node = nodes_.find(slot);
    if (node != nodes_.end()) return look_at_node(sealed(node->second, byte), bit);
    const Flip flipped(*file_, bit);
    if (const auto page = pages_.find(slot); page != pages_.end()) {
      return look_at_page(page->second, byte);
    }
    return look_at_values(used_.contains(slot));
  }

 private:
  struct Page {
    PageId id{};
    pager::SlotRef ref;
  };

  void fill(Store& store) {
    std::mt19937_64 rng(64);
    WriteTransaction writing = store.write();
    {
      Tree tree = writing.create_tree("t");
      // Four to a page.
      for (int i = 1000; i < 1000 + 4 * 61; ++i)
        tree.append(std::to_string(i), random_value(rng, 950));
      Tree values = writing.create_tree("values");
      large_ = random_value(rng, 9000);
      ValueWriter writer = values.write("large");
      writer.write(large_);
      writer.finish();
    }
    writing.commit();
  }
  [[nodiscard]] txn::Engine& engine() { return *store_->state().engine; }
  [[nodiscard]] static bool sealed(const pager::SlotRef& ref, std::uint64_t byte) {
    return byte < crypto::kNonceBytes + ref.sealed_bytes;
  }

  std::string look_at_page(const Page& page, std::uint64_t byte) {
    const auto view = engine().begin_read(true);
    std::string said;
    try {
      static_cast<void>(view->pin(page.id));
    } catch (const std::exception&) {
      said = error_name();
    }
    if (sealed(page.ref, byte)) return said == "Tampered" ? "" : "not refused as Tampered: " + said;
    return said.empty() ? "" : "a bit of filler was refused as " + said;
  }

  /// A node is read when the store is opened, or when a page below it is looked for; then it is remembered.
  std::string look_at_node(bool matters, std::uint64_t bit) {
    const Flip flipped(*closed_file_, bit);
    std::string said;
    try {
      const auto opened = txn::Engine::open(*closed_, kStore, &key_, small_options(true));
      const auto view = opened->begin_read(true);
      static_cast<void>(view->pin(pages_.begin()->second.id));
    } catch (const std::exception&) {
      said = error_name();
    }
    if (matters)
      return said == "Tampered" ? "" : "a node's bit was not refused as Tampered: " + said;
    return said.empty() ? "" : "a bit of filler was refused as " + said;
  }

  /// Neither page nor node: a chunk's slot, or a free one.
  std::string look_at_values(bool used) {
    std::string said;
    std::string value(large_.size(), '\0');
    try {
      ReadTransaction reading = store_->read();
      Tree tree = reading.tree("values");
      auto reader = tree.read("large");
      for (std::size_t at = 0; reader && at < value.size();) {
        const std::size_t got = reader->read(std::as_writable_bytes(std::span(value)).subspan(at));
        if (got == 0) break;
        at += got;
      }
    } catch (const std::exception&) {
      said = error_name();
    }
    if (said.empty()) return value == large_ ? "" : "a value was read that never was";
    return used && said == "Tampered" ? "" : "refused as " + said;
  }

  const Key& key_;
  std::unique_ptr<SimulatedPlatform> machine_;
  std::optional<Store> store_;  ///< open all the while
  std::unique_ptr<platform::File> file_;
  std::unique_ptr<SimulatedPlatform> closed_;  ///< the same files, which nobody has open
  std::unique_ptr<platform::File> closed_file_;
  std::string large_;
  std::map<std::uint64_t, Page> pages_;
  std::map<std::uint64_t, pager::SlotRef> nodes_;
  std::set<std::uint64_t> used_;
};

// --- What is read at an opening

/// Files of a store that nobody has open; what they show is known.
class Closed : public Target {
 public:
  Closed(const Key& key, const Moment& moment, std::string file, std::uint64_t seed)
      : key_(key),
        moment_(moment),
        name_(std::move(file)),
        machine_(machine_with(moment.files, seed)) {
    file_ = machine_->files().open(platform::Path(kStore) / name_, OpenMode::read_write);
    bits_ = file_->size() * 8;
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t bits() const override { return bits_; }

 protected:
  const Key& key_;
  const Moment& moment_;
  std::string name_;
  std::unique_ptr<SimulatedPlatform> machine_;
  std::unique_ptr<platform::File> file_;
  std::uint64_t bits_ = 0;
};

class KeysFile final : public Closed {
 public:
  KeysFile(const Key& key, const Moment& moment) : Closed(key, moment, "keys", 1) {
    bytes_ = moment.files.at("keys");
  }
  [[nodiscard]] std::string flip(std::uint64_t bit) override {
    bytes_[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const auto back =
        gsl::finally([&] { bytes_[bit / 8] ^= static_cast<std::byte>(1u << bit % 8); });
    const auto opened =
        crypto::open_key_header(*machine_, bytes_, &key_, platform::LockPolicy::abort, "keys");
    if (opened.bytes != moment_.files.at("keys") || !opened.repaired)
      return "the copies were not made the same";
    if (bit % kWholeLookEach != 0) return "";
    const Flip flipped(*file_, bit);
    return expected_latest(hear(*machine_, &key_), moment_.contents);
  }

 private:
  Bytestring bytes_;
};

class SuperblockFile final : public Closed {
 public:
  SuperblockFile(const Key& key, const Moment& moment) : Closed(key, moment, "superblock", 2) {
    keys_ = crypto::open_key_header(*machine_, moment.files.at("keys"), &key,
                                    platform::LockPolicy::abort, "keys")
                .keys;
    good_ = pager::read_superblock(*file_, *keys_).superblock;
  }
  [[nodiscard]] std::string flip(std::uint64_t bit) override {
    const Flip flipped(*file_, bit);
    const pager::FoundSuperblock found = pager::read_superblock(*file_, *keys_);
    if (!(found.superblock == good_)) return "another superblock was taken";
    if (found.other != pager::FoundSuperblock::Other::damaged) return "an altered copy verified";
    if (bit % kWholeLookEach != 0) return "";
    return expected_latest(hear(*machine_, &key_, small_options(true)), moment_.contents);
  }

 private:
  std::unique_ptr<crypto::KeyRing> keys_;
  pager::Superblock good_;
};

/// A journal of several commits, each of which shows that the one before was durable.
class JournalFile final : public Closed {
 public:
  JournalFile(const Key& key, const std::vector<Moment>& moments, std::string segment)
      : Closed(key, moments.back(), std::move(segment), 3), before_(moments[moments.size() - 2]) {
    const auto keys = crypto::open_key_header(*machine_, moment_.files.at("keys"), &key,
                                              platform::LockPolicy::abort, "keys")
                          .keys;
    const auto superblock =
        machine_->files().open(platform::Path(kStore) / "superblock", OpenMode::read_only);
    find_fragments(*keys, pager::read_superblock(*superblock, *keys).superblock.commit);
  }
  /// Something in it is read by an opening.
  [[nodiscard]] bool live() const { return !extents_.empty(); }
  [[nodiscard]] std::string flip(std::uint64_t bit) override {
    const Flip flipped(*file_, bit);
    if (bit % kWholeLookEach == 0)
      return judge(hear(*machine_, &key_, small_options(true)), bit / 8);
    // The number of its last commit says as much: whatever is shown of it is authentic.
    Heard heard;
    try {
      const auto engine = txn::Engine::open(*machine_, kStore, &key_, small_options(true));
      const std::uint64_t last = engine->statistics().last_commit;
      if (last == moment_.commit) heard.contents = moment_.contents;
      if (last == before_.commit) heard.contents = before_.contents;
    } catch (const std::exception& e) {
      heard.error = error_name();
      heard.text = e.what();
    }
    return judge(heard, bit / 8);
  }

 private:
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t commit = 0;
  };

  /// Those behind the checkpoint: what it contains is not read any more.
  void find_fragments(const crypto::KeyRing& keys, CommitNumber checkpoint) {
    const Bytestring& bytes = moment_.files.at(name_);
    const std::uint64_t index = std::stoull(name_.substr(name_.find('-') + 1), nullptr, 16);
    std::array<std::byte, journal::format::kHeaderBytes> scratch{};
    for (std::uint64_t at = 0; at + journal::format::kBodyAt <= bytes.size();
         at += journal::kGridBytes) {
      const auto header = journal::open_header(
          keys.journal(), Epoch{keys.current_epoch()}, Lsn{index * kSmallSegmentBytes + at},
          std::span(bytes).subspan(at, journal::format::kBodyAt), scratch);
      if (!header || header->header.commit <= checkpoint) continue;
      extents_.push_back({at,
                          at + journal::format::kFragmentOverheadBytes + header->header.body_bytes,
                          header->header.commit.value});
    }
  }
  [[nodiscard]] const Extent* extent_of(std::uint64_t byte) const {
    for (const Extent& extent : extents_) {
      if (byte >= extent.begin && byte < extent.end) return &extent;
    }
    return nullptr;
  }
  [[nodiscard]] std::string judge(const Heard& heard, std::uint64_t byte) const {
    const Extent* const hit = extent_of(byte);
    if (hit == nullptr) return expected_latest(heard, moment_.contents);
    if (hit->commit < moment_.commit) {
      return heard.error == "Tampered" ? "" : "a durable commit was not missed: " + heard.error;
    }
    // The last one may be torn, for all that anybody knows.
    return heard.opened() && heard.contents == before_.contents
               ? ""
               : "the last commit was altered, and shown or refused: " + heard.text;
  }

  const Moment& before_;
  std::vector<Extent> extents_;
};

// --- Backups

class Backup final : public Target {
 public:
  Backup(SimulatedPlatform& machine, const Key& key, const Chain& chain)
      : chain_(chain), verifier_(machine, key) {
    verifier_.learn(chain_.files);
    file_ = machine.files().open(chain_.last(), OpenMode::read_write);
  }
  [[nodiscard]] std::string name() const override { return chain_.kind; }
  [[nodiscard]] std::uint64_t bits() const override { return file_->size() * 8; }
  [[nodiscard]] std::string flip(std::uint64_t bit) override {
    const Flip flipped(*file_, bit);
    const std::string said = verifier_.said_of(chain_.files);
    return refused_as_damage(said) ? "" : said.empty() ? "not refused" : said;
  }

 private:
  Chain chain_;
  Verifier verifier_;
  std::unique_ptr<platform::File> file_;
};

/// A number that has no factor in common with `total`, so that its multiples come to every bit.
std::uint64_t stride_for(std::uint64_t total) {
  std::uint64_t stride = total / 1000 * 618 + 1;
  while (std::gcd(stride, total) != 1) ++stride;
  return stride;
}

/// A store with a journal of several commits since its checkpoint, all of them in one segment.
std::vector<Moment> life_with_a_journal(const Key& key) {
  const auto machine = SimulatedPlatform::make(5);
  create_store(*machine, &key);
  std::vector<Moment> moments = live(*machine, &key, {}, 5, 6);
  return moments;
}

}  // namespace

void run_bit_flips(GateRun& run) {
  const Key key = key_of(9);
  const std::vector<Moment> moments = life_with_a_journal(key);
  const auto machine = SimulatedPlatform::make(7);
  const BackedUp backed_up(*machine, key, 7, "/backups");

  std::vector<std::unique_ptr<Target>> targets;
  targets.push_back(std::make_unique<Pages>(key));
  targets.push_back(std::make_unique<KeysFile>(key, moments.back()));
  targets.push_back(std::make_unique<SuperblockFile>(key, moments.back()));
  for (const auto& [name, bytes] : moments.back().files) {
    if (!is_segment(name)) continue;
    auto journal = std::make_unique<JournalFile>(key, moments, name);
    if (journal->live()) targets.push_back(std::move(journal));
  }
  for (const Chain& chain : backed_up.chains()) {
    targets.push_back(std::make_unique<Backup>(*machine, key, chain));
  }
  std::uint64_t total = 0;
  for (const auto& target : targets) total += target->bits();

  const std::uint64_t stride = stride_for(total);
  each_case(run, "tamper-bits", std::min(run.cases(), total), [&](std::uint64_t i) -> std::string {
    std::uint64_t bit = (run.seed() + i * stride) % total;
    std::size_t which = 0;
    while (bit >= targets[which]->bits()) bit -= targets[which++]->bits();
    const auto begin = std::chrono::steady_clock::now();
    std::string wrong = targets[which]->flip(bit);
    if (std::chrono::steady_clock::now() - begin > kLongest) wrong = "it took longer than a second";
    if (wrong.empty()) return wrong;
    return targets[which]->name() + ", bit " + std::to_string(bit) + ": " + wrong;
  });
  run.note("of " + std::to_string(total) + " bits");
}

}  // namespace coffer::campaign::tamper
