// See current_case.hpp.
#include "tests/campaign/sim/current_case.hpp"

#include <unistd.h>

#include <array>
#include <csignal>

namespace coffer::campaign::sim {

namespace {

thread_local const CurrentCase* current_case = nullptr;

}  // namespace

// Runs on the thread that ends the process, which will not go on with whatever it was at: that this allocates is
// worth the risk.
void print_current_case(int signal) {
  std::signal(signal, SIG_DFL);
  if (current_case != nullptr) {
    const std::string line = "\nthe process ends in the middle of a case:\n  tools/campaign " +
                             current_case->words_() + "\n";
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
  }
  std::raise(signal);
}

void print_cases_at_abort() {
  for (const int signal : std::array{SIGABRT, SIGSEGV, SIGFPE, SIGILL}) {
    std::signal(signal, print_current_case);
  }
}

CurrentCase::CurrentCase(std::function<std::string()> words)
    : words_(std::move(words)), outer_(current_case) {
  current_case = this;
}

CurrentCase::~CurrentCase() {
  current_case = outer_;
}

}  // namespace coffer::campaign::sim
