#include "tools/key_source.hpp"

#include "tools/file_name.hpp"
#include "tools/passphrase_prompt.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

int given_sources(const GlobalOptions& options) {
  return (options.key_file.empty() ? 0 : 1) + (options.key_command.empty() ? 0 : 1) +
         (options.passphrase_file.empty() ? 0 : 1);
}

// One word of `split_command`, read from `rest` on; what was read is taken off `rest`.
std::string take_word(std::string_view& rest) {
  std::string word;
  char quote = 0;
  for (; !rest.empty(); rest.remove_prefix(1)) {
    const char c = rest.front();
    if (quote == 0 && (c == ' ' || c == '\t')) break;
    if (c == '\\' && quote != '\'') {
      const bool followed = rest.size() > 1;
      const bool escapes = followed && (quote == 0 || rest[1] == '"' || rest[1] == '\\');
      if (escapes) {
        rest.remove_prefix(1);
        word += rest.front();
        continue;
      }
    }
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  if (quote != 0) throw UsageError("--key-exec: a quote is not closed; close it");
  return word;
}

}  // namespace

std::vector<std::string> split_command(std::string_view command) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = command.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    command.remove_prefix(begin);
    words.push_back(take_word(command));
  }
  if (words.empty()) throw UsageError("--key-exec: the command is empty; name a program");
  return words;
}

void check_key_options(const GlobalOptions& options) {
  const int sources = given_sources(options);
  if (sources > 1) {
    throw UsageError("give one of --key-file, --key-exec and --passphrase-file, not several");
  }
  if (options.unencrypted && sources > 0) {
    throw UsageError("--unencrypted takes no key; leave out one of the two");
  }
}

bool is_key_given(const GlobalOptions& options) {
  return given_sources(options) > 0 || !streams::environment("COFFER_KEY_FILE").empty();
}

KeyOptions key_options(const GlobalOptions& options) {
  return {.memory_locking = options.memory_locking(),
          .command_time_max = std::chrono::seconds(options.key_command_seconds)};
}

Key obtain_key(const GlobalOptions& options, KeyUse use) {
  check_key_options(options);
  const KeyOptions making = key_options(options);
  if (!options.key_file.empty()) return Key::from_file(path_of(options.key_file), making);
  if (!options.key_command.empty()) {
    return Key::from_command(split_command(options.key_command), making);
  }
  if (!options.passphrase_file.empty()) {
    return Key::from_passphrase_file(path_of(options.passphrase_file), options.passphrase_cost,
                                     making);
  }
  if (const std::string file = streams::environment("COFFER_KEY_FILE"); !file.empty()) {
    return Key::from_file(path_of(file), making);
  }
  if (!streams::is_terminal(streams::kInput)) {
    throw UsageError(
        "no key given; use --key-file FILE, --key-exec COMMAND, --passphrase-file FILE or the "
        "environment's COFFER_KEY_FILE (--unencrypted for a store that was created so)");
  }
  return prompt_for_passphrase(options, use);
}

}  // namespace coffer::tools
