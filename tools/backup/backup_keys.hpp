// The keys of backups, and of what is restored from them.
#pragma once

#include <coffer/key.hpp>

#include <CLI/CLI.hpp>

#include <optional>
#include <string>

#include "tools/global_options.hpp"

namespace coffer::tools {

/// The key of existing backups, as the usual key options give it.
class BackupKey {
 public:
  /// UsageError for options that do not go together, or that are about a store.
  explicit BackupKey(const GlobalOptions& options);

  /// Null: none, because of --unencrypted, or because nothing gives one.  A terminal is asked for a passphrase
  /// even then: whether there must be a key is not for the file to say, which somebody may have exchanged.
  [[nodiscard]] const Key* obtain();

 private:
  const GlobalOptions& options_;
  std::optional<Key> key_;
};

/// A key besides the usual one: of a new backup, of a restored store.
class NewKey {
 public:
  /// Adds --NAME-key-file, --NAME-passphrase-file and what a passphrase costs.
  void add_options(CLI::App& command, const std::string& name, const std::string& whose,
                   GlobalOptions& global);
  [[nodiscard]] bool is_given() const;
  /// UsageError when both are given.
  void check() const;
  /// Null when none is given.
  [[nodiscard]] const Key* obtain(const GlobalOptions& options);

 private:
  std::string name_;
  std::string key_file_;
  std::string passphrase_file_;
  std::optional<Key> key_;
};

}  // namespace coffer::tools
