#include <algorithm>

#include "platform/contracts.hpp"
#include "tools/bench/engines/engine.hpp"

namespace coffer::tools::bench {
namespace {

std::filesystem::path peers_directory;

std::vector<Kind> all_kinds() {
  std::vector<Kind> all;
  add_coffer(all);
  add_lmdb(all);
  add_sqlite(all);
  add_rocksdb(all);
  return all;
}

}  // namespace

const std::filesystem::path& peers() {
  return peers_directory;
}

void look_for_peers_in(const std::filesystem::path& directory) {
  peers_directory = directory;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = all_kinds();
  return all;
}

const Kind& kind_named(const std::string& name) {
  const auto found = std::ranges::find(kinds(), name, &Kind::name);
  Expects(found != kinds().end());
  return *found;
}

}  // namespace coffer::tools::bench
