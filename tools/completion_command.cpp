// completion
//
// The script is made from the parser itself, so that a new subcommand or option is completed
// without anybody thinking of it.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "tools/commands.hpp"
#include "tools/output.hpp"

namespace coffer::tools {
namespace {

// All long options of `app`, separated by blanks.
std::string long_options(const CLI::App& app) {
  std::string names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names += " --" + name;
  }
  return names;
}

constexpr auto kAllSubcommands = [](const CLI::App*) { return true; };

// What the script knows of the subcommands.  One of them is called by its path: `/backup/logical`.
struct Subcommands {
  std::string paths;  // as a pattern
  std::string cases;
};

// The names of those below `app`, separated by blanks.
std::string add_subcommands(const CLI::App& app, const std::string& path, Subcommands& all) {
  std::string names;
  for (const CLI::App* command : app.get_subcommands(kAllSubcommands)) {
    const std::string inner_path = path + "/" + command->get_name();
    names += (names.empty() ? "" : " ") + command->get_name();
    all.paths += (all.paths.empty() ? "" : "|") + inner_path;
    const std::string inner_names = add_subcommands(*command, inner_path, all);
    all.cases += fmt::format("    {}) names=\"{}\" options=\"{}\" ;;\n", inner_path, inner_names,
                             long_options(*command));
  }
  return names;
}

std::string bash_script(const CLI::App& app) {
  Subcommands all;
  const std::string names = add_subcommands(app, "", all);
  return fmt::format(
      R"(# Completion of the coffer command for bash; written by `coffer completion bash`.
_coffer() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command="" names="{0}" options="" i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$command/${{COMP_WORDS[i]}}" in {3}) command+=/${{COMP_WORDS[i]}} ;; esac
  done
  case "$command" in
{1}  esac
  case "$before" in
    --format) COMPREPLY=($(compgen -W "tsv jsonl dump dump-print" -- "$word")); return ;;
    --durability) COMPREPLY=($(compgen -W "full relaxed" -- "$word")); return ;;
    --encryption) COMPREPLY=($(compgen -W "none use_provided_key use_database_key" -- "$word")); return ;;
  esac
  if [[ -n $names ]]; then
    COMPREPLY=($(compgen -W "$names $options{2}" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options{2}" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _coffer coffer
)",
      names, all.cases, long_options(app), all.paths);
}

}  // namespace

void add_completion_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("completion", "Print a script that completes this command's words");
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash")->required()->check(CLI::IsMember({"bash"}));
  command->callback([&app, &invocation, shell] {
    invocation.action = [&app] {
      print(bash_script(app));
      return ExitCode::done;
    };
  });
}

}  // namespace coffer::tools
