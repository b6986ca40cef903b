// The case that a thread is at, for a process that ends in the middle of it: a broken contract of the engine is a
// violation too, and nobody is left to report it.
#pragma once

#include <functional>
#include <string>

namespace coffer::campaign::sim {

/// While it lives, an abort or a fault of this thread prints the arguments of tools/campaign that `words` gives.
class CurrentCase {
 public:
  explicit CurrentCase(std::function<std::string()> words);
  ~CurrentCase();
  CurrentCase(const CurrentCase&) = delete;
  CurrentCase& operator=(const CurrentCase&) = delete;

 private:
  std::function<std::string()> words_;
  const CurrentCase* const outer_;
  friend void print_current_case(int signal);
};

/// Once for the process, before the first case.
void print_cases_at_abort();

}  // namespace coffer::campaign::sim
