// See snapshot_chain.hpp.
#include "backup/snapshot_chain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>

#include "backup/chain_order.hpp"
#include "backup/chunked_file.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::backup {
SnapshotChain::SnapshotChain(platform::Platform& platform, const std::vector<platform::Path>& files,
                             const Key* key, platform::LockPolicy policy)
    : platform_(platform),
      key_(key),
      policy_(policy),
      heap_(platform.memory(), kStreamKeysHeapBytes, policy, "a backup") {
  Expects(!files.empty());
  for (const platform::Path& path : files) {
    if (!platform.files().exists(path)) {
      throw InvalidArgument(fmt::format("there is no backup {}", path.string()));
    }
    const auto file = platform.files().open(path, platform::OpenMode::read_only);
    BackupHeader header = open_header(platform, read_header(*file), key, heap_, policy, path,
                                      links_.empty() ? nullptr : &links_.back().header);
    Link link{path, {}, {}, file->size()};
    link.header = {header.bytes, header.label, header.keys, header.suite, {}};
    SnapshotReader reader(*file, std::move(header), heap_);
    link.header.bytes = reader.header().bytes;
    link.manifest = reader.manifest();
    links_.push_back(std::move(link));
  }
  std::vector<ChainPlace> places;
  for (const Link& link : links_) {
    places.push_back({link.path, link.header.label, link.header.keys->store_id()});
  }
  expect_chain(places);
  for (std::size_t i = 1; i < links_.size(); ++i) expect_follows(links_[i], links_[i - 1]);
}

std::unique_ptr<OpenLink> SnapshotChain::open(std::size_t i) {
  const Link& link = links_[i];
  auto file = platform_.files().open(link.path, platform::OpenMode::read_only);
  auto bytes = read_header(*file);
  if (bytes != link.header.bytes) {
    throw Conflict(fmt::format("{} was replaced while it was being read", link.path.string()));
  }
  BackupHeader header =
      open_header(platform_, std::move(bytes), key_, heap_, policy_, link.path, &link.header);
  return std::make_unique<OpenLink>(std::move(file), std::move(header), heap_);
}

void SnapshotChain::expect_follows(const Link& link, const Link& before) const {
  // From here on the labels fit, and they are authentic: what does not fit now was put together by somebody.
  if (link.manifest.parent != mark_of(before.manifest.superblock) &&
      !planted(Mutation::skip_parent_check)) {
    raise_damaged_backup(link.header.suite, link.path,
                         fmt::format("it verifies, and names {} as its parent, but is of another "
                                     "state of the store",
                                     before.path.string()));
  }
}

std::uint64_t SnapshotChain::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const Link& link : links_) bytes += link.file_bytes;
  return bytes;
}

bool SnapshotChain::verified() const {
  return std::ranges::all_of(links_, [](const Link& link) { return link.manifest.verified; });
}

}  // namespace coffer::backup
