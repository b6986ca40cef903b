// Stands in for lmdb_engine.cpp where LMDB was not found at build time.
#include "tools/bench/engines/engine.hpp"

namespace coffer::tools::bench {

void add_lmdb(std::vector<Kind>& kinds) {
  kinds.push_back({.name = "lmdb",
                   .description = "LMDB",
                   .missing = [] { return std::string("built without liblmdb-dev"); },
                   .profile = {},
                   .open = {}});
}

}  // namespace coffer::tools::bench
