// The helper's subcommands: each takes its arguments, says its figures in lines on standard output,
// and throws when something is not as it must be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coffer::hard {

using Arguments = std::vector<std::string>;

void load(const Arguments& arguments);
void persist(const Arguments& arguments);
void verify(const Arguments& arguments);
void bulk_load(const Arguments& arguments);
void bulk_check(const Arguments& arguments);
void big_transaction(const Arguments& arguments);
void big_value(const Arguments& arguments);
void hold(const Arguments& arguments);
void try_open(const Arguments& arguments);
void tamper(const Arguments& arguments);
void race_read(const Arguments& arguments);
void race_write(const Arguments& arguments);
void race_control(const Arguments& arguments);
void plant(const Arguments& arguments);
void fork_off(const Arguments& arguments);
void swap_out(const Arguments& arguments);
void hold_until_full(const Arguments& arguments);
void backup(const Arguments& arguments);
void snapshot(const Arguments& arguments);
void increment(const Arguments& arguments);
void snapshot_directory(const Arguments& arguments);
void restore_chain(const Arguments& arguments);
void poison(const Arguments& arguments);
void traced(const Arguments& arguments);
void restore(const Arguments& arguments);

/// One line, in one piece even when the process is killed.
void say(const std::string& line);
/// VmHWM, in KiB: the most that was resident.
std::uint64_t peak_kibibytes();

}  // namespace coffer::hard
