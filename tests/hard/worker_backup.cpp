// Backups and restores that are killed.
#include <coffer/coffer.hpp>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"

namespace coffer::hard {

/// backup STORE FILE
void backup(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  say("begun");
  const BackupReport report = backup_logical(store, arguments.at(1));
  say("done " + std::to_string(report.bytes));
}

/// snapshot STORE FILE
void snapshot(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  say("begun");
  const BackupReport report = backup_snapshot(store, arguments.at(1));
  say("done " + std::to_string(report.bytes));
}

/// increment STORE FILE PARENT
void increment(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  say("begun");
  const BackupReport report = backup_increment(store, arguments.at(1), arguments.at(2));
  say("done " + std::to_string(report.bytes));
}

/// snapshot_directory STORE DIRECTORY
void snapshot_directory(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  say("begun");
  static_cast<void>(backup_snapshot_directory(store, arguments.at(1)));
  say("done");
}

/// restore_chain STORE FILE...
void restore_chain(const Arguments& arguments) {
  const Key key = test_key();
  say("begun");
  static_cast<void>(
      restore_backup({arguments.begin() + 1, arguments.end()}, &key, arguments.at(0)));
  say("done");
}

/// restore FILE STORE: under the same key
void restore(const Arguments& arguments) {
  const Key key = test_key();
  say("begun");
  static_cast<void>(restore_logical(arguments.at(0), &key, arguments.at(1), {.new_key = &key}));
  say("done");
}

}  // namespace coffer::hard
