#include <coffer/store.hpp>

#include <fmt/format.h>

#include <optional>

#include "tools/bench/contender.hpp"
#include "tools/key_source.hpp"
#include "tools/report.hpp"

namespace coffer::tools::bench {
namespace {

constexpr const char* kTree = "records";
constexpr std::uint64_t kLockedBytesMax = 512ull * 1024 * 1024;

// The defaults of an embedder, but for the locked memory.
Options options_of(const GlobalOptions& options) {
  Options result;
  result.residency = Residency::strict;
  result.durability = Durability::full;
  result.locked_bytes_max = options.locked_bytes_max.value_or(kLockedBytesMax);
  result.memory_locking =
      options.proceed_unlocked ? MemoryLocking::proceed_unlocked : MemoryLocking::abort;
  return result;
}

class CofferContender final : public Contender {
 public:
  CofferContender(const std::filesystem::path& directory, const GlobalOptions& options)
      : store_(Store::create(directory / "store", Key::generate(key_options(options)), {},
                             options_of(options))) {
    WriteTransaction writing = store_.write();
    writing.create_tree(kTree);
    writing.commit();
  }

  void begin_write() override {
    writing_ = store_.write();
    tree_ = writing_->tree(kTree);
  }
  void put(Bytes key, Bytes value) override { tree_->put(key, value); }
  void commit(Sync sync) override {
    tree_.reset();
    writing_->commit(sync == Sync::yes ? Durability::full : Durability::relaxed);
    writing_.reset();
  }
  void settle() override {
    store_.sync();
    store_.checkpoint();
  }

  void begin_read() override {
    reading_ = store_.read();
    tree_ = reading_->tree(kTree);
  }
  void get(Bytes key, Digest& digest) override {
    if (const std::optional<Value> value = tree_->get(key)) digest.add(key, value->bytes());
  }
  void scan(Digest& digest) override {
    Cursor cursor = tree_->cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      digest.add(cursor.key(), cursor.value());
    }
  }
  void end_read() override {
    tree_.reset();
    reading_.reset();
  }

 private:
  // In this order: a tree ends before its transaction, and that before the store.
  Store store_;
  std::optional<WriteTransaction> writing_;
  std::optional<ReadTransaction> reading_;
  std::optional<Tree> tree_;
};

}  // namespace

std::unique_ptr<Contender> make_coffer(const std::filesystem::path& directory,
                                       const GlobalOptions& options) {
  return std::make_unique<CofferContender>(directory, options);
}

Profile coffer_profile(const GlobalOptions& options) {
  const Options opened = options_of(options);
  return {.name = "coffer",
          .version = coffer::version(),
          .settings = {{"cipher", "XChaCha20-Poly1305"},
                       {"page_size", fmt::format("{}", CreateOptions{}.page_size)},
                       {"locked_bytes_max", human_size(opened.locked_bytes_max)},
                       {"memory_locking", options.proceed_unlocked ? "proceed_unlocked" : "abort"},
                       {"residency", "strict"},
                       {"commit_sync", "Durability::full"},
                       {"commit_no_sync", "Durability::relaxed"}}};
}

}  // namespace coffer::tools::bench
