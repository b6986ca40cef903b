// Backups and restores that are killed.
#include <sys/syscall.h>

#include <cerrno>
#include <coffer/coffer.hpp>
#include <functional>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/limits.hpp"

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

/// poison STORE FULL LOGICAL FILE: backs a store up whose disk has failed; says what each kind of backup says
void poison(const Arguments& arguments) {
  Store store = Store::open(arguments.at(0), test_key());
  test::fake_system_call(SYS_fdatasync, EIO);
  const auto tried = [](const char* what, const std::function<void()>& call) {
    std::string heard = "done";
    try {
      call();
    } catch (const Poisoned&) {
      heard = "Poisoned";
    } catch (const IoError&) {
      heard = "IoError";
    }
    say(what + (": " + heard));
  };
  tried("commit", [&] {
    WriteTransaction writing = store.write();
    writing.create_tree("t").put("k", "v");
    writing.commit();
  });
  const std::string& file = arguments.at(3);
  tried("snapshot", [&] { static_cast<void>(backup_snapshot(store, file)); });
  tried("directory", [&] { static_cast<void>(backup_snapshot_directory(store, file)); });
  tried("increment", [&] { static_cast<void>(backup_increment(store, file, arguments.at(1))); });
  tried("logical", [&] { static_cast<void>(backup_logical(store, file)); });
  tried("logical increment",
        [&] { static_cast<void>(backup_logical_increment(store, file, arguments.at(2))); });
}

/// restore FILE STORE: under the same key
void restore(const Arguments& arguments) {
  const Key key = test_key();
  say("begun");
  static_cast<void>(restore_logical(arguments.at(0), &key, arguments.at(1), {.new_key = &key}));
  say("done");
}

}  // namespace coffer::hard
