// The files of a store: a directory with
//   keys         the key header, two copies (crypto/key_header_format.hpp)
//   superblock   two copies (pager/superblock)
//   pages        the page file
//   journal-*    segments of the journal
//   lock         locked by whoever has the store open
#pragma once

#include <span>

#include "crypto/key_header.hpp"
#include "pager/superblock.hpp"
#include "platform/platform.hpp"

namespace coffer::txn {

struct StoreFiles {
  platform::Path directory;
  [[nodiscard]] platform::Path keys() const { return directory / "keys"; }
  [[nodiscard]] platform::Path superblock() const { return directory / "superblock"; }
  [[nodiscard]] platform::Path pages() const { return directory / "pages"; }
  [[nodiscard]] platform::Path lock() const { return directory / "lock"; }
};

/// Removes a store that nobody has open, and whatever else lies in its directory.  Never fails: what made it
/// superfluous is reported, and what is left beside a store's place harms nobody.
void remove_store(platform::FileSystem& files, const platform::Path& directory) noexcept;

/// A file of a store that is being made, synced; its name is not.
void write_new_file(platform::FileSystem& files, const platform::Path& path,
                    std::span<const std::byte> bytes);
/// Likewise both copies of its superblock.
void write_new_superblock(platform::Platform& platform, const StoreFiles& store,
                          const pager::Superblock& superblock, const crypto::KeyRing& keys);

/// Bytes of a journal segment in new stores.
inline constexpr std::uint64_t kSegmentBytes = 4ull * 1024 * 1024;

}  // namespace coffer::txn
