// SQLite and its two encrypting descendants, in WAL mode, through prepared statements that are kept.
//
// All three give the same names, so that each is a shared library of its own, loaded when it is measured.
#include <coffer/error.hpp>

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>

#include "tools/bench/engines/engine.hpp"
#include "tools/bench/engines/shared_library.hpp"
#include "tools/bench/file_system.hpp"

namespace coffer::tools::bench {
namespace {

struct SqliteVariant {
  const char* name;
  const char* description;
  const char* file;
  bool from_peers;  ///< made by tools/bench-peers; otherwise the system's
  const char* cipher;
  const char* key;         ///< a statement that gives the raw key; empty when there is none
  std::int64_t cache_kib;  ///< 0: as the library has it
};

#define COFFER_BENCH_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
constexpr const char* kCipherKey = "PRAGMA key = \"x'" COFFER_BENCH_KEY "'\"";
constexpr const char* kMcKey =
    "PRAGMA cipher = 'chacha20'; PRAGMA key = 'raw:" COFFER_BENCH_KEY "'";
#undef COFFER_BENCH_KEY
constexpr const char* kCipherName = "AES-256-CBC with HMAC-SHA512";
constexpr const char* kMcName = "ChaCha20-Poly1305";
constexpr std::int64_t kLargeCacheKib = 64 * 1024;

constexpr std::array kSqlites = {
    SqliteVariant{"sqlite", "SQLite (WAL) with a 64 MiB cache, which encrypts nothing",
                  "libsqlite3.so.0", false, "none", "", kLargeCacheKib},
    SqliteVariant{"sqlcipher", "SQLCipher 4 with its default cache", "libsqlcipher.so", true,
                  kCipherName, kCipherKey, 0},
    SqliteVariant{"sqlcipher-64m", "SQLCipher 4 with a 64 MiB cache", "libsqlcipher.so", true,
                  kCipherName, kCipherKey, kLargeCacheKib},
    SqliteVariant{"sqlite3mc", "SQLite3MultipleCiphers (ChaCha20) with its default cache",
                  "libsqlite3mc.so", true, kMcName, kMcKey, 0},
    SqliteVariant{"sqlite3mc-64m", "SQLite3MultipleCiphers (ChaCha20) with a 64 MiB cache",
                  "libsqlite3mc.so", true, kMcName, kMcKey, kLargeCacheKib},
};

struct Sqlite {
  explicit Sqlite(const std::filesystem::path& name) : shared(name) {
    shared.find(open, "sqlite3_open_v2");
    shared.find(close, "sqlite3_close_v2");
    shared.find(busy_timeout, "sqlite3_busy_timeout");
    shared.find(exec, "sqlite3_exec");
    shared.find(errmsg, "sqlite3_errmsg");
    shared.find(prepare, "sqlite3_prepare_v2");
    shared.find(finalize, "sqlite3_finalize");
    shared.find(reset, "sqlite3_reset");
    shared.find(step, "sqlite3_step");
    shared.find(bind_blob, "sqlite3_bind_blob64");
    shared.find(bind_int64, "sqlite3_bind_int64");
    shared.find(column_blob, "sqlite3_column_blob");
    shared.find(column_bytes, "sqlite3_column_bytes");
    shared.find(column_text, "sqlite3_column_text");
    shared.find(libversion, "sqlite3_libversion");
  }

  SharedLibrary shared;
  decltype(&sqlite3_open_v2) open = nullptr;
  decltype(&sqlite3_close_v2) close = nullptr;
  decltype(&sqlite3_busy_timeout) busy_timeout = nullptr;
  decltype(&sqlite3_exec) exec = nullptr;
  decltype(&sqlite3_errmsg) errmsg = nullptr;
  decltype(&sqlite3_prepare_v2) prepare = nullptr;
  decltype(&sqlite3_finalize) finalize = nullptr;
  decltype(&sqlite3_reset) reset = nullptr;
  decltype(&sqlite3_step) step = nullptr;
  decltype(&sqlite3_bind_blob64) bind_blob = nullptr;
  decltype(&sqlite3_bind_int64) bind_int64 = nullptr;
  decltype(&sqlite3_column_blob) column_blob = nullptr;
  decltype(&sqlite3_column_bytes) column_bytes = nullptr;
  decltype(&sqlite3_column_text) column_text = nullptr;
  decltype(&sqlite3_libversion) libversion = nullptr;
};

class Connection {
 public:
  Connection(const Sqlite& api, const SqliteVariant& variant, const std::filesystem::path& file)
      : api_(api) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int opened = api_.open(file.c_str(), &database_, flags, nullptr);
    try {
      require(opened, "open");
      if (*variant.key != '\0') run(variant.key);
      api_.busy_timeout(database_, 60'000);
      run("PRAGMA page_size = 4096");
      run("PRAGMA journal_mode = WAL");
      run("PRAGMA synchronous = FULL");
      if (variant.cache_kib != 0)
        run(fmt::format("PRAGMA cache_size = -{}", variant.cache_kib).c_str());
    } catch (...) {
      api_.close(database_);
      throw;
    }
  }
  ~Connection() {
    for (sqlite3_stmt* const statement : statements_) api_.finalize(statement);
    api_.close(database_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void run(const char* sql) { require(api_.exec(database_, sql, nullptr, nullptr, nullptr), sql); }
  /// Lives as long as the connection.
  [[nodiscard]] sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    require(api_.prepare(database_, sql, -1, &statement, nullptr), sql);
    statements_.push_back(statement);
    return statement;
  }
  void bind(sqlite3_stmt* statement, int at, Bytes bytes) {
    // It copies nothing: what is bound lives until the statement is reset.
    require(api_.bind_blob(statement, at, bytes.data(), bytes.size(), SQLITE_STATIC), "bind");
  }
  /// True while there is a row.
  [[nodiscard]] bool step(sqlite3_stmt* statement) {
    const int result = api_.step(statement);
    if (result == SQLITE_ROW) return true;
    if (result != SQLITE_DONE) require(result, "step");
    return false;
  }
  void reset(sqlite3_stmt* statement) { require(api_.reset(statement), "reset"); }
  void execute(sqlite3_stmt* statement) {
    (void)step(statement);
    reset(statement);
  }
  [[nodiscard]] Bytes column(sqlite3_stmt* statement, int at) const {
    const void* const blob = api_.column_blob(statement, at);
    return {static_cast<const std::byte*>(blob),
            static_cast<std::size_t>(api_.column_bytes(statement, at))};
  }
  [[nodiscard]] std::string text_of(const char* sql) {
    sqlite3_stmt* const statement = prepare(sql);
    std::string text;
    if (step(statement)) text = reinterpret_cast<const char*>(api_.column_text(statement, 0));
    reset(statement);
    return text;
  }
  void require(int result, const char* what) const {
    if (result == SQLITE_OK) return;
    const char* const said = database_ == nullptr ? "no memory" : api_.errmsg(database_);
    throw Error(fmt::format("SQLite: {}: {}; the figures of this run are void", what, said));
  }
  [[nodiscard]] const Sqlite& api() const { return api_; }

 private:
  const Sqlite& api_;
  sqlite3* database_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

class SqliteSession final : public Session {
 public:
  SqliteSession(const Sqlite& api, const SqliteVariant& variant, const std::filesystem::path& file)
      : connection_(api, variant, file),
        begin_write_(connection_.prepare("BEGIN IMMEDIATE")),
        begin_read_(connection_.prepare("BEGIN")),
        commit_(connection_.prepare("COMMIT")),
        put_(connection_.prepare("INSERT OR REPLACE INTO records VALUES (?, ?)")),
        get_(connection_.prepare("SELECT v FROM records WHERE k = ?")),
        scan_(connection_.prepare("SELECT k, v FROM records WHERE k >= ? ORDER BY k LIMIT ?")),
        scan_back_(connection_.prepare("SELECT k, v FROM records ORDER BY k DESC LIMIT ?")) {}

  void begin_write(Sync sync) override {
    if (sync != sync_) {
      sync_ = sync;
      connection_.run(sync == Sync::yes ? "PRAGMA synchronous = FULL"
                                        : "PRAGMA synchronous = NORMAL");
    }
    connection_.execute(begin_write_);
  }
  void put(Bytes key, Bytes value) override {
    connection_.bind(put_, 1, key);
    connection_.bind(put_, 2, value);
    connection_.execute(put_);
  }
  void commit() override { connection_.execute(commit_); }

  void begin_read() override { connection_.execute(begin_read_); }
  void get(Bytes key, Digest& digest) override {
    connection_.bind(get_, 1, key);
    if (connection_.step(get_)) digest.add(key, connection_.column(get_, 0));
    connection_.reset(get_);
  }
  void get_large(Bytes key, const std::function<void(Bytes)>& piece) override {
    connection_.bind(get_, 1, key);
    if (connection_.step(get_)) piece(connection_.column(get_, 0));
    connection_.reset(get_);
  }
  void scan(const Scan& scan, Digest& digest) override {
    sqlite3_stmt* const statement = scan.reverse ? scan_back_ : scan_;
    int at = 1;
    if (!scan.reverse) connection_.bind(statement, at++, scan.from.empty() ? Bytes("") : scan.from);
    const auto most =
        static_cast<std::int64_t>(std::min<std::uint64_t>(scan.records_max, INT64_MAX));
    connection_.require(connection_.api().bind_int64(statement, at, most), "bind");
    while (connection_.step(statement)) {
      digest.add(connection_.column(statement, 0), connection_.column(statement, 1));
    }
    connection_.reset(statement);
  }
  void end_read() override { connection_.execute(commit_); }

 private:
  Connection connection_;
  sqlite3_stmt* begin_write_;
  sqlite3_stmt* begin_read_;
  sqlite3_stmt* commit_;
  sqlite3_stmt* put_;
  sqlite3_stmt* get_;
  sqlite3_stmt* scan_;
  sqlite3_stmt* scan_back_;
  Sync sync_ = Sync::yes;
};

class SqliteEngine final : public Engine {
 public:
  SqliteEngine(const Sqlite& api, const SqliteVariant& variant, const Setup& setup)
      : api_(api),
        variant_(variant),
        file_(setup.directory / "records.sqlite"),
        connection_(api, variant, file_) {
    connection_.run(
        "CREATE TABLE IF NOT EXISTS records (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID");
  }
  std::unique_ptr<Session> session() override {
    return std::make_unique<SqliteSession>(api_, variant_, file_);
  }
  void settle() override { connection_.run("PRAGMA wal_checkpoint(TRUNCATE)"); }

 private:
  const Sqlite& api_;
  const SqliteVariant& variant_;
  std::filesystem::path file_;
  Connection connection_;
};

const Sqlite& api_of(const SqliteVariant& variant) {
  static std::vector<std::pair<std::string, std::unique_ptr<Sqlite>>> loaded;
  for (const auto& [name, api] : loaded) {
    if (name == variant.file) return *api;
  }
  std::filesystem::path path = variant.file;
  if (variant.from_peers) path = peers() / path;
  return *loaded.emplace_back(variant.file, std::make_unique<Sqlite>(path)).second;
}

std::string missing(const SqliteVariant& variant) {
  if (variant.from_peers && !std::filesystem::exists(peers() / variant.file)) {
    return fmt::format("{} has no {}; tools/bench-peers makes it", peers().string(), variant.file);
  }
  return api_of(variant).shared.error();
}

Profile profile_of(const Sqlite& api, const SqliteVariant& variant) {
  // A database without a file takes no key.
  const TemporaryDirectory directory(std::filesystem::temp_directory_path());
  Connection connection(api, variant, directory.path() / "profile");
  std::string version = api.libversion();
  if (std::string(variant.file) == "libsqlcipher.so") {
    version += ", SQLCipher " + connection.text_of("PRAGMA cipher_version");
  } else if (std::string(variant.file) == "libsqlite3mc.so") {
    version += ", " + connection.text_of("SELECT sqlite3mc_version()");
  }
  const std::string cache = connection.text_of("PRAGMA cache_size");
  return {.version = std::move(version),
          .settings = {{"cipher", variant.cipher},
                       {"page_size", "4096"},
                       {"cache_size", cache + (cache.starts_with('-') ? " (KiB)" : " (pages)")},
                       {"key", *variant.key == '\0' ? "none" : "raw"},
                       {"journal_mode", "WAL"},
                       {"commit_sync", "synchronous=FULL"},
                       {"commit_no_sync", "synchronous=NORMAL"}}};
}

}  // namespace

void add_sqlite(std::vector<Kind>& kinds) {
  for (const SqliteVariant& variant : kSqlites) {
    kinds.push_back(
        {.name = variant.name,
         .description = variant.description,
         .missing = [&variant] { return missing(variant); },
         .profile = [&variant](const Setup&) { return profile_of(api_of(variant), variant); },
         .open = [&variant](const Setup& setup) -> std::unique_ptr<Engine> {
           return std::make_unique<SqliteEngine>(api_of(variant), variant, setup);
         }});
  }
}

}  // namespace coffer::tools::bench
