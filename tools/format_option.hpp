// --format, as import and export have it.
#pragma once

#include "tools/formats/record_format.hpp"
#include "tools/option_forms.hpp"

namespace coffer::tools {

inline void add_format_option(CLI::App& command, RecordFormat& format) {
  add_choice_option<RecordFormat>(command, "--format", format,
                                  {{"tsv", RecordFormat::tsv},
                                   {"jsonl", RecordFormat::jsonl},
                                   {"dump", RecordFormat::dump},
                                   {"dump-print", RecordFormat::dump_print}},
                                  "How the records are written")
      ->required();
}

/// True for the formats that hold several trees with their names and kinds.
[[nodiscard]] constexpr bool is_dump(RecordFormat format) {
  return format == RecordFormat::dump || format == RecordFormat::dump_print;
}

}  // namespace coffer::tools
