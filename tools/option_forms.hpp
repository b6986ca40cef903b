// Forms of option values that several subcommands share: what they accept, and what the help and a
// refusal say of them in words.
#pragma once

#include <coffer/key.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace coffer::tools {

/// A whole number of bytes, with K, M, G or T (of 1024; also KB, KiB) behind it for more.  Nothing
/// below zero, and nothing beyond 64 bits: CLI::ValidationError.
[[nodiscard]] std::uint64_t parse_size(const std::string& option, const std::string& text);
/// A whole number, not below zero; CLI::ValidationError.
[[nodiscard]] std::uint64_t parse_count(const std::string& option, const std::string& text);

/// For options whose empty value would count as none given: a script's variable that is not set must
/// not switch to another key, or a check off.
inline CLI::Validator not_empty() {
  return {[](const std::string& text) {
            return text.empty() ? std::string("its value is empty") : std::string();
          },
          ""};
}

template <class Target>
CLI::Option* add_size_option(CLI::App& app, const std::string& name, Target& bytes,
                             const std::string& description) {
  return app
      .add_option_function<std::string>(
          name, [&bytes, name](const std::string& text) { bytes = parse_size(name, text); },
          description)
      ->type_name("BYTES[K|M|G]");
}

template <class Target>
CLI::Option* add_count_option(CLI::App& app, const std::string& name, Target& count,
                              const std::string& description) {
  return app
      .add_option_function<std::string>(
          name, [&count, name](const std::string& text) { count = parse_count(name, text); },
          description)
      ->type_name("N");
}

/// One of some words.
template <class Value>
CLI::Option* add_choice_option(CLI::App& app, const std::string& name, Value& value,
                               std::vector<std::pair<std::string, Value>> choices,
                               const std::string& description) {
  std::string words;
  for (const auto& choice : choices) words += (words.empty() ? "" : "|") + choice.first;
  return app
      .add_option_function<std::string>(
          name,
          [&value, name, words, choices = std::move(choices)](const std::string& text) {
            for (const auto& [word, meaning] : choices) {
              if (text == word) {
                value = meaning;
                return;
              }
            }
            throw CLI::ValidationError(name, text + " is none of " + words);
          },
          description)
      ->type_name(words);
}

/// `Target` is a number of bytes, or an optional one.
template <class Target>
CLI::Option* add_page_size_option(CLI::App& app, Target& bytes, const std::string& description) {
  return add_choice_option<Target>(app, "--page-size", bytes,
                                   {{"4096", 4096},
                                    {"8192", 8192},
                                    {"16384", 16384},
                                    {"32768", 32768},
                                    {"65536", 65536},
                                    {"4K", 4096},
                                    {"8K", 8192},
                                    {"16K", 16384},
                                    {"32K", 32768},
                                    {"64K", 65536}},
                                   description)
      ->type_name("4096|8192|16384|32768|65536");
}

/// What a passphrase that something new is made with shall cost.
void add_passphrase_cost_options(CLI::App& app, PassphraseCost& cost);

}  // namespace coffer::tools
