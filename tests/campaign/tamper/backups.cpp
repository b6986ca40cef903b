#include "tests/campaign/tamper/backups.hpp"

#include <algorithm>

#include "backup/logical_chain.hpp"
#include "backup/snapshot_restore.hpp"

namespace coffer::campaign::tamper {

namespace {

/// Compares what it is handed with what was handed over when all was genuine, piece by piece.
class RecordsAsTheyWere final : public backup::RecordSink {
 public:
  RecordsAsTheyWere(std::string& known, bool learning) : known_(known), learning_(learning) {}
  void begin(const BackupReport&, bool) override {}
  void tree(const std::string& name, const TreeOptions&) override { note(name); }
  void begin_range(const backup::RangeBound& low) override { note(low.key.text()); }
  void end_range(const backup::RangeBound& high) override { note(high.key.text()); }
  void entry(Bytes key, Bytes value) override {
    note(key.text());
    note(value.text());
  }
  void begin_value(Bytes key, std::uint64_t) override { note(key.text()); }
  void value_piece(Bytes bytes) override { note(bytes.text()); }
  void end_value() override {}
  void end() override {}
  [[nodiscard]] bool all_true() const { return all_true_; }

 private:
  void note(std::string_view text) {
    if (learning_) {
      known_ += text;
      return;
    }
    if (known_.empty()) return;  // nothing was learnt
    all_true_ = all_true_ && known_.compare(at_, text.size(), text) == 0;
    at_ += text.size();
  }
  std::string& known_;
  const bool learning_;
  std::size_t at_ = 0;
  bool all_true_ = true;
};

void fill(Store& store, std::mt19937_64& rng, bool first) {
  WriteTransaction writing = store.write();
  Tree tree = first ? writing.create_tree("t") : writing.tree("t");
  for (int i = 0; i < 4; ++i) {
    tree.put("key " + std::to_string(first ? i : 2 * i),
             random_value(rng, 30 + static_cast<std::size_t>(i)));
  }
  if (first) {
    ValueWriter writer = tree.write("large");
    writer.write(random_value(rng, 5000));
    writer.finish();
  }
  writing.commit();
}

}  // namespace

BackedUp::BackedUp(platform::Platform& platform, const Key& key, std::uint64_t contents_seed,
                   const std::string& directory) {
  std::mt19937_64 rng(contents_seed);
  platform.files().make_directory(directory);
  const auto file = [&directory](const char* name) { return platform::Path(directory) / name; };
  create_store(platform, &key);
  Store store = open_store(platform, &key);
  fill(store, rng, true);
  static_cast<void>(backup_snapshot(store, file("snapshot")));
  static_cast<void>(backup_logical(store, file("logical")));
  static_cast<void>(backup_logical(store, file("packed"), {.compress = true}));
  fill(store, rng, false);
  static_cast<void>(backup_increment(store, file("increment"), file("snapshot")));
  static_cast<void>(backup_logical_increment(store, file("later"), file("logical")));
  static_cast<void>(
      backup_logical_increment(store, file("packed-later"), file("packed"), {.compress = true}));
  chains_ = {{"snapshot", {file("snapshot")}},
             {"increment", {file("snapshot"), file("increment")}},
             {"logical", {file("logical")}},
             {"logical increment", {file("logical"), file("later")}},
             {"compressed", {file("packed")}},
             {"compressed increment", {file("packed"), file("packed-later")}}};
}

std::string Verifier::verify(const std::vector<platform::Path>& files, bool learning) {
  const bool snapshots = files.front().filename().string().starts_with("snapshot");
  RecordsAsTheyWere records(records_, learning);
  std::string said;
  try {
    if (snapshots) {
      static_cast<void>(backup::verify_snapshots(platform_, files, &key_, {}));
    } else {
      const BackupWatch nobody;
      static_cast<void>(
          backup::LogicalChain(platform_, files, &key_, platform::LockPolicy::abort, nobody)
              .read(records));
    }
  } catch (const std::exception&) {
    said = error_name();
  }
  return records.all_true() ? said : "false record";
}

void Verifier::learn(const std::vector<platform::Path>& files) {
  records_.clear();
  const std::string said = verify(files, true);
  if (!said.empty()) throw Error("a genuine backup was refused: " + said);
}

std::string Verifier::said_of(const std::vector<platform::Path>& files) {
  return verify(files, false);
}

bool refused_as_damage(const std::string& said) {
  return said == "Tampered" || said == "Corrupted" || said == "InvalidArgument" ||
         said == "VersionUnsupported";
}

}  // namespace coffer::campaign::tamper
