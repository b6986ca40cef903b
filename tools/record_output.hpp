// One entry of a tree on a line of standard output.
#pragma once

#include <coffer/tree.hpp>

#include "tools/output.hpp"

namespace coffer::tools {

/// `KEY<TAB>VALUE`, both as text_form.hpp shows bytes.  In place of a large value stands
/// `large:<bytes>`; `coffer get` gives it.
void write_shown_record(Output& output, const Cursor& cursor);

/// A JSON object with `key` and `value` as text, or `key_hex` and `value_hex` for what is not printable
/// UTF-8.  For a large value there is `value_bytes` alone, its length.
void write_json_record(Output& output, const Cursor& cursor);

}  // namespace coffer::tools
