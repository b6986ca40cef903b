// What must be there after a crash, given what was acknowledged.
#pragma once

#include <coffer/coffer.hpp>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "tests/hard/acknowledged.hpp"

namespace coffer::campaign::process {

/// Does durability depend on a file of this name?  Not on a directory, nor on a segment of the journal that is being
/// made: when a sync of these fails, what was to use them is not done.
[[nodiscard]] bool carries_commits(std::string_view name);

enum class Opening { read_only, writable };

/// Opens the store with the last anchor that was acknowledged, checks all of it and compares it with the one commit
/// that it may show: the last acknowledged one, or the one that was under way then.  Gives the commit that it shows;
/// throws when something is not as it must be.
[[nodiscard]] std::uint64_t expect_survivors(const std::filesystem::path& store,
                                             const hard::Acknowledged& acknowledged,
                                             Opening opening);

}  // namespace coffer::campaign::process
