// Sees the system calls of a worker, kills it at one of them, or answers in the kernel's place.
//
// The worker is started with `traced` (tests/hard/worker_traced.cpp): a filter of its own stops it at each call, in all
// of its threads, before the call is made.  Only the thread that started the worker can trace it.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tests/hard/worker_process.hpp"

namespace coffer::campaign::process {

/// A call that is about to be made.
struct SystemCall {
  pid_t thread = 0;
  long number = 0;
  std::array<std::uint64_t, 6> arguments{};
};

/// What becomes of it.
struct Verdict {
  enum class Kind {
    make,        ///< it is made
    make_watch,  ///< and its result is handed to `result`
    answer,      ///< it is not made; `value` is what the kernel answers (-errno)
    shorten,     ///< it is made for fewer bytes
    kill_before,
    kill_during,  ///< killed while it is made, or after
  };
  Kind kind = Kind::make;
  long value = 0;
};

/// The name of the file behind a descriptor of the worker's.
[[nodiscard]] std::string file_behind(pid_t worker, std::uint64_t descriptor);

class Tracer {
 public:
  using Decide = std::function<Verdict(const SystemCall&)>;
  using Result = std::function<void(const SystemCall&, long value)>;

  /// Runs the worker to its end, which it then says itself (Worker::wait).
  void run(hard::Worker& worker, const Decide& decide, const Result& result = {});

  /// Why this machine cannot do that; nothing when it can.
  [[nodiscard]] static std::optional<std::string> obstacle();
};

}  // namespace coffer::campaign::process
