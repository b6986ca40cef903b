#include "tools/bench/worker.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "platform/contracts.hpp"
#include "tools/output.hpp"
#include "tools/system/interrupts.hpp"

namespace coffer::tools::bench {
namespace {

// Of this process, in bytes, as Linux tells it.
void add_memory(Measurement& measurement) {
  constexpr double kKib = 1024;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    double value = 0;
    words >> name >> value;
    if (name == "VmLck:") measurement.others["locked_bytes"] = value * kKib;
    if (name == "VmHWM:") measurement.others["resident_bytes_peak"] = value * kKib;
  }
}

class InProcess final : public Worker {
 public:
  explicit InProcess(const WorkerOptions& options)
      : plan_(options.records, options.seed),
        bench_(kind_named(options.kind), setup_of(options), plan_) {}

  Measurement run(const std::string& name) override {
    const auto found = std::ranges::find(workloads(), name, &Workload::name);
    Expects(found != workloads().end());
    stop_if_interrupted();
    Measurement measurement = found->run(bench_);
    add_memory(measurement);
    return measurement;
  }

 private:
  static Setup setup_of(const WorkerOptions& options) {
    return {.directory = options.directory,
            .records_max = options.records * 3ull,
            .bytes_max = std::uint64_t{1} << 30,
            .create = false,
            .cache_bytes = options.cache_bytes,
            .proceed_unlocked = options.proceed_unlocked};
  }

  Plan plan_;
  Bench bench_;
};

}  // namespace

std::unique_ptr<Worker> make_worker_in_process(const WorkerOptions& options) {
  return std::make_unique<InProcess>(options);
}

void serve(const WorkerOptions& options) {
  catch_interrupts();
  const std::unique_ptr<Worker> worker = make_worker_in_process(options);
  for (std::string name; std::getline(std::cin, name);) {
    std::string answer;
    try {
      answer = answer_as_json(worker->run(name), "");
    } catch (const std::exception& error) {
      answer = answer_as_json({}, error.what());
    }
    print(answer + "\n");
  }
}

std::string answer_as_json(const Measurement& measurement, const std::string& failure) {
  if (!failure.empty()) return nlohmann::json{{"failure", failure}}.dump();
  return nlohmann::json{{"operations", measurement.operations},
                        {"seconds", measurement.seconds},
                        {"processor_seconds", measurement.processor_seconds},
                        {"bytes", measurement.bytes},
                        {"latency", measurement.latency},
                        {"others", measurement.others}}
      .dump();
}

Measurement answer_from_json(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.contains("failure")) throw Error(json["failure"].get<std::string>());
    Measurement measurement;
    json.at("operations").get_to(measurement.operations);
    json.at("seconds").get_to(measurement.seconds);
    json.at("processor_seconds").get_to(measurement.processor_seconds);
    json.at("bytes").get_to(measurement.bytes);
    json.at("latency").get_to(measurement.latency);
    json.at("others").get_to(measurement.others);
    return measurement;
  } catch (const nlohmann::json::exception&) {
    throw Error("a worker of the benchmark gave no answer; what it said is above, if anything");
  }
}

}  // namespace coffer::tools::bench
