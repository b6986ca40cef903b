#include "tools/record_output.hpp"

#include <fmt/format.h>

#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

void write_json_field(Output& output, std::string_view name, Bytes bytes) {
  const bool as_text = is_printable(bytes);
  output.write('"');
  output.write(name);
  output.write(as_text ? "\":" : "_hex\":");
  if (as_text) {
    output.write_json_string(bytes);
  } else {
    output.write('"');
    output.write_hex(bytes);
    output.write('"');
  }
}

}  // namespace

void write_shown_record(Output& output, const Cursor& cursor) {
  output.write_shown(cursor.key());
  output.write('\t');
  if (cursor.value_is_large()) {
    output.write(fmt::format("large:{}", cursor.value_size()));
  } else {
    output.write_shown(cursor.value());
  }
  output.write('\n');
}

void write_json_record(Output& output, const Cursor& cursor) {
  output.write('{');
  write_json_field(output, "key", cursor.key());
  output.write(',');
  if (cursor.value_is_large()) {
    output.write(fmt::format("\"value_bytes\":{}", cursor.value_size()));
  } else {
    write_json_field(output, "value", cursor.value());
  }
  output.write("}\n");
}

}  // namespace coffer::tools
