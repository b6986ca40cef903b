// The record formats' classes; others use record_format.hpp.
#pragma once

#include <memory>
#include <string>

#include "tools/formats/record_format.hpp"

namespace coffer::tools {

[[nodiscard]] std::unique_ptr<RecordReader> make_tsv_reader(ByteSource source,
                                                            std::string file_name);
[[nodiscard]] std::unique_ptr<RecordWriter> make_tsv_writer(ByteSink sink);
[[nodiscard]] std::unique_ptr<RecordReader> make_jsonl_reader(ByteSource source,
                                                              std::string file_name);
[[nodiscard]] std::unique_ptr<RecordWriter> make_jsonl_writer(ByteSink sink);
[[nodiscard]] std::unique_ptr<RecordReader> make_dump_reader(ByteSource source,
                                                             std::string file_name);
[[nodiscard]] std::unique_ptr<RecordWriter> make_dump_writer(ByteSink sink, bool print);

}  // namespace coffer::tools
