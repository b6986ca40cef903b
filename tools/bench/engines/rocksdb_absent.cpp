// Stands in for rocksdb_engine.cpp where RocksDB's header was not found at build time.
#include "tools/bench/engines/engine.hpp"

namespace coffer::tools::bench {

void add_rocksdb(std::vector<Kind>& kinds) {
  kinds.push_back({.name = "rocksdb",
                   .description = "RocksDB",
                   .missing = [] { return std::string("built without librocksdb-dev"); },
                   .profile = {},
                   .open = {}});
}

}  // namespace coffer::tools::bench
