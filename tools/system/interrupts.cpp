#include "tools/system/interrupts.hpp"

#include <csignal>
#include <initializer_list>

namespace coffer::tools {
namespace {

volatile std::sig_atomic_t interrupt_came = 0;

void remember_interrupt(int) {
  interrupt_came = 1;
}

}  // namespace

void catch_interrupts() {
  for (const int number : {SIGINT, SIGTERM}) {
    // A shell has it ignored for what it runs in the background.
    if (std::signal(number, remember_interrupt) == SIG_IGN) std::signal(number, SIG_IGN);
  }
}

bool interrupted() {
  return interrupt_came != 0;
}

}  // namespace coffer::tools
