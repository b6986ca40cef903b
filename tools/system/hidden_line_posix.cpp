// See hidden_line.hpp.
#include "tools/system/hidden_line.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tools/exit_code.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

volatile std::sig_atomic_t caught_signal = 0;

void remember_signal(int number) {
  caught_signal = number;
}

// While it lives the terminal shows nothing of what is typed, and a signal that would end the
// command only interrupts the read; the destructor puts the terminal back and lets the signal have
// its way.
class SilentTerminal {
 public:
  SilentTerminal() {
    caught_signal = 0;
    struct sigaction action = {};
    action.sa_handler = remember_signal;
    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int number : kSignals) ::sigaddset(&blocked, number);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &earlier_mask_);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], &action, &earlier_actions_[i]);
    }
    changed_ = ::tcgetattr(STDIN_FILENO, &earlier_) == 0;
    termios silent = earlier_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ECHONL;
    if (changed_) changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~SilentTerminal() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &earlier_);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], &earlier_actions_[i], nullptr);
    }
    ::pthread_sigmask(SIG_SETMASK, &earlier_mask_, nullptr);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

  [[nodiscard]] bool silent() const { return changed_; }

  /// Waits for input; false when a signal came instead.
  [[nodiscard]] bool wait_for_input() const {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (caught_signal == 0) {
      if (::ppoll(&input, 1, nullptr, &earlier_mask_) > 0) return true;
    }
    return false;
  }

 private:
  static constexpr std::array<int, 5> kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  std::array<struct sigaction, 5> earlier_actions_{};
  sigset_t earlier_mask_{};
  termios earlier_{};
  bool changed_ = false;
};

// The length of the line that was typed into `line`, without its end.
std::size_t read_line(const SilentTerminal& terminal, std::span<std::byte> line) {
  std::size_t size = 0;
  while (true) {
    if (!terminal.wait_for_input()) return 0;
    std::byte next{};
    const ssize_t got = ::read(STDIN_FILENO, &next, 1);
    if (got <= 0 || next == std::byte{'\n'}) break;
    if (size == line.size())
      throw UsageError(
          fmt::format("a passphrase has at most {} bytes; use a shorter one", line.size()));
    line[size++] = next;
    next = std::byte{};
  }
  return size;
}

}  // namespace

std::size_t read_hidden_line(std::string_view prompt, std::span<std::byte> line) {
  std::size_t size = 0;
  {
    const SilentTerminal terminal;
    if (!terminal.silent()) {
      throw UsageError(
          "the terminal cannot hide what is typed; use --passphrase-file or --key-file");
    }
    streams::say(prompt);
    size = read_line(terminal, line);
  }
  if (caught_signal != 0) {
    streams::say("\n");
    ::raise(caught_signal);
    throw UsageError("interrupted; give the passphrase again");
  }
  return size;
}

}  // namespace coffer::tools
