// What the tests of record formats share: texts to records and back, and random records.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/formats/record_format.hpp"

namespace coffer::tools::formats_test {

using Record = std::pair<std::string, std::string>;
using Records = std::vector<Record>;

struct Section {
  RecordHeader header;
  Records records;
};

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

inline std::string string_of(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline std::string write(RecordFormat format, const Records& records,
                         const RecordHeader& header = {}) {
  std::string text;
  const auto writer = make_record_writer(format, [&](Bytes bytes) { text += bytes.text(); });
  writer->begin(header);
  for (const Record& r : records) writer->record(bytes_of(r.first), bytes_of(r.second));
  writer->end();
  return text;
}

// Gives the text away `piece` bytes at a time.
inline ByteSource source_of(std::string text, std::size_t piece) {
  return [text = std::move(text), piece, at = std::size_t{0}](std::span<std::byte> out) mutable {
    const std::size_t length = std::min({piece, out.size(), text.size() - at});
    std::memcpy(out.data(), text.data() + at, length);
    at += length;
    return length;
  };
}

inline std::vector<Section> read(RecordFormat format, const std::string& text,
                                 std::size_t piece = 100000) {
  const auto reader = make_record_reader(format, source_of(text, piece), "records.txt");
  std::vector<Section> sections;
  for (RecordHeader header; reader->begin(header);) {
    Section& section = sections.emplace_back(Section{header, {}});
    for (std::span<const std::byte> key, value; reader->next(key, value);) {
      section.records.emplace_back(string_of(key), string_of(value));
    }
  }
  return sections;
}

inline Records read_one(RecordFormat format, const std::string& text, std::size_t piece = 100000) {
  const std::vector<Section> sections = read(format, text, piece);
  REQUIRE(sections.size() == 1);
  return sections[0].records;
}

inline std::string random_bytes(std::mt19937_64& random, std::size_t length,
                                bool with_backslash = true) {
  std::string bytes(length, '\0');
  for (char& c : bytes) {
    do {
      c = static_cast<char>(random() >> 13);
      if (random() % 3 == 0) c = static_cast<char>('a' + random() % 26);
    } while (c == '\\' && !with_backslash);
  }
  return bytes;
}

inline Records random_records(std::mt19937_64& random, std::size_t count, std::size_t key_min = 0) {
  Records records;
  for (std::size_t i = 0; i < count; ++i) {
    records.emplace_back(random_bytes(random, key_min + random() % 60),
                         random_bytes(random, random() % 400));
  }
  return records;
}

}  // namespace coffer::tools::formats_test
