// What must be there after a crash, given what was acknowledged.
#pragma once

#include <coffer/coffer.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/hard/acknowledged.hpp"

namespace coffer::campaign::process {

enum class Opening { read_only, writable };

/// Opens the store with the last anchor that was acknowledged, checks all of it and compares it with the one commit
/// that it may show: the last acknowledged one, or the one that was under way then.  Gives the commit that it shows;
/// throws when something is not as it must be.
[[nodiscard]] std::uint64_t expect_survivors(const std::filesystem::path& store,
                                             const hard::Acknowledged& acknowledged,
                                             Opening opening);

}  // namespace coffer::campaign::process
