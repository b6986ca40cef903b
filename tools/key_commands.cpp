// keygen

#include <coffer/key.hpp>

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/key_source.hpp"
#include "tools/output.hpp"

namespace coffer::tools {

void add_key_commands(CLI::App& app, Invocation& invocation) {
  CLI::App* const keygen =
      app.add_subcommand("keygen", "Write a new random key to a new file that only you can read");
  const auto file = std::make_shared<std::string>();
  keygen->add_option("FILE", *file, "The key file; it must not exist yet")->required();
  keygen->callback([&invocation, file] {
    invocation.action = [&invocation, file] {
      Key::generate(key_options(invocation.global)).save(path_of(*file));
      if (invocation.global.json) print(nlohmann::json({{"key_file", *file}}).dump() + "\n");
      return ExitCode::done;
    };
  });
}

}  // namespace coffer::tools
