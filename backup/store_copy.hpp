// A new store made of slots: of an archive's, or of a live store's.
//
// Invariants
//   D1  It is built beside its place and renamed when it is whole and on the disk.
//   D2  It goes its own way from the beginning: an instance id and a key epoch of its own (docs/security.md).
#pragma once

#include <memory>
#include <vector>

#include "backup/new_file.hpp"
#include "backup/slot_sink.hpp"
#include "crypto/key_header.hpp"
#include "pager/superblock.hpp"

namespace coffer::backup {

class StoreCopy final : public SlotSink {
 public:
  /// `place` is from free_place; the page file gets room for `slots` at once (NoSpace).
  StoreCopy(platform::Platform& platform, const platform::Path& place, std::uint32_t page_bytes,
            std::uint64_t slots);

  [[nodiscard]] std::span<std::byte> room(std::uint32_t slots) override;
  void took(std::span<const pager::SlotRun> runs) override;
  void write(pager::SlotRun run, std::span<const std::byte> slots);

  /// Writes keys and superblock; all of it is on the disk when it returns.  `keys` has the key header `copy` open.
  void finish(const pager::Superblock& original, const crypto::KeyRing& keys,
              std::span<const std::byte> copy, platform::LockPolicy policy);
  [[nodiscard]] const platform::Path& beside() const { return directory_.beside(); }
  void publish() { directory_.publish(); }

 private:
  platform::Platform& platform_;
  NewDirectory directory_;
  std::uint32_t page_bytes_;
  std::unique_ptr<platform::File> pages_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;  ///< since the last hint to write back
};

/// NoSpace unless a store of that size fits where `place` shall be.
void expect_room(platform::Platform& platform, const platform::Path& place, std::uint64_t bytes);

}  // namespace coffer::backup
