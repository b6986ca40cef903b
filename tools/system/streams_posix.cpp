// See streams.hpp.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "tools/system/streams.hpp"

namespace coffer::tools::streams {

namespace {

template <class Call>
std::ptrdiff_t repeat_interrupted(const Call& call) {
  for (;;) {
    const ssize_t result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

// Whoever starts the command with a standard stream closed would have its number given to the next
// file that is opened, which may be one of the store's: what is printed would land there.  Such a
// stream becomes one whose use fails as that of a closed one does.
bool hold_standard_streams() {
  for (int stream = kInput; stream <= kError; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest free number is this one.
    if (::open("/dev/null", stream == kInput ? O_WRONLY : O_RDONLY) != stream) return false;
  }
  return true;
}

}  // namespace

std::ptrdiff_t read_some(int stream, std::span<std::byte> out) {
  return repeat_interrupted([&] { return ::read(stream, out.data(), out.size()); });
}

std::ptrdiff_t write_some(int stream, std::span<const std::byte> bytes) {
  return repeat_interrupted([&] { return ::write(stream, bytes.data(), bytes.size()); });
}

void say(std::string_view text) {
  static_cast<void>(write_some(kError, std::as_bytes(std::span(text))));
}

bool is_terminal(int stream) {
  return ::isatty(stream) == 1;
}

int open_to_read(const std::filesystem::path& file) {
  return ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
}

void close(int stream) {
  ::close(stream);
}

std::optional<std::int64_t> position(int stream) {
  struct stat status {};
  if (::fstat(stream, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const off_t position = ::lseek(stream, 0, SEEK_CUR);
  return position < 0 ? std::nullopt : std::optional<std::int64_t>(position);
}

bool go_to(int stream, std::int64_t position) {
  return ::lseek(stream, position, SEEK_SET) >= 0;
}

bool prepare_process() {
  if (!hold_standard_streams()) return false;
  // What the library decrypts is kept out of core dumps by itself.  A command's own arguments are
  // not, and it has no use for a dump.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  return true;
}

std::vector<std::string> arguments(int argc, char** argv) {
  return {argv + (argc > 0 ? 1 : 0), argv + argc};
}

std::string environment(const char* name) {
  const char* const value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets one
  return value != nullptr ? value : std::string();
}

void ignore_closed_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

void end_by_closed_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  std::raise(SIGPIPE);
}

}  // namespace coffer::tools::streams
