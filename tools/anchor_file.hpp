// The anchor file: a store's point in history, kept by the caller somewhere else than the store.
//
// Four lines of text, so that a person can compare two of them and a script can store them:
//
//     coffer-anchor 1
//     instance <32 hexadecimal digits>
//     commit <decimal number>
//     history <64 hexadecimal digits>
//
// It is no secret, but whoever can replace it can hide a rollback: keep it where the store's
// attacker cannot write.  It is replaced whole (new file, sync, rename), so that a crash leaves the
// old or the new one.
#pragma once

#include <coffer/options.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tools/global_options.hpp"

namespace coffer::tools {

[[nodiscard]] std::string format_anchor(const Anchor& anchor);
/// UsageError when the text is not what `format_anchor` gives.
[[nodiscard]] Anchor parse_anchor(std::string_view text);

/// The anchor that the store's history must pass through.  Nothing without --anchor-file; nothing
/// when that file does not exist and --update-anchor is to make it.  A missing file is otherwise a
/// UsageError: going on without would drop the very check that was asked for.
[[nodiscard]] std::optional<Anchor> anchor_to_require(const GlobalOptions& options);

void save_anchor(const std::filesystem::path& file, const Anchor& anchor);

}  // namespace coffer::tools
