// A worker in a process of its own: this program once more, spoken to through two pipes.
#include <coffer/error.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tools/bench/worker.hpp"
#include "tools/system/interrupts.hpp"

extern char** environ;

namespace coffer::tools::bench {
namespace {

constexpr const char* kProgram = "/proc/self/exe";

void require_done(int error, const char* what) {
  if (error == 0) return;
  throw Error(
      fmt::format("cannot start a worker of the benchmark: {}: {}", what, std::strerror(error)));
}

// Closed when the process runs another program: what a worker gets, it gets by dup2.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  require_done(::pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
  return ends;
}

std::vector<std::string> words_of(const WorkerOptions& options) {
  std::vector<std::string> words = {"coffer",       "bench",
                                    "--worker",     options.kind,
                                    "--dir",        options.directory.string(),
                                    "--records",    fmt::format("{}", options.records),
                                    "--seed",       fmt::format("{}", options.seed),
                                    "--locked-max", fmt::format("{}", options.cache_bytes),
                                    "--peers",      options.peers.string()};
  if (options.proceed_unlocked) words.emplace_back("--proceed-unlocked");
  return words;
}

class Process final : public Worker {
 public:
  explicit Process(const WorkerOptions& options) : kind_(options.kind) {
    const std::array<int, 2> questions = make_pipe();
    const std::array<int, 2> answers = make_pipe();
    std::vector<std::string> words = words_of(options);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, questions[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, answers[1], STDOUT_FILENO);
    const int failed =
        ::posix_spawn(&process_, kProgram, &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(questions[0]);
    ::close(answers[1]);
    questions_ = questions[1];
    answers_ = answers[0];
    if (failed != 0) close();
    require_done(failed, "posix_spawn");
  }
  ~Process() override { close(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Measurement run(const std::string& workload) override {
    stop_if_interrupted();
    const std::string line = workload + "\n";
    // A worker that has gone is seen by its answer.
    if (::write(questions_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) gone();
    try {
      return answer_from_json(answer());
    } catch (const Error& error) {
      stop_if_interrupted();  // it came to the worker as well
      throw Error(fmt::format("{}: {}: {}", kind_, workload, error.what()));
    }
  }

 private:
  std::string answer() {
    std::string line;
    for (char c = 0; c != '\n'; line += c) {
      const ssize_t read = ::read(answers_, &c, 1);
      if (read == 0) gone();
      if (read < 0 && errno != EINTR) gone();
      if (read < 0) c = ' ';
    }
    return line;
  }
  [[noreturn]] void gone() { throw Error("its process ended; what it said is above, if anything"); }
  // The end of its input is the end of the worker.
  void close() noexcept {
    if (questions_ >= 0) ::close(questions_);
    if (answers_ >= 0) ::close(answers_);
    if (process_ > 0) {
      while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  std::string kind_;
  pid_t process_ = 0;
  int questions_ = -1;
  int answers_ = -1;
};

}  // namespace

std::unique_ptr<Worker> make_worker(const WorkerOptions& options) {
  return std::make_unique<Process>(options);
}

}  // namespace coffer::tools::bench
