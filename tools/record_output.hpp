// One entry of a tree on a line of standard output.
#pragma once

#include <coffer/tree.hpp>

#include <cstdint>
#include <memory>
#include <optional>

#include "tools/formats/record_format.hpp"
#include "tools/output.hpp"

namespace coffer::tools {

/// `KEY<TAB>VALUE`, both as text_form.hpp shows bytes.  In place of a large value stands
/// `large:<bytes>`; `coffer get` gives it.
void write_shown_record(Output& output, const Cursor& cursor);

/// Lines as the format jsonl has them, so that `coffer import` takes them; but for a large value
/// there is, instead of `value`, only `value_bytes`, its length.
class JsonRecords {
 public:
  explicit JsonRecords(Output& output);
  void write(const Cursor& cursor);

 private:
  void take(Bytes line);
  Output& output_;
  std::optional<std::uint64_t> large_value_size_;
  std::unique_ptr<RecordWriter> writer_;
};

}  // namespace coffer::tools
