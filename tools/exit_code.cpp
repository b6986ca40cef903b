#include "tools/exit_code.hpp"

#include <coffer/error.hpp>

#include <filesystem>
#include <new>

#include "tools/system/streams.hpp"

namespace coffer::tools {

void print_error(std::string_view message) {
  std::string line = "coffer: ";
  for (const char c : message) {
    // A file name may hold a line end or an escape sequence; the promise is one plain line.
    const auto code = static_cast<unsigned char>(c);
    line += (code < 0x20 || code == 0x7f) ? ' ' : c;
  }
  line += '\n';
  streams::say(line);
}

ExitCode report_current_exception() {
  try {
    throw;
  } catch (const WrongKey& error) {
    print_error(error.what());
    return ExitCode::wrong_key;
  } catch (const Tampered& error) {
    print_error(error.what());
    return ExitCode::damaged;
  } catch (const Corrupted& error) {
    print_error(error.what());
    return ExitCode::damaged;
  } catch (const Conflict& error) {
    print_error(error.what());
    return ExitCode::damaged;
  } catch (const VersionUnsupported& error) {
    print_error(error.what());
    return ExitCode::damaged;
  } catch (const MemoryLockError& error) {
    print_error(error.what());
    return ExitCode::memory_lock;
  } catch (const Busy& error) {
    print_error(error.what());
    return ExitCode::busy;
  } catch (const InvalidArgument& error) {
    print_error(error.what());
    return ExitCode::usage;
  } catch (const UsageError& error) {
    print_error(error.what());
    return ExitCode::usage;
  } catch (const std::bad_alloc&) {
    print_error("out of memory; free some, or give smaller --batch and --locked-max values");
    return ExitCode::io;
  } catch (const std::exception& error) {
    // IoError, NoSpace, Poisoned, Cancelled, and what the standard library raises about files.
    print_error(error.what());
    return ExitCode::io;
  }
}

}  // namespace coffer::tools
