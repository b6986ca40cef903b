// RocksDB through its C interface: its defaults, but for a block cache of the size that the others have, and a filter
// for point reads, as everyone sets one.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <rocksdb/c.h>

#include "tools/bench/engines/engine.hpp"
#include "tools/bench/engines/shared_library.hpp"
#include "tools/report.hpp"

namespace coffer::tools::bench {
namespace {

constexpr const char* kLibrary = "librocksdb.so.7.8";
constexpr double kFilterBits = 10;

// The functions used, each once.
// clang-format off
#define COFFER_BENCH_ROCKSDB(F)                                                                \
  F(options_create) F(options_destroy) F(options_set_create_if_missing)                        \
  F(options_set_block_based_table_factory) F(block_based_options_create)                       \
  F(block_based_options_destroy) F(block_based_options_set_block_cache)                        \
  F(block_based_options_set_filter_policy) F(filterpolicy_create_bloom_full)                   \
  F(cache_create_lru) F(cache_destroy) F(open) F(close) F(writeoptions_create)                 \
  F(writeoptions_destroy) F(writeoptions_set_sync) F(readoptions_create)                       \
  F(readoptions_destroy) F(readoptions_set_snapshot) F(create_snapshot) F(release_snapshot)    \
  F(writebatch_create) F(writebatch_destroy) F(writebatch_put) F(writebatch_clear) F(write)    \
  F(get_pinned) F(pinnableslice_value) F(pinnableslice_destroy) F(create_iterator)             \
  F(iter_destroy) F(iter_valid) F(iter_seek_to_first) F(iter_seek_to_last) F(iter_seek)        \
  F(iter_next) F(iter_prev) F(iter_key) F(iter_value) F(iter_get_error)                        \
  F(flush) F(flushoptions_create) F(flushoptions_destroy) F(free)
// clang-format on

struct Rocks {
  Rocks() : shared(kLibrary) {
#define COFFER_BENCH_FIND(NAME) shared.find(NAME, "rocksdb_" #NAME);
    COFFER_BENCH_ROCKSDB(COFFER_BENCH_FIND)
#undef COFFER_BENCH_FIND
  }
  SharedLibrary shared;
#define COFFER_BENCH_DECLARE(NAME) decltype(&rocksdb_##NAME) NAME = nullptr;
  COFFER_BENCH_ROCKSDB(COFFER_BENCH_DECLARE)
#undef COFFER_BENCH_DECLARE
};
#undef COFFER_BENCH_ROCKSDB

const Rocks& rocks() {
  static const Rocks loaded;
  return loaded;
}

// RocksDB's way to say what is wrong: a text to be freed.
class Failure {
 public:
  ~Failure() { rocks().free(text_); }
  Failure() = default;
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;
  [[nodiscard]] char** out() { return &text_; }
  void require(const char* call) const {
    if (text_ == nullptr) return;
    throw Error(fmt::format("RocksDB: {}: {}; the figures of this run are void", call, text_));
  }

 private:
  char* text_ = nullptr;
};

const char* chars(Bytes bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}
Bytes as_bytes(const char* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

class RocksSession final : public Session {
 public:
  explicit RocksSession(rocksdb_t* database)
      : database_(database),
        batch_(rocks().writebatch_create()),
        writes_(rocks().writeoptions_create()),
        reads_(rocks().readoptions_create()) {}
  ~RocksSession() override {
    if (snapshot_ != nullptr) rocks().release_snapshot(database_, snapshot_);
    rocks().readoptions_destroy(reads_);
    rocks().writeoptions_destroy(writes_);
    rocks().writebatch_destroy(batch_);
  }

  void begin_write(Sync sync) override {
    rocks().writeoptions_set_sync(writes_, sync == Sync::yes ? 1 : 0);
    rocks().writebatch_clear(batch_);
  }
  void put(Bytes key, Bytes value) override {
    rocks().writebatch_put(batch_, chars(key), key.size(), chars(value), value.size());
  }
  void commit() override {
    Failure failure;
    rocks().write(database_, writes_, batch_, failure.out());
    failure.require("write");
    rocks().writebatch_clear(batch_);
  }

  void begin_read() override {
    snapshot_ = rocks().create_snapshot(database_);
    rocks().readoptions_set_snapshot(reads_, snapshot_);
  }
  void get(Bytes key, Digest& digest) override {
    get_large(key, [&](Bytes value) { digest.add(key, value); });
  }
  void get_large(Bytes key, const std::function<void(Bytes)>& piece) override {
    Failure failure;
    rocksdb_pinnableslice_t* const slice =
        rocks().get_pinned(database_, reads_, chars(key), key.size(), failure.out());
    failure.require("get");
    if (slice == nullptr) return;
    std::size_t size = 0;
    const char* const value = rocks().pinnableslice_value(slice, &size);
    piece(as_bytes(value, size));
    rocks().pinnableslice_destroy(slice);
  }
  void scan(const Scan& scan, Digest& digest) override;
  void end_read() override {
    rocks().readoptions_set_snapshot(reads_, nullptr);
    rocks().release_snapshot(database_, std::exchange(snapshot_, nullptr));
  }

 private:
  rocksdb_t* database_;
  rocksdb_writebatch_t* batch_;
  rocksdb_writeoptions_t* writes_;
  rocksdb_readoptions_t* reads_;
  const rocksdb_snapshot_t* snapshot_ = nullptr;
};

void RocksSession::scan(const Scan& scan, Digest& digest) {
  rocksdb_iterator_t* const cursor = rocks().create_iterator(database_, reads_);
  if (scan.reverse) {
    rocks().iter_seek_to_last(cursor);
  } else if (scan.from.empty()) {
    rocks().iter_seek_to_first(cursor);
  } else {
    rocks().iter_seek(cursor, chars(scan.from), scan.from.size());
  }
  for (std::uint64_t left = scan.records_max; left > 0 && rocks().iter_valid(cursor) != 0; --left) {
    std::size_t key_bytes = 0;
    std::size_t value_bytes = 0;
    const char* const key = rocks().iter_key(cursor, &key_bytes);
    const char* const value = rocks().iter_value(cursor, &value_bytes);
    digest.add(as_bytes(key, key_bytes), as_bytes(value, value_bytes));
    if (left > 1) scan.reverse ? rocks().iter_prev(cursor) : rocks().iter_next(cursor);
  }
  Failure failure;
  rocks().iter_get_error(cursor, failure.out());
  rocks().iter_destroy(cursor);
  failure.require("scan");
}

class RocksEngine final : public Engine {
 public:
  explicit RocksEngine(const Setup& setup) : options_(rocks().options_create()) {
    const Rocks& api = rocks();
    api.options_set_create_if_missing(options_, 1);
    rocksdb_block_based_table_options_t* const table = api.block_based_options_create();
    cache_ = api.cache_create_lru(setup.cache_bytes);
    api.block_based_options_set_block_cache(table, cache_);
    api.block_based_options_set_filter_policy(table,
                                              api.filterpolicy_create_bloom_full(kFilterBits));
    api.options_set_block_based_table_factory(options_, table);
    api.block_based_options_destroy(table);
    Failure failure;
    database_ = api.open(options_, (setup.directory / "rocksdb").c_str(), failure.out());
    if (database_ == nullptr) destroy();
    failure.require("open");
  }
  ~RocksEngine() override {
    rocks().close(database_);
    destroy();
  }
  RocksEngine(const RocksEngine&) = delete;
  RocksEngine& operator=(const RocksEngine&) = delete;

  std::unique_ptr<Session> session() override { return std::make_unique<RocksSession>(database_); }
  // Compactions may go on: RocksDB has no end of them to wait for.
  void settle() override {
    Failure failure;
    rocksdb_flushoptions_t* const flush = rocks().flushoptions_create();
    rocks().flush(database_, flush, failure.out());
    rocks().flushoptions_destroy(flush);
    failure.require("flush");
  }

 private:
  void destroy() {
    rocks().cache_destroy(cache_);
    rocks().options_destroy(options_);
  }
  rocksdb_options_t* options_;
  rocksdb_cache_t* cache_ = nullptr;
  rocksdb_t* database_ = nullptr;
};

Profile rocksdb_profile(const Setup& setup) {
  return {.version = "7.8",
          .settings = {{"cipher", "none"},
                       {"block_size", "4096"},
                       {"block_cache", human_size(setup.cache_bytes)},
                       {"filter", "Bloom, 10 bits"},
                       {"compression", "its default (Snappy; the values are random)"},
                       {"commit_sync", "sync"},
                       {"commit_no_sync", "WAL without sync"}}};
}

}  // namespace

void add_rocksdb(std::vector<Kind>& kinds) {
  kinds.push_back({.name = "rocksdb",
                   .description = "RocksDB, which encrypts nothing",
                   .missing = [] { return rocks().shared.error(); },
                   .profile = rocksdb_profile,
                   .open = [](const Setup& setup) -> std::unique_ptr<Engine> {
                     return std::make_unique<RocksEngine>(setup);
                   }});
}

}  // namespace coffer::tools::bench
