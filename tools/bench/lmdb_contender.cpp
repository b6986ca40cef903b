// LMDB, as its documentation advises: one environment, the read transaction renewed rather than
// made anew.  Records stand in the unnamed database, which spares its commits the page that names
// another.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <lmdb.h>

#include "tools/bench/contender.hpp"

namespace coffer::tools::bench {
namespace {

void require(int result, const char* call) {
  if (result == MDB_SUCCESS) return;
  throw Error(
      fmt::format("LMDB: {}: {}; the figures of this run are void", call, mdb_strerror(result)));
}

MDB_val as_mdb(Bytes bytes) {
  // LMDB takes one structure for what it reads and what it gives; it does not write through this
  // one.
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}

Bytes as_bytes(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

// Sparse address space, not disk: room for every record several times over, in half-full pages and
// in those that are waiting to be reused.
std::size_t map_bytes(StoreSize size) {
  return (std::size_t{1} << 30) + size.records * 2048;
}

class LmdbContender final : public Contender {
 public:
  LmdbContender(const std::filesystem::path& directory, StoreSize size) {
    require(mdb_env_create(&environment_), "mdb_env_create");
    try {
      require(mdb_env_set_mapsize(environment_, map_bytes(size)), "mdb_env_set_mapsize");
      require(mdb_env_open(environment_, directory.string().c_str(), 0, 0600), "mdb_env_open");
      begin_write();
      require(mdb_dbi_open(writing_, nullptr, 0, &database_), "mdb_dbi_open");
      commit(Sync::yes);
      require(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading_), "mdb_txn_begin");
      mdb_txn_reset(reading_);
    } catch (...) {
      close();
      throw;
    }
  }
  ~LmdbContender() override { close(); }

  void begin_write() override {
    require(mdb_txn_begin(environment_, nullptr, 0, &writing_), "mdb_txn_begin");
  }
  void put(Bytes key, Bytes value) override {
    MDB_val k = as_mdb(key);
    MDB_val v = as_mdb(value);
    require(mdb_put(writing_, database_, &k, &v, 0), "mdb_put");
  }
  void commit(Sync sync) override {
    if ((sync == Sync::no) != no_sync_) {
      no_sync_ = !no_sync_;
      require(mdb_env_set_flags(environment_, MDB_NOSYNC, no_sync_ ? 1 : 0), "mdb_env_set_flags");
    }
    MDB_txn* const ending = std::exchange(writing_, nullptr);  // freed also when it fails
    require(mdb_txn_commit(ending), "mdb_txn_commit");
  }
  void settle() override { require(mdb_env_sync(environment_, 1), "mdb_env_sync"); }

  void begin_read() override { require(mdb_txn_renew(reading_), "mdb_txn_renew"); }
  void get(Bytes key, Digest& digest) override {
    MDB_val k = as_mdb(key);
    MDB_val v{};
    const int result = mdb_get(reading_, database_, &k, &v);
    if (result == MDB_NOTFOUND) return;
    require(result, "mdb_get");
    digest.add(key, as_bytes(v));
  }
  void scan(Digest& digest) override {
    MDB_cursor* cursor = nullptr;
    require(mdb_cursor_open(reading_, database_, &cursor), "mdb_cursor_open");
    MDB_val k{};
    MDB_val v{};
    int result = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (; result == MDB_SUCCESS; result = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
      digest.add(as_bytes(k), as_bytes(v));
    }
    mdb_cursor_close(cursor);
    if (result != MDB_NOTFOUND) require(result, "mdb_cursor_get");
  }
  void end_read() override { mdb_txn_reset(reading_); }

 private:
  void close() noexcept {
    if (writing_ != nullptr) mdb_txn_abort(writing_);
    if (reading_ != nullptr) mdb_txn_abort(reading_);
    mdb_env_close(environment_);
  }

  MDB_env* environment_ = nullptr;
  MDB_dbi database_ = 0;
  MDB_txn* writing_ = nullptr;
  MDB_txn* reading_ = nullptr;
  bool no_sync_ = false;
};

}  // namespace

bool has_lmdb() {
  return true;
}

std::unique_ptr<Contender> make_lmdb(const std::filesystem::path& directory, StoreSize size) {
  return std::make_unique<LmdbContender>(directory, size);
}

Profile lmdb_profile() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  mdb_version(&major, &minor, &patch);
  return {.name = "lmdb",
          .version = fmt::format("{}.{}.{}", major, minor, patch),
          .settings = {{"cipher", "none"},
                       {"page_size", "4096"},
                       {"flags", "none (read-ahead on)"},
                       {"commit_sync", "default (fdatasync)"},
                       {"commit_no_sync", "MDB_NOSYNC"}}};
}

}  // namespace coffer::tools::bench
