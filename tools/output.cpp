#include "tools/output.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "tools/system/streams.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

void write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::ptrdiff_t count = streams::write_some(streams::kOutput, bytes);
    if (count < 0) {
      const int code = errno;
      if (code == EPIPE) throw OutputClosed();
      throw IoError(fmt::format("cannot write standard output: {}; make room or send it elsewhere",
                                std::generic_category().message(code)),
                    "write", "standard output", code);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

void Output::write(Bytes bytes) {
  std::span<const std::byte> rest = bytes;
  while (!rest.empty()) {
    const std::size_t room = std::min(rest.size(), buffer_.size() - used_);
    std::memcpy(buffer_.bytes().data() + used_, rest.data(), room);
    used_ += room;
    rest = rest.subspan(room);
    if (used_ == buffer_.size()) flush();
  }
}

void Output::write(char c) {
  buffer_.bytes()[used_++] = static_cast<std::byte>(c);
  if (used_ == buffer_.size()) flush();
}

void Output::write_hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::byte b : bytes) {
    write(kDigits[std::to_integer<std::size_t>(b >> 4)]);
    write(kDigits[std::to_integer<std::size_t>(b & std::byte{0x0f})]);
  }
}

void Output::write_shown(Bytes bytes) {
  if (shown_as_text(bytes)) {
    write(bytes);
  } else {
    write(kHexMarker);
    write_hex(bytes);
  }
}

void Output::flush() {
  const std::span<std::byte> waiting = buffer_.bytes().first(used_);
  used_ = 0;
  write_all(waiting);
  sodium_memzero(waiting.data(), waiting.size());
}

void print(std::string_view text) {
  write_all(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace coffer::tools
