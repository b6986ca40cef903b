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

std::string bash_script(const CLI::App& app) {
  std::string names;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names += (names.empty() ? "" : " ") + command->get_name();
    cases +=
        fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(), long_options(*command));
  }
  return fmt::format(
      R"(# Completion of the coffer command for bash; written by `coffer completion bash`.
_coffer() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command="" options="" i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case " {0} " in *" ${{COMP_WORDS[i]}} "*) command=${{COMP_WORDS[i]}}; break ;; esac
  done
  case "$command" in
{1}    *) COMPREPLY=($(compgen -W "{0}{2}" -- "$word")); return ;;
  esac
  case "$before" in
    --format) COMPREPLY=($(compgen -W "tsv jsonl dump dump-print" -- "$word")); return ;;
    --durability) COMPREPLY=($(compgen -W "full relaxed" -- "$word")); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options{2}" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _coffer coffer
)",
      names, cases, long_options(app));
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
