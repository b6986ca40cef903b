// Stands in for lmdb_contender.cpp where LMDB was not found at build time.
#include "platform/contracts.hpp"
#include "tools/bench/contender.hpp"

namespace coffer::tools::bench {

bool has_lmdb() {
  return false;
}

std::unique_ptr<Contender> make_lmdb(const std::filesystem::path&, StoreSize) {
  Expects(has_lmdb());
  return nullptr;
}

Profile lmdb_profile() {
  Expects(has_lmdb());
  return {};
}

}  // namespace coffer::tools::bench
