// Names of segment files, and where in them a position lies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/journal.hpp"

namespace coffer::journal {

/// `journal-<16 hex digits>`.
[[nodiscard]] std::string segment_name(std::uint64_t index);
/// The index in a segment's name; nothing for any other name.
[[nodiscard]] std::optional<std::uint64_t> segment_index(std::string_view name);

[[nodiscard]] platform::Path segment_path(const JournalFiles& files, std::uint64_t index);
/// Indices of the segments that exist, in order.  Those whose positions no integer holds are not
/// ours and are left out.
[[nodiscard]] std::vector<std::uint64_t> list_segments(const JournalFiles& files);

/// Ends the process when `files` is not what a journal needs.
void check_journal_files(const JournalFiles& files);

}  // namespace coffer::journal
