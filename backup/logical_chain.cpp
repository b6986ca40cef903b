// See logical_chain.hpp.
#include "backup/logical_chain.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "backup/chain_order.hpp"
#include "backup/into_store.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::backup {

LogicalChain::LogicalChain(platform::Platform& platform, const std::vector<platform::Path>& files,
                           const Key* key, platform::LockPolicy policy, const BackupWatch& watch)
    : platform_(platform),
      key_(key),
      policy_(policy),
      watch_(watch),
      chunks_(chunks_that_fit(platform.memory())),
      heap_(platform.memory(), reader_heap_bytes(chunks_) + kRecordHeapBytes + kPlaceHeapBytes,
            policy, "a backup") {
  Expects(!files.empty());
  for (const platform::Path& path : files) open(path);
  expect_order();
}

void LogicalChain::open(const platform::Path& path) {
  if (!platform_.files().exists(path)) {
    throw InvalidArgument(fmt::format("there is no backup {}", path.string()));
  }
  const auto file = platform_.files().open(path, platform::OpenMode::read_only);
  BackupHeader header = open_header(platform_, read_header(*file), key_, heap_, policy_, path,
                                    links_.empty() ? nullptr : &links_.back().header);
  Link link{path, {}, {}, file->size()};
  link.header = {header.bytes, header.label, header.keys, header.suite, {}};
  // What is read here is read again with the rest; it does not count.
  const BackupWatch nobody;
  Pace pace(platform_.clock(), nobody, 0, 0);
  ChunkedReader reader(*file, std::move(header), heap_, pace, kLeastChunks);
  link.origin = read_origin(reader);
  links_.push_back(std::move(link));
}

void LogicalChain::expect_order() const {
  std::vector<ChainPlace> places;
  for (const Link& link : links_) {
    places.push_back({link.path, link.header.label, link.origin.store});
  }
  expect_chain(places);
  for (std::size_t i = 1; i < links_.size(); ++i) {
    const Link& link = links_[i];
    if (link.origin.parent_header == context_of(links_[i - 1].header) ||
        planted(Mutation::skip_parent_check)) {
      continue;
    }
    // The labels fit, and they are authentic: this was put together by somebody.
    raise_damaged_backup(link.header.suite, link.path,
                         fmt::format("it verifies, and names {} as its parent, but is of another "
                                     "backup with that name",
                                     links_[i - 1].path.string()));
  }
}

std::uint64_t LogicalChain::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const Link& link : links_) bytes += link.file_bytes;
  return bytes;
}

BackupReport LogicalChain::read(RecordSink& sink) {
  Pace pace(platform_.clock(), watch_, file_bytes(), 0);
  BackupReport report;
  std::uint64_t entries = 0;
  for (const Link& link : links_) {
    const auto file = platform_.files().open(link.path, platform::OpenMode::read_only);
    auto bytes = read_header(*file);
    if (bytes != link.header.bytes) {
      throw Conflict(fmt::format("{} was replaced while it was being read", link.path.string()));
    }
    ChunkedReader reader(
        *file,
        open_header(platform_, std::move(bytes), key_, heap_, policy_, link.path, &link.header),
        heap_, pace, chunks_);
    report = read_records(reader, heap_, pace, sink);
    entries += report.entries;
  }
  report.entries = entries;
  report.bytes = file_bytes();
  pace.finish();
  return report;
}

}  // namespace coffer::backup
