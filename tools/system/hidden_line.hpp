// A line that is typed and not shown.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace coffer::tools {

/// Asks on the terminal of standard input and puts the line that is typed, in UTF-8 and without its end, into
/// `line`; returns its length.  The terminal shows what is typed again afterwards, also when a signal ends the
/// command in between.  UsageError when the terminal cannot hide it, or when more is typed than `line` holds.
[[nodiscard]] std::size_t read_hidden_line(std::string_view prompt, std::span<std::byte> line);

}  // namespace coffer::tools
