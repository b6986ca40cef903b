// Code that runs in a forked child: for what ends a process, and for what a child must not do.
//
// The child answers with text; assertions belong to the parent.  It leaves by _exit, so that
// nothing of the test program's own ends twice.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace coffer::test {

/// What a child and its parent say to each other, a line at a time.
class Channel {
 public:
  Channel(int read_end, int write_end) : read_end_(read_end), write_end_(write_end) {}
  void say(const std::string& line) const;
  /// The next line; empty when the other side is gone.
  [[nodiscard]] std::string hear() const;

 private:
  int read_end_;
  int write_end_;
};

class Child {
 public:
  /// Runs `body` in a child.  What it throws is said as "threw: <text>".
  explicit Child(const std::function<void(Channel&)>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const Channel& channel() const { return channel_; }
  /// Waits for its end: 0 when it ran to the end, otherwise the signal that ended it.
  int end_signal();
  /// What it wrote to standard error; after end_signal().
  [[nodiscard]] std::string errors() const;

 private:
  int to_child_[2];
  int from_child_[2];
  int errors_;
  pid_t pid_;
  bool ended_ = false;
  int signal_ = 0;
  Channel channel_;
};

/// One answer from a child that says one thing.
[[nodiscard]] std::string answer_of_child(const std::function<std::string()>& body);
/// The signal that ends a child, or 0.
[[nodiscard]] int signal_of_child(const std::function<void()>& body);

}  // namespace coffer::test
