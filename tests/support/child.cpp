// See child.hpp.
#include "tests/support/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <stdexcept>

namespace coffer::test {

void Channel::say(const std::string& line) const {
  std::string text = line;
  std::replace(text.begin(), text.end(), '\n', '|');
  text += '\n';
  for (std::size_t done = 0; done < text.size();) {
    const auto put = ::write(write_end_, text.data() + done, text.size() - done);
    if (put <= 0) return;
    done += static_cast<std::size_t>(put);
  }
}

std::string Channel::hear() const {
  std::string line;
  for (char byte = 0; ::read(read_end_, &byte, 1) == 1 && byte != '\n';) line += byte;
  return line;
}

Child::Child(const std::function<void(Channel&)>& body) : channel_(-1, -1) {
  errors_ = ::memfd_create("coffer-test-errors", MFD_CLOEXEC);
  if (errors_ < 0 || ::pipe2(to_child_, O_CLOEXEC) != 0 || ::pipe2(from_child_, O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make pipes");
  }
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    // Catch's handlers would report the parent's test as failed by the child's signal.  It has none
    // for SIGBUS, which Coffer handles.
    for (const int signal : {SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGTERM}) {
      ::signal(signal, SIG_DFL);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::dup2(errors_, STDERR_FILENO);
    ::close(to_child_[1]);
    ::close(from_child_[0]);
    Channel channel(to_child_[0], from_child_[1]);
    try {
      body(channel);
    } catch (const std::exception& thrown) {
      channel.say(std::string("threw: ") + thrown.what());
    }
    ::_exit(0);
  }
  ::close(to_child_[0]);
  ::close(from_child_[1]);
  channel_ = Channel(from_child_[0], to_child_[1]);
}

Child::~Child() {
  if (!ended_) ::kill(pid_, SIGKILL);
  end_signal();
  ::close(to_child_[1]);
  ::close(from_child_[0]);
  ::close(errors_);
}

int Child::end_signal() {
  if (!ended_) {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  return signal_;
}

std::string Child::errors() const {
  std::string text(1 << 16, '\0');
  const auto got = ::pread(errors_, text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

std::string answer_of_child(const std::function<std::string()>& body) {
  Child child([&](Channel& channel) { channel.say(body()); });
  auto answer = child.channel().hear();
  if (const int signal = child.end_signal()) answer += " died of " + std::to_string(signal);
  return answer;
}

int signal_of_child(const std::function<void()>& body) {
  Child child([&](Channel&) { body(); });
  return child.end_signal();
}

}  // namespace coffer::test
