// --format, as import and export have it.
#pragma once

#include <CLI/CLI.hpp>

#include <map>
#include <string>

#include "tools/formats/record_format.hpp"

namespace coffer::tools {

inline void add_format_option(CLI::App& command, RecordFormat& format) {
  command.add_option("--format", format, "How the records are written")
      ->required()
      ->type_name("tsv|jsonl|dump|dump-print")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, RecordFormat>{{"tsv", RecordFormat::tsv},
                                              {"jsonl", RecordFormat::jsonl},
                                              {"dump", RecordFormat::dump},
                                              {"dump-print", RecordFormat::dump_print}}));
}

/// True for the formats that hold several trees with their names and kinds.
[[nodiscard]] constexpr bool is_dump(RecordFormat format) {
  return format == RecordFormat::dump || format == RecordFormat::dump_print;
}

}  // namespace coffer::tools
