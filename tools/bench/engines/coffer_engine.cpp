#include <coffer/store.hpp>

#include <fmt/format.h>

#include <array>
#include <optional>

#include "tools/bench/engines/engine.hpp"
#include "tools/report.hpp"

namespace coffer::tools::bench {
namespace {

constexpr const char* kTree = "records";
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::uint64_t kResidentBytes = 256ull * 1024 * 1024;

struct CofferVariant {
  const char* name;
  const char* description;
  Residency residency;
  bool encrypted;
};

constexpr std::array kVariants = {
    CofferVariant{"coffer", "Coffer as it is: strict residency", Residency::strict, true},
    CofferVariant{"coffer-branches", "Coffer with branch pages resident", Residency::branches,
                  true},
    CofferVariant{"coffer-resident", "Coffer with 256 MiB of pages resident", Residency::pages,
                  true},
    CofferVariant{"coffer-plain", "Coffer unencrypted, strict residency", Residency::strict, false},
    CofferVariant{"coffer-plain-resident", "Coffer unencrypted, with 256 MiB of pages resident",
                  Residency::pages, false},
};

// The defaults of an embedder, but for the locked memory.
Options options_of(const CofferVariant& variant, const Setup& setup) {
  Options options;
  options.residency = variant.residency;
  if (variant.residency == Residency::pages) options.resident_bytes_max = kResidentBytes;
  options.durability = Durability::full;
  options.locked_bytes_max = setup.cache_bytes;
  options.memory_locking =
      setup.proceed_unlocked ? MemoryLocking::proceed_unlocked : MemoryLocking::abort;
  return options;
}

class CofferSession final : public Session {
 public:
  explicit CofferSession(Store& store) : store_(store) {}

  void begin_write(Sync sync) override {
    sync_ = sync;
    writing_ = store_.write();
    tree_ = writing_->tree(kTree);
  }
  void put(Bytes key, Bytes value) override { tree_->put(key, value); }
  void put_large(Bytes key, Bytes value) override {
    ValueWriter writer = tree_->write(key);
    writer.write(value);
    writer.finish();
  }
  void commit() override {
    tree_.reset();
    writing_->commit(sync_ == Sync::yes ? Durability::full : Durability::relaxed);
    writing_.reset();
  }

  // The newest commit, as the others show it.
  void begin_read() override {
    reading_ = store_.read({.latest = true});
    tree_ = reading_->tree(kTree);
  }
  void get(Bytes key, Digest& digest) override {
    if (const std::optional<Value> value = tree_->get(key)) digest.add(key, value->bytes());
  }
  void get_large(Bytes key, const std::function<void(Bytes)>& piece) override {
    std::optional<ValueReader> value = tree_->read(key);
    if (!value) return;
    piece_.resize(kPieceBytes);
    while (const std::size_t read = value->read(piece_)) piece(Bytes(piece_).first(read));
  }
  void scan(const Scan& scan, Digest& digest) override {
    Cursor cursor = tree_->cursor();
    bool more = scan.reverse        ? cursor.last()
                : scan.from.empty() ? cursor.first()
                                    : cursor.seek(scan.from);
    for (std::uint64_t left = scan.records_max; more && left > 0; --left) {
      digest.add(cursor.key(), cursor.value());
      if (left > 1) more = scan.reverse ? cursor.previous() : cursor.next();
    }
  }
  void end_read() override {
    tree_.reset();
    reading_.reset();
  }

 private:
  Store& store_;
  Sync sync_ = Sync::yes;
  // In this order: a tree ends before its transaction.
  std::optional<WriteTransaction> writing_;
  std::optional<ReadTransaction> reading_;
  std::optional<Tree> tree_;
  std::vector<std::byte> piece_;  // of random bytes, nobody's data
};

class CofferEngine final : public Engine {
 public:
  explicit CofferEngine(Store store) : store_(std::move(store)) {}
  std::unique_ptr<Session> session() override { return std::make_unique<CofferSession>(store_); }
  void settle() override {
    store_.sync();
    store_.checkpoint();
  }
  std::uint64_t units_opened() override { return store_.statistics().pages_opened; }

 private:
  Store store_;
};

// Raw, as the others' keys are.  Nobody's secret: the store holds random bytes, and is opened again by other processes.
Key bench_key() {
  std::array<std::byte, 32> bytes{};
  for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = static_cast<std::byte>(at * 7 + 1);
  return Key::from_bytes(bytes);
}

Store open_store(const CofferVariant& variant, const Setup& setup) {
  const std::filesystem::path path = setup.directory / "store";
  const Options options = options_of(variant, setup);
  if (!setup.create) {
    return variant.encrypted ? Store::open(path, bench_key(), options)
                             : Store::open_unencrypted(path, options);
  }
  Store store = variant.encrypted ? Store::create(path, bench_key(), {}, options)
                                  : Store::create_unencrypted(path, {}, options);
  WriteTransaction writing = store.write();
  writing.create_tree(kTree);
  writing.commit();
  return store;
}

const char* name_of(Residency residency) {
  switch (residency) {
    case Residency::strict:
      return "strict";
    case Residency::branches:
      return "branches";
    case Residency::pages:
      break;
  }
  return "pages";
}

Profile profile_of(const CofferVariant& variant, const Setup& setup) {
  const Options options = options_of(variant, setup);
  Profile profile{
      .version = coffer::version(),
      .settings = {{"cipher", variant.encrypted ? "XChaCha20-Poly1305" : "none"},
                   {"page_size", fmt::format("{}", CreateOptions{}.page_size)},
                   {"locked_bytes_max", human_size(options.locked_bytes_max)},
                   {"memory_locking", setup.proceed_unlocked ? "proceed_unlocked" : "abort"},
                   {"residency", name_of(variant.residency)}}};
  if (variant.residency == Residency::pages) {
    profile.settings.emplace_back("resident_bytes_max", human_size(options.resident_bytes_max));
  }
  profile.settings.emplace_back("commit_sync", "Durability::full");
  profile.settings.emplace_back("commit_no_sync", "Durability::relaxed");
  return profile;
}

}  // namespace

void add_coffer(std::vector<Kind>& kinds) {
  for (const CofferVariant& variant : kVariants) {
    kinds.push_back(
        {.name = variant.name,
         .description = variant.description,
         .missing = [] { return std::string(); },
         .profile = [&variant](const Setup& setup) { return profile_of(variant, setup); },
         .open = [&variant](const Setup& setup) -> std::unique_ptr<Engine> {
           return std::make_unique<CofferEngine>(open_store(variant, setup));
         }});
  }
}

}  // namespace coffer::tools::bench
