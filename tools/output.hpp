// Standard output, through one buffer in locked memory that is wiped after every write.
//
// Writes go to the descriptor itself: the C++ and C streams keep copies of what passes through
// them.
#pragma once

#include <coffer/bytes.hpp>

#include <cstdint>
#include <string_view>

#include "tools/scratch.hpp"

namespace coffer::tools {

class Output {
 public:
  explicit Output(Scratch& scratch) : buffer_(scratch.allocate(kChunkBytes)) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// IoError when the descriptor takes no more, OutputClosed when its reader is gone.
  void write(Bytes bytes);
  void write(char c);
  /// Two lower-case hexadecimal digits a byte.
  void write_hex(Bytes bytes);
  /// A key or a value as a person sees it: see text_form.hpp.
  void write_shown(Bytes bytes);
  /// What was written so far reaches the descriptor.  Called at the end: the destructor does not,
  /// so that a failing command leaves half a line behind rather than a second error.
  void flush();

 private:
  platform::LockedBuffer buffer_;
  std::size_t used_ = 0;
};

/// Writes to standard output at once, for text that is no secret.
void print(std::string_view text);

}  // namespace coffer::tools
