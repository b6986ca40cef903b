// A snapshot, or an increment of one, as it is written: slots are collected into groups, and a second thread seals
// and writes a group while the next one is being filled.
//
// Invariants
//   A1  Only ciphertext passes through here (in suite none: what is plaintext on the disk anyway).
//   A2  Groups are sealed and written in the order in which they were filled, by one thread.
//   A3  What fails in that thread is raised in the caller's, at the next group or at the end.
#pragma once

#include <memory>
#include <vector>

#include "backup/ancestor.hpp"
#include "backup/backup_key.hpp"
#include "backup/piece_writer.hpp"
#include "backup/slot_sink.hpp"
#include "backup/snapshot_format.hpp"
#include "crypto/chunk_stream.hpp"
#include "pager/superblock.hpp"
#include "platform/locked_heap.hpp"
#include "platform/second_thread.hpp"

namespace coffer::backup {

/// What stands in front of the slots.
struct Manifest {
  bool verified = false;  ///< all that the archive holds was, when it was made
  ParentMark parent{};    ///< zero in a full snapshot
  pager::Superblock superblock{};
};

/// Slots on their way into the archive.
struct SlotGroup {
  std::vector<std::byte> slots;  ///< a full group's, and what did not fit into it
  std::vector<pager::SlotRun> runs;
  std::uint32_t count = 0;
};

class SnapshotWriter final : public SlotSink {
 public:
  /// Writes header and manifest.  Everything outlives the writer.
  SnapshotWriter(platform::File& file, BackupHeader header, const Manifest& manifest,
                 platform::LockedHeap& heap);
  [[nodiscard]] std::span<std::byte> room(std::uint32_t slots) override;
  void took(std::span<const pager::SlotRun> runs) override;
  /// Ends the archive: all of it is with the operating system.  The file's length.
  std::uint64_t finish();

 private:
  void took_one(pager::SlotRun run);
  /// Hands the full group over and goes on with an empty one, which begins with what was too much.
  void next_group();
  /// Once the other group is back from the thread.
  void hand_over();
  void seal(const SlotGroup& group);

  const std::uint32_t page_bytes_;
  const std::uint32_t group_slots_;
  PieceWriter file_;  ///< the thread's
  BackupHeader header_;
  crypto::ChunkSealer sealer_;
  std::vector<std::byte> sealed_;  ///< the thread's
  std::uint64_t slots_ = 0;        ///< in groups that were handed over
  SlotGroup group_;                ///< being filled
  SlotGroup other_;                ///< being sealed and written, or empty
  platform::SecondThread thread_;
};

}  // namespace coffer::backup
