// See survivors.hpp.
#include "tests/campaign/process/survivors.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "tests/hard/workload.hpp"

namespace coffer::campaign::process {

bool carries_commits(std::string_view name) {
  return name == "pages" || name == "superblock" ||
         (name.starts_with("journal-") && name != "journal-new");
}

std::uint64_t expect_survivors(const std::filesystem::path& path,
                               const hard::Acknowledged& acknowledged, Opening opening) try {
  Options options;
  options.read_only = opening == Opening::read_only;
  if (!acknowledged.anchor.empty()) options.anchor = hard::to_anchor(acknowledged.anchor);
  Store store = Store::open(path, hard::test_key(), options);
  static_cast<void>(store.check());
  auto transaction = store.read();
  const std::uint64_t shown = hard::last_in(transaction);
  if (shown < acknowledged.number || shown > acknowledged.number + 1) {
    throw std::logic_error(fmt::format("the store shows commit {}", shown));
  }
  hard::expect_state(transaction, shown);
  return shown;
} catch (const std::exception& error) {
  throw std::runtime_error(fmt::format("after commit {} was acknowledged: {} ({})",
                                       acknowledged.number, error.what(),
                                       opening == Opening::read_only ? "read-only" : "writable"));
}

}  // namespace coffer::campaign::process
