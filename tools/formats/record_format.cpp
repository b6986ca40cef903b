#include "tools/formats/record_format.hpp"

#include "tools/formats/formats.hpp"

namespace coffer::tools {

std::optional<RecordFormat> record_format(std::string_view name) {
  if (name == "tsv") return RecordFormat::tsv;
  if (name == "jsonl") return RecordFormat::jsonl;
  if (name == "dump") return RecordFormat::dump;
  if (name == "dump-print") return RecordFormat::dump_print;
  return std::nullopt;
}

std::unique_ptr<RecordReader> make_record_reader(RecordFormat format, ByteSource source,
                                                 std::string file_name) {
  switch (format) {
    case RecordFormat::tsv:
      return make_tsv_reader(std::move(source), std::move(file_name));
    case RecordFormat::jsonl:
      return make_jsonl_reader(std::move(source), std::move(file_name));
    case RecordFormat::dump:
    case RecordFormat::dump_print:
      break;
  }
  return make_dump_reader(std::move(source), std::move(file_name));
}

std::unique_ptr<RecordWriter> make_record_writer(RecordFormat format, ByteSink sink) {
  switch (format) {
    case RecordFormat::tsv:
      return make_tsv_writer(std::move(sink));
    case RecordFormat::jsonl:
      return make_jsonl_writer(std::move(sink));
    case RecordFormat::dump:
      return make_dump_writer(std::move(sink), false);
    case RecordFormat::dump_print:
      break;
  }
  return make_dump_writer(std::move(sink), true);
}

}  // namespace coffer::tools
