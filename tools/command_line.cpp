// The command line as a whole: global options, all subcommands, and how a run ends.

#include <coffer/store.hpp>

#include <algorithm>

#include "tools/commands.hpp"
#include "tools/option_forms.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 not found, 2 wrong usage, 3 input/output, no space or no memory,\n"
    "4 wrong key, 5 tampered, corrupted, not the anchor's history, or written by an unknown "
    "version,\n"
    "6 memory could not be locked, 7 busy; doctor and stress have their own.\n"
    "A VALUE that begins with a dash goes behind --, as in: coffer put STORE TREE KEY -- -1";

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_option("--key-file", options.key_file,
                 "Key file: 32 bytes raw, in hexadecimal or base64 (else COFFER_KEY_FILE)")
      ->type_name("FILE")
      ->check(not_empty());
  app.add_option("--key-exec", options.key_command,
                 "Program that prints the key, with arguments; split at blanks, no shell")
      ->type_name("COMMAND")
      ->check(not_empty());
  app.add_option("--key-exec-timeout", options.key_command_seconds,
                 "How long that program may take before it is stopped (default 60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{86'400}));
  app.add_option("--passphrase-file", options.passphrase_file,
                 "File whose one line is a passphrase")
      ->type_name("FILE")
      ->check(not_empty());
  app.add_flag("--unencrypted", options.unencrypted, "The store or backup has no key");
  app.add_flag("--json", options.json, "Print JSON");
  add_size_option(app, "--locked-max", options.locked_bytes_max,
                  "Most locked memory that the store takes (default 64M)");
  add_choice_option<Durability>(
      app, "--durability", options.durability,
      {{"full", Durability::full}, {"relaxed", Durability::relaxed}},
      "full: a commit has reached the disk; relaxed: a power cut may lose the newest");
  app.add_flag("--proceed-unlocked", options.proceed_unlocked,
               "Discouraged: go on when memory cannot be locked; plaintext may reach swap");
  app.add_option("--anchor-file", options.anchor_file,
                 "Refuse a store whose history does not pass through this point")
      ->type_name("FILE")
      ->check(not_empty());
  app.add_flag("--update-anchor", options.update_anchor,
               "Write the newest durable commit to the anchor file after success");
}

// What is wrong with the command line, and where to read how it should be.
std::string wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> given = app.get_subcommands();
  if (!given.empty()) {
    return std::string(error.what()) + "; see coffer " + given.front()->get_name() + " --help";
  }
  const std::vector<std::string> words = app.remaining();
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError) || words.empty()) {
    return std::string(error.what()) + "; see coffer --help";
  }
  const char* const kind = words.front().starts_with('-') ? "option" : "subcommand";
  return words.front() + " is no " + kind + "; see coffer --help";
}

int carry_out(const Invocation& invocation) {
  try {
    return static_cast<int>(invocation.action());
  } catch (const OutputClosed&) {
    // Every transaction and the store have ended by now.
    streams::end_by_closed_pipe();
    return static_cast<int>(ExitCode::io);
  } catch (...) {
    return static_cast<int>(report_current_exception());
  }
}

}  // namespace

void add_all_commands(CLI::App& app, Invocation& invocation) {
  add_key_commands(app, invocation);
  add_store_commands(app, invocation);
  add_entry_commands(app, invocation);
  add_scan_command(app, invocation);
  add_import_command(app, invocation);
  add_export_command(app, invocation);
  add_backup_command(app, invocation);
  add_restore_command(app, invocation);
  add_bench_command(app, invocation);
  add_doctor_command(app, invocation);
  add_stress_command(app, invocation);
  add_completion_command(app, invocation);
}

int run(std::vector<std::string> words) {
  try {
    Invocation invocation;
    CLI::App app("Coffer: an encrypted, transactional store of ordered keys and values", "coffer");
    app.footer(kFooter);
    app.set_version_flag("--version", std::string("coffer ") + coffer::version());
    app.require_subcommand(1);
    app.fallthrough();
    add_global_options(app, invocation.global);
    add_all_commands(app, invocation);
    try {
      std::ranges::reverse(words);  // the parser takes them from the back
      app.parse(std::move(words));
    } catch (const CLI::Success& help) {
      return app.exit(help);
    } catch (const CLI::ParseError& error) {
      print_error(wrong_usage(app, error));
      return static_cast<int>(ExitCode::usage);
    }
    return carry_out(invocation);
  } catch (...) {
    return static_cast<int>(report_current_exception());
  }
}

}  // namespace coffer::tools
