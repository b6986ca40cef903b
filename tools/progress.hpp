// One line on standard error that is written over and over while a long step runs, and cleared when
// it ends.  Nothing at all unless standard error is a terminal.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

namespace coffer::tools {

class Progress {
 public:
  /// `text` is called a few times a second, on another thread.
  explicit Progress(std::function<std::string()> text);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void run(const std::stop_token& stop);
  std::function<std::string()> text_;
  std::jthread thread_;
};

}  // namespace coffer::tools
