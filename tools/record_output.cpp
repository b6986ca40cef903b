#include "tools/record_output.hpp"

#include <fmt/format.h>

#include "platform/contracts.hpp"

namespace coffer::tools {
namespace {

// How the line of an empty value ends.
constexpr std::string_view kEmptyValueEnd = "\"value\":\"\"}\n";

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

JsonRecords::JsonRecords(Output& output)
    : output_(output),
      writer_(make_record_writer(RecordFormat::jsonl, [this](Bytes line) { take(line); })) {}

void JsonRecords::write(const Cursor& cursor) {
  const bool large = cursor.value_is_large();
  if (large) large_value_size_ = cursor.value_size();
  writer_->record(cursor.key(), large ? Bytes() : cursor.value());
  large_value_size_.reset();
}

void JsonRecords::take(Bytes line) {
  if (!large_value_size_) {
    output_.write(line);
    return;
  }
  // The line as it would be for an empty value, with its last member exchanged.
  Ensures(line.text().ends_with(kEmptyValueEnd));
  output_.write(Bytes(line.first(line.size() - kEmptyValueEnd.size())));
  output_.write(fmt::format("\"value_bytes\":{}}}\n", *large_value_size_));
}

}  // namespace coffer::tools
