#include "tools/progress.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>

#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

constexpr std::chrono::milliseconds kInterval{250};

}  // namespace

Progress::Progress(std::function<std::string()> text) : text_(std::move(text)) {
  if (!streams::is_terminal(streams::kError)) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  streams::say("\r\033[K");
}

void Progress::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, kInterval, [&stop] { return stop.stop_requested(); })) {
    if (stop.stop_requested()) return;
    try {
      streams::say("\r\033[K" + text_());
    } catch (...) {
      return;  // Progress is a courtesy; the step itself reports what is wrong.
    }
  }
}

}  // namespace coffer::tools
