// The import formats: any text, given in pieces of any length; what was read and is written reads the same again.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <coffer/error.hpp>

#include "tools/formats/record_format.hpp"

namespace coffer::tools {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

ByteSource source_of(const std::string& text, std::size_t piece) {
  return [&text, piece, at = std::size_t{0}](std::span<std::byte> out) mutable {
    const std::size_t length = std::min({piece, out.size(), text.size() - at});
    if (length != 0) std::memcpy(out.data(), text.data() + at, length);
    at += length;
    return length;
  };
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What is read before the end or an error; whether it came to the end.
bool read(RecordFormat format, const std::string& text, std::size_t piece, Records& records,
          RecordHeader& first) {
  try {
    const auto reader = make_record_reader(format, source_of(text, piece), "input");
    bool at_first = true;
    for (RecordHeader header; reader->begin(header); at_first = false) {
      if (at_first) first = header;
      for (std::span<const std::byte> key, value; reader->next(key, value);) {
        records.emplace_back(text_of(key), text_of(value));
      }
    }
    return true;
  } catch (const InvalidArgument&) {
    return false;
  }
}

}  // namespace
}  // namespace coffer::tools

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::tools;
  FuzzedDataProvider input(data, size);
  const auto format = static_cast<RecordFormat>(input.ConsumeIntegralInRange<int>(0, 3));
  const std::size_t piece = input.ConsumeIntegralInRange<std::size_t>(1, 300);
  const std::string text = input.ConsumeRemainingBytesAsString();
  Records records;
  RecordHeader header;
  const bool whole = read(format, text, piece, records, header);
  // How the text is cut into pieces does not matter.
  Records at_once;
  RecordHeader header_at_once;
  if (read(format, text, 1 << 20, at_once, header_at_once) != whole || at_once != records)
    std::abort();
  if (!whole || header.options.integer_keys) return 0;

  std::string written;
  Records again;
  RecordHeader header_again;
  const auto writer =
      make_record_writer(format, [&](coffer::Bytes bytes) { written += bytes.text(); });
  try {
    writer->begin(header);
    for (const auto& [key, value] : records) {
      writer->record(std::as_bytes(std::span(key)), std::as_bytes(std::span(value)));
    }
    writer->end();
  } catch (const coffer::InvalidArgument&) {
    return 0;  // the format cannot hold it
  }
  if (!read(format, written, piece, again, header_again) || again != records) std::abort();
  return 0;
}
