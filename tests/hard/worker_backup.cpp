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

/// restore FILE STORE: under the same key
void restore(const Arguments& arguments) {
  const Key key = test_key();
  say("begun");
  static_cast<void>(restore_logical(arguments.at(0), &key, arguments.at(1), {.new_key = &key}));
  say("done");
}

}  // namespace coffer::hard
