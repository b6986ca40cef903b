// See snapshot_chain.hpp.
#include "backup/snapshot_chain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <coffer/error.hpp>

#include "backup/chunked_file.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

[[noreturn]] void refuse_link(const platform::Path& link, const std::string& why) {
  throw InvalidArgument(fmt::format("{} {}", link.string(), why));
}

}  // namespace

SnapshotChain::SnapshotChain(platform::Platform& platform, const std::vector<platform::Path>& files,
                             const Key* key, platform::LockPolicy policy)
    : platform_(platform),
      key_(key),
      policy_(policy),
      heap_(platform.memory(), kStreamHeapBytes, policy, "a backup") {
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
  if (const Link& first = links_.front(); is_increment(first.header.label.kind)) {
    refuse_link(first.path, fmt::format("is an increment (link {}): name the full snapshot of its "
                                        "chain first",
                                        first.header.label.link));
  }
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

/// Says what is wrong with the order of files, by their labels.
void SnapshotChain::expect_order(const Link& link, const Link& before) const {
  const Label& label = link.header.label;
  const Label& previous = before.header.label;
  for (const Link& other : links_) {
    if (&other != &link && other.header.label.id == label.id) {
      refuse_link(link.path, fmt::format("is the same backup as {}: name each link once",
                                         other.path.string()));
    }
  }
  if (!is_increment(label.kind)) {
    refuse_link(link.path, fmt::format("is a full snapshot and cannot follow {}: a chain has one, "
                                       "and begins with it",
                                       before.path.string()));
  }
  if (label.set != previous.set) {
    refuse_link(
        link.path,
        fmt::format("belongs to another chain than {}: name increments of one full snapshot",
                    before.path.string()));
  }
  if (label.link <= previous.link) {
    refuse_link(link.path, fmt::format("is link {} and comes after link {}, {}: name the "
                                       "increments in the order in which they were made",
                                       label.link, previous.link, before.path.string()));
  }
  if (label.link > previous.link + 1) {
    refuse_link(
        link.path,
        fmt::format("is link {} and follows link {}, {}: an increment between them is missing",
                    label.link, previous.link, before.path.string()));
  }
  if (label.parent != previous.id) {
    refuse_link(link.path, fmt::format("does not follow {} but another increment with that number: "
                                       "the chain was continued twice from one point",
                                       before.path.string()));
  }
}

void SnapshotChain::expect_follows(const Link& link, const Link& before) const {
  if (link.header.keys->store_id() != before.header.keys->store_id()) {
    refuse_link(link.path,
                fmt::format("is a backup of another store than {}", before.path.string()));
  }
  expect_order(link, before);
  // From here on the labels fit, and they are authentic: what does not fit now was put together by somebody.
  const pager::Superblock& then = before.manifest.superblock;
  const ParentMark expected{then.checkpoint, pager::identity_of(then)};
  if (link.manifest.parent != expected) {
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
