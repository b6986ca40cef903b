#include "tools/backup/backup_keys.hpp"

#include <fmt/format.h>

#include "tools/file_name.hpp"
#include "tools/key_source.hpp"
#include "tools/option_forms.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {

BackupKey::BackupKey(const GlobalOptions& options) : options_(options) {
  check_key_options(options);
  if (options.update_anchor || !options.anchor_file.empty()) {
    throw UsageError(
        "--anchor-file and --update-anchor are for stores; after a restore begin a new anchor file "
        "with coffer stat STORE --anchor-file FILE --update-anchor");
  }
}

const Key* BackupKey::obtain() {
  if (options_.unencrypted) return nullptr;
  if (!is_key_given(options_) && !streams::is_terminal(streams::kInput)) return nullptr;
  if (!key_) key_ = obtain_key(options_, KeyUse::open_store);
  return &*key_;
}

void NewKey::add_options(CLI::App& command, const std::string& name, const std::string& whose,
                         GlobalOptions& global) {
  name_ = name;
  command.add_option("--" + name + "-key-file", key_file_, "Key file of " + whose)
      ->type_name("FILE")
      ->check(not_empty());
  command
      .add_option("--" + name + "-passphrase-file", passphrase_file_,
                  "File whose one line is a passphrase of " + whose)
      ->type_name("FILE")
      ->check(not_empty());
  add_passphrase_cost_options(command, global.passphrase_cost);
}

bool NewKey::is_given() const {
  return !key_file_.empty() || !passphrase_file_.empty();
}

void NewKey::check() const {
  if (!key_file_.empty() && !passphrase_file_.empty()) {
    throw UsageError(
        fmt::format("give one of --{0}-key-file and --{0}-passphrase-file, not both", name_));
  }
}

const Key* NewKey::obtain(const GlobalOptions& options) {
  check();
  if (!is_given()) return nullptr;
  key_ = !key_file_.empty()
             ? Key::from_file(path_of(key_file_), key_options(options))
             : Key::from_passphrase_file(path_of(passphrase_file_), options.passphrase_cost,
                                         key_options(options));
  return &*key_;
}

}  // namespace coffer::tools
