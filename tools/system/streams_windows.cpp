// See streams.hpp.
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#include <windows.h>
// Behind windows.h.
#include <shellapi.h>

#include <algorithm>
#include <cerrno>

#include "platform/windows/os_error.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools::streams {

namespace {

// _read and _write take an unsigned number and answer with an int.
unsigned at_once(std::size_t bytes) {
  constexpr std::size_t kMost = 1 << 20;
  return static_cast<unsigned>(std::min(bytes, kMost));
}

}  // namespace

std::ptrdiff_t read_some(int stream, std::span<std::byte> out) {
  return ::_read(stream, out.data(), at_once(out.size()));
}

std::ptrdiff_t write_some(int stream, std::span<const std::byte> bytes) {
  const int written = ::_write(stream, bytes.data(), at_once(bytes.size()));
  // The runtime has no name for ERROR_NO_DATA, which a pipe gives whose reader is gone.
  if (written < 0 && errno == EINVAL && ::GetLastError() == ERROR_NO_DATA) errno = EPIPE;
  return written;
}

void say(std::string_view text) {
  static_cast<void>(write_some(kError, std::as_bytes(std::span(text))));
}

bool is_terminal(int stream) {
  // _isatty is true of every character device, NUL among them.
  DWORD mode = 0;
  const auto handle = reinterpret_cast<HANDLE>(::_get_osfhandle(stream));
  return handle != INVALID_HANDLE_VALUE && ::GetConsoleMode(handle, &mode) != 0;
}

int open_to_read(const std::filesystem::path& file) {
  return ::_wopen(platform::windows_os::native_path(file).c_str(),
                  _O_RDONLY | _O_BINARY | _O_NOINHERIT);
}

void close(int stream) {
  ::_close(stream);
}

std::optional<std::int64_t> position(int stream) {
  struct _stat64 status {};
  if (::_fstat64(stream, &status) != 0 || (status.st_mode & _S_IFMT) != _S_IFREG)
    return std::nullopt;
  const std::int64_t position = ::_lseeki64(stream, 0, SEEK_CUR);
  return position < 0 ? std::nullopt : std::optional(position);
}

bool go_to(int stream, std::int64_t position) {
  return ::_lseeki64(stream, position, SEEK_SET) >= 0;
}

bool prepare_process() {
  for (int stream = kInput; stream <= kError; ++stream) {
    // A stream that is closed keeps its number here: the runtime reserves the first three.
    static_cast<void>(::_setmode(stream, _O_BINARY));
  }
  ::SetConsoleOutputCP(CP_UTF8);
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  return true;
}

std::vector<std::string> arguments(int, char**) {
  int count = 0;
  LPWSTR* const words = ::CommandLineToArgvW(::GetCommandLineW(), &count);
  std::vector<std::string> result;
  if (words == nullptr) return result;
  for (int i = 1; i < count; ++i) result.push_back(std::filesystem::path(words[i]).string());
  ::LocalFree(words);
  return result;
}

std::string environment(const char* name) {
  // The name is of ASCII letters; the narrow form of the value would be in the system's code page.
  const wchar_t* const value = ::_wgetenv(std::filesystem::path(name).c_str());
  return value != nullptr ? std::filesystem::path(value).string() : std::string();
}

void ignore_closed_pipes() {}

void end_by_closed_pipe() {}

}  // namespace coffer::tools::streams
