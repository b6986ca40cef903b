// See ancestor.hpp.
#include "backup/ancestor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>

namespace coffer::backup {

ParentMark mark_of(const pager::Superblock& superblock) {
  return {superblock.checkpoint, pager::identity_of(superblock)};
}

void raise_other_copy(const platform::Path& path) {
  throw InvalidArgument(
      fmt::format("{} was made of another copy of this store (before a restore, or after one): "
                  "begin with a full backup of this one",
                  path.string()));
}

void expect_ancestor(const pager::Superblock& now, const std::array<std::byte, 16>& instance,
                     const ParentMark& then, const platform::Path& path) {
  if (instance != now.instance) raise_other_copy(path);
  const pager::Mark mark{then.checkpoint, then.identity};
  if (std::ranges::find(now.marks, mark) == now.marks.end()) {
    throw InvalidArgument(fmt::format(
        "the store does not remember {} (it knows its last {} backups that can be parents, and not "
        "those of a copy that went another way): name a newer one, or begin with a full backup",
        path.string(), pager::kMarksMax));
  }
}

}  // namespace coffer::backup
