// See hidden_line.hpp.
#include <fmt/format.h>
#include <sodium.h>
#include <windows.h>

#include <array>
#include <gsl/gsl>

#include "tools/exit_code.hpp"
#include "tools/system/hidden_line.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

// While it lives the console shows nothing of what is typed.  An interrupt ends the process at once (the system
// runs its handler in a thread of its own), and consoles put their own mode back for the next program.
class SilentConsole {
 public:
  SilentConsole() : input_(::GetStdHandle(STD_INPUT_HANDLE)) {
    changed_ = ::GetConsoleMode(input_, &earlier_) != 0 &&
               ::SetConsoleMode(input_, (earlier_ & ~DWORD{ENABLE_ECHO_INPUT}) | ENABLE_LINE_INPUT |
                                            ENABLE_PROCESSED_INPUT) != 0;
  }
  ~SilentConsole() {
    if (changed_) ::SetConsoleMode(input_, earlier_);
  }
  SilentConsole(const SilentConsole&) = delete;
  SilentConsole& operator=(const SilentConsole&) = delete;
  [[nodiscard]] bool silent() const { return changed_; }
  [[nodiscard]] HANDLE handle() const { return input_; }

 private:
  HANDLE input_;
  DWORD earlier_ = 0;
  bool changed_ = false;
};

// One UTF-16 unit after the other, each character turned into UTF-8 as soon as it is whole, so that no more than
// that of the line is ever outside `line`.
std::size_t read_line(HANDLE console, std::span<std::byte> line) {
  std::size_t size = 0;
  std::array<wchar_t, 2> character{};
  int units = 0;
  std::array<char, 4> utf8{};
  const auto wipe = gsl::finally([&] {
    sodium_memzero(character.data(), sizeof character);
    sodium_memzero(utf8.data(), sizeof utf8);
  });
  while (true) {
    DWORD got = 0;
    wchar_t& next = character[static_cast<std::size_t>(units)];
    if (::ReadConsoleW(console, &next, 1, &got, nullptr) == 0 || got == 0 || next == L'\n') break;
    if (next == L'\r') continue;
    ++units;
    if (units == 1 && IS_HIGH_SURROGATE(character[0])) continue;
    const int length = ::WideCharToMultiByte(CP_UTF8, 0, character.data(), units, utf8.data(),
                                             static_cast<int>(utf8.size()), nullptr, nullptr);
    units = 0;
    if (size + static_cast<std::size_t>(length) > line.size()) {
      throw UsageError(
          fmt::format("a passphrase has at most {} bytes; use a shorter one", line.size()));
    }
    for (int i = 0; i < length; ++i)
      line[size++] = static_cast<std::byte>(utf8[static_cast<std::size_t>(i)]);
  }
  return size;
}

}  // namespace

std::size_t read_hidden_line(std::string_view prompt, std::span<std::byte> line) {
  std::size_t size = 0;
  {
    const SilentConsole console;
    if (!console.silent()) {
      throw UsageError(
          "the terminal cannot hide what is typed; use --passphrase-file or --key-file");
    }
    streams::say(prompt);
    size = read_line(console.handle(), line);
  }
  streams::say("\n");
  return size;
}

}  // namespace coffer::tools
