// What a store says of itself.  All sizes in bytes unless the name says otherwise.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coffer {

/// A reader that is open now.
struct ReaderInfo {
  std::uint64_t commit = 0;         ///< the commit that it sees
  std::chrono::milliseconds age{};  ///< since it began
};

struct Statistics {
  bool encrypted = false;
  std::uint32_t format_version = 0;
  std::uint32_t page_size = 0;
  std::uint64_t last_commit = 0;  ///< newest commit, durable or not
  std::uint64_t durable_commit = 0;
  std::uint64_t checkpoint = 0;         ///< number of the last checkpoint
  std::uint64_t checkpoint_commit = 0;  ///< last commit that it contains
  std::uint64_t logical_pages = 0;      ///< in use at the last checkpoint
  std::uint64_t page_file_bytes = 0;    ///< without what was grown and never used
  std::uint64_t free_slots = 0;         ///< of `page_size` each, reusable now
  std::uint64_t pinned_slots =
      0;  ///< kept only because a snapshot is being made of an earlier checkpoint that has them
  std::uint64_t held_slots =
      0;  ///< kept for readers, the journal, a checkpoint or the open write transaction
  std::uint64_t journal_bytes = 0;  ///< since the last checkpoint
  std::uint64_t journal_file_bytes = 0;
  std::uint64_t write_buffer_bytes = 0;  ///< sealed pages waiting in memory
  std::uint64_t table_cache_bytes = 0;
  std::uint64_t locked_bytes = 0;  ///< by this process, in Coffer's account
  std::uint64_t locked_bytes_store =
      0;  ///< its frames and chunk buffers; small buffers and keys besides
  std::uint64_t locked_bytes_max = 0;
  std::uint64_t plaintext_pages = 0;  ///< decrypted now
  std::uint64_t failed_locks = 0;
  bool proceeding_unlocked = false;  ///< plaintext is in unlocked memory (proceed_unlocked)
  std::uint64_t pages_opened = 0;    ///< decryptions of pages since open
  std::uint64_t pages_sealed = 0;
  std::uint64_t syncs = 0;
  bool poisoned = false;
  std::vector<ReaderInfo> readers;  ///< oldest first
};

/// One tree, as the catalog has it.
struct TreeInfo {
  std::string name;  ///< tree names are not secret from the caller who holds the key
  bool multi_value = false;
  bool integer_keys = false;
};

/// What `Store::check` looked at.  It throws at the first thing that is wrong.
struct CheckReport {
  std::uint32_t page_size = 0;      ///< bytes in a slot
  std::uint64_t logical_pages = 0;  ///< opened and verified
  std::uint64_t table_nodes = 0;
  std::uint64_t free_map_nodes = 0;
  std::uint64_t value_chunks = 0;  ///< of large values, opened and verified
  std::uint64_t trees = 0;
  std::uint64_t entries = 0;  ///< in all trees
  std::uint64_t slots_used = 0;
  std::uint64_t slots_free = 0;
  std::uint64_t bytes_verified = 0;
  std::chrono::milliseconds elapsed{};
};

}  // namespace coffer
