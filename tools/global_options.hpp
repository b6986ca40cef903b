// Options that every subcommand understands, and where a subcommand leaves what it is to do.
#pragma once

#include <coffer/key.hpp>
#include <coffer/options.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/exit_code.hpp"

namespace coffer::tools {

struct GlobalOptions {
  // Where the key comes from; at most one.  The environment's COFFER_KEY_FILE counts when none is
  // given, and a terminal is asked for a passphrase when there is nothing else.
  std::string key_file;
  std::string key_command;
  std::uint64_t key_command_seconds = 60;  ///< how long it may take
  std::string passphrase_file;
  bool unencrypted = false;  ///< the store has no key; refused by an encrypted store
  PassphraseCost passphrase_cost;

  bool json = false;
  std::optional<std::uint64_t> locked_bytes_max;
  Durability durability = Durability::full;
  bool proceed_unlocked = false;
  [[nodiscard]] MemoryLocking memory_locking() const {
    return proceed_unlocked ? MemoryLocking::proceed_unlocked : MemoryLocking::abort;
  }
  std::string anchor_file;
  bool update_anchor = false;
};

/// What the parsed command line asks for.  The parser fills `action`; `run` calls it afterwards, so
/// that parsing has no effects.
struct Invocation {
  GlobalOptions global;
  std::function<ExitCode()> action;
};

}  // namespace coffer::tools
