// LMDB, as its documentation advises: one environment, the read transaction renewed rather than
// made anew.  Records stand in the unnamed database, which spares its commits the page that names
// another.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <lmdb.h>

#include <optional>

#include "tools/bench/engines/engine.hpp"

namespace coffer::tools::bench {
namespace {

void require_success(int result, const char* call) {
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
std::size_t map_bytes(const Setup& setup) {
  return (std::size_t{1} << 30) + setup.records_max * 2048 + setup.bytes_max * 4;
}

class LmdbEngine;

class LmdbSession final : public Session {
 public:
  explicit LmdbSession(LmdbEngine& engine);
  ~LmdbSession() override {
    if (writing_ != nullptr) mdb_txn_abort(writing_);
    if (reading_ != nullptr) mdb_txn_abort(reading_);
  }

  void begin_write(Sync sync) override;
  void put(Bytes key, Bytes value) override;
  void commit() override;

  void begin_read() override;
  void get(Bytes key, Digest& digest) override {
    if (const auto value = find(key)) digest.add(key, as_bytes(*value));
  }
  void get_large(Bytes key, const std::function<void(Bytes)>& piece) override {
    if (const auto value = find(key)) piece(as_bytes(*value));
  }
  void scan(const Scan& scan, Digest& digest) override;
  void end_read() override { mdb_txn_reset(reading_); }

 private:
  std::optional<MDB_val> find(Bytes key);

  LmdbEngine& engine_;
  MDB_txn* writing_ = nullptr;
  MDB_txn* reading_ = nullptr;
};

class LmdbEngine final : public Engine {
 public:
  explicit LmdbEngine(const Setup& setup) {
    require_success(mdb_env_create(&environment_), "mdb_env_create");
    try {
      require_success(mdb_env_set_mapsize(environment_, map_bytes(setup)), "mdb_env_set_mapsize");
      require_success(mdb_env_open(environment_, setup.directory.string().c_str(), 0, 0600),
                      "mdb_env_open");
      MDB_txn* writing = nullptr;
      require_success(mdb_txn_begin(environment_, nullptr, 0, &writing), "mdb_txn_begin");
      const int opened = mdb_dbi_open(writing, nullptr, 0, &database_);
      require_success(mdb_txn_commit(writing), "mdb_txn_commit");
      require_success(opened, "mdb_dbi_open");
    } catch (...) {
      mdb_env_close(environment_);
      throw;
    }
  }
  ~LmdbEngine() override { mdb_env_close(environment_); }
  LmdbEngine(const LmdbEngine&) = delete;
  LmdbEngine& operator=(const LmdbEngine&) = delete;

  std::unique_ptr<Session> session() override { return std::make_unique<LmdbSession>(*this); }
  void settle() override { require_success(mdb_env_sync(environment_, 1), "mdb_env_sync"); }

  // The environment's, so that it is changed seldom: all threads of a workload want the same.  Called by the one
  // that has the write transaction.
  void set_sync(Sync sync) {
    if ((sync == Sync::no) == no_sync_) return;
    no_sync_ = !no_sync_;
    require_success(mdb_env_set_flags(environment_, MDB_NOSYNC, no_sync_ ? 1 : 0),
                    "mdb_env_set_flags");
  }

  [[nodiscard]] MDB_env* environment() const { return environment_; }
  [[nodiscard]] MDB_dbi database() const { return database_; }

 private:
  MDB_env* environment_ = nullptr;
  MDB_dbi database_ = 0;
  bool no_sync_ = false;
};

LmdbSession::LmdbSession(LmdbEngine& engine) : engine_(engine) {}

void LmdbSession::begin_write(Sync sync) {
  require_success(mdb_txn_begin(engine_.environment(), nullptr, 0, &writing_), "mdb_txn_begin");
  engine_.set_sync(sync);
}

void LmdbSession::put(Bytes key, Bytes value) {
  MDB_val k = as_mdb(key);
  MDB_val v = as_mdb(value);
  require_success(mdb_put(writing_, engine_.database(), &k, &v, 0), "mdb_put");
}

void LmdbSession::commit() {
  MDB_txn* const ending = std::exchange(writing_, nullptr);  // freed also when it fails
  require_success(mdb_txn_commit(ending), "mdb_txn_commit");
}

// Made by the thread that reads: LMDB ties a read transaction to its thread.
void LmdbSession::begin_read() {
  if (reading_ != nullptr) {
    require_success(mdb_txn_renew(reading_), "mdb_txn_renew");
  } else {
    require_success(mdb_txn_begin(engine_.environment(), nullptr, MDB_RDONLY, &reading_),
                    "mdb_txn_begin");
  }
}

std::optional<MDB_val> LmdbSession::find(Bytes key) {
  MDB_val k = as_mdb(key);
  MDB_val v{};
  const int result = mdb_get(reading_, engine_.database(), &k, &v);
  if (result == MDB_NOTFOUND) return std::nullopt;
  require_success(result, "mdb_get");
  return v;
}

void LmdbSession::scan(const Scan& scan, Digest& digest) {
  MDB_cursor* cursor = nullptr;
  require_success(mdb_cursor_open(reading_, engine_.database(), &cursor), "mdb_cursor_open");
  MDB_val k = as_mdb(scan.from);
  MDB_val v{};
  const MDB_cursor_op first = scan.reverse        ? MDB_LAST
                              : scan.from.empty() ? MDB_FIRST
                                                  : MDB_SET_RANGE;
  int result = mdb_cursor_get(cursor, &k, &v, first);
  for (std::uint64_t left = scan.records_max; result == MDB_SUCCESS && left > 0; --left) {
    digest.add(as_bytes(k), as_bytes(v));
    if (left > 1) result = mdb_cursor_get(cursor, &k, &v, scan.reverse ? MDB_PREV : MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (result != MDB_NOTFOUND) require_success(result, "mdb_cursor_get");
}

Profile lmdb_profile() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  mdb_version(&major, &minor, &patch);
  return {.version = fmt::format("{}.{}.{}", major, minor, patch),
          .settings = {{"cipher", "none"},
                       {"page_size", "4096"},
                       {"cache", "the system's page cache, without a bound"},
                       {"flags", "none (read-ahead on)"},
                       {"commit_sync", "default (fdatasync)"},
                       {"commit_no_sync", "MDB_NOSYNC (a power cut may damage the store)"}}};
}

}  // namespace

void add_lmdb(std::vector<Kind>& kinds) {
  kinds.push_back({.name = "lmdb",
                   .description = "LMDB, which encrypts nothing",
                   .missing = [] { return std::string(); },
                   .profile = [](const Setup&) { return lmdb_profile(); },
                   .open = [](const Setup& setup) -> std::unique_ptr<Engine> {
                     return std::make_unique<LmdbEngine>(setup);
                   }});
}

}  // namespace coffer::tools::bench
