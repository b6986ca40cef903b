// Stands in for sqlite_engine.cpp where SQLite's header was not found at build time.
#include "tools/bench/engines/engine.hpp"

namespace coffer::tools::bench {

void add_sqlite(std::vector<Kind>& kinds) {
  for (const char* const name :
       {"sqlite", "sqlcipher", "sqlcipher-64m", "sqlite3mc", "sqlite3mc-64m"}) {
    kinds.push_back({.name = name,
                     .description = "SQLite or a descendant of it",
                     .missing = [] { return std::string("built without libsqlite3-dev"); },
                     .profile = {},
                     .open = {}});
  }
}

}  // namespace coffer::tools::bench
