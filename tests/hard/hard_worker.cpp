// `hard_worker SUBCOMMAND ARGUMENT...`: what the tests of whole processes start, limit and kill.
// Exit code 0 when everything was as it must be; otherwise the last line says what was not.
#include "tests/hard/hard_worker.hpp"

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <map>

namespace coffer::hard {

void say(const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) ::_exit(2);
}

std::uint64_t peak_kibibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %llu kB", &kibibytes) == 1) return kibibytes;
  }
  return 0;
}

}  // namespace coffer::hard

int main(int argc, char** argv) {
  using namespace coffer::hard;
  const std::map<std::string, void (*)(const Arguments&)> commands{
      {"load", load},
      {"persist", persist},
      {"verify", verify},
      {"bulk_load", bulk_load},
      {"bulk_check", bulk_check},
      {"big_transaction", big_transaction},
      {"big_value", big_value},
      {"hold", hold},
      {"try_open", try_open},
      {"tamper", tamper},
      {"race_read", race_read},
      {"race_write", race_write},
      {"race_control", race_control},
      {"plant", plant},
      {"fork_off", fork_off},
      {"swap_out", swap_out},
      {"hold_until_full", hold_until_full},
      {"backup", backup},
      {"snapshot", snapshot},
      {"increment", increment},
      {"snapshot_directory", snapshot_directory},
      {"restore_chain", restore_chain},
      {"poison", poison},
      {"traced", traced},
      {"restore", restore},
  };
  const Arguments words(argv + 1, argv + argc);
  const auto command = words.empty() ? commands.end() : commands.find(words.front());
  if (command == commands.end()) {
    say("what is to be done?");
    return 2;
  }
  try {
    command->second(Arguments(words.begin() + 1, words.end()));
    return 0;
  } catch (const std::exception& error) {
    say(std::string("failed: ") + error.what());
    return 1;
  }
}
