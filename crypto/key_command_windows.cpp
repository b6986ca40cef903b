// Key commands with CreateProcess.  What the program prints goes from the pipe into locked memory with no buffer
// in between; the pipe itself is the kernel's memory.  The program runs in a job of its own, so that whatever it
// starts ends with it.
#include <windows.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include <coffer/error.hpp>

#include "crypto/key_command.hpp"
#include "crypto/key_command_refusals.hpp"
#include "crypto/seal.hpp"
#include "platform/contracts.hpp"
#include "platform/windows/handle.hpp"
#include "platform/windows/os_error.hpp"

namespace coffer::crypto {
namespace {

using Clock = std::chrono::steady_clock;
using platform::windows_os::Handle;
using platform::windows_os::last_error;
using std::chrono::milliseconds;

/// How long a stopped program is waited for.
constexpr DWORD kGraceMilliseconds = 1000;
/// More would pass the clock's range.
constexpr milliseconds kTimeMax = std::chrono::hours(24 * 365);

[[noreturn]] void fail(const std::string& program, const std::string& operation, DWORD code) {
  throw IoError("key command '" + program + "': " + operation +
                    " failed: " + platform::windows_os::text_of(code),
                operation, program, static_cast<int>(code));
}

std::wstring wide(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end())).native();
}

/// One argument, quoted as CommandLineToArgvW and the C runtime take it apart again.
void append_argument(std::wstring& line, const std::string& utf8) {
  // From char8_t: libstdc++ takes plain char for one of the C locale's characters each.
  const std::wstring word = wide(utf8);
  if (!line.empty()) line += L' ';
  if (!word.empty() && word.find_first_of(L" \t\n\v\"") == std::wstring::npos) {
    line += word;
    return;
  }
  line += L'"';
  std::size_t backslashes = 0;
  for (const wchar_t c : word) {
    if (c == L'\\') {
      ++backslashes;
    } else {
      // Backslashes count only before a quotation mark.
      if (c == L'"') line.append(backslashes + 1, L'\\');
      backslashes = 0;
    }
    line += c;
  }
  line.append(backslashes, L'\\');
  line += L'"';
}

/// The program's file.  Left to itself CreateProcess looks in this program's folder and in the current directory
/// first, where somebody else may have put one of that name; and it hands batch files to a shell.
std::wstring file_of(const std::string& program) {
  const std::wstring name = wide(program);
  std::wstring file = name;
  if (name.find_first_of(L"\\/:") == std::wstring::npos) {
    std::wstring folders(::GetEnvironmentVariableW(L"PATH", nullptr, 0), L'\0');
    ::GetEnvironmentVariableW(L"PATH", folders.data(), static_cast<DWORD>(folders.size()));
    file.resize(::SearchPathW(folders.c_str(), name.c_str(), L".exe", 0, nullptr, nullptr));
    if (file.empty()) fail(program, "starting it", ERROR_FILE_NOT_FOUND);
    file.resize(::SearchPathW(folders.c_str(), name.c_str(), L".exe",
                              static_cast<DWORD>(file.size()), file.data(), nullptr));
  } else if (std::filesystem::path(name).extension().empty()) {
    file += L".exe";
  }
  std::wstring ending = std::filesystem::path(file).extension().native();
  for (wchar_t& c : ending) c = static_cast<wchar_t>(::towlower(c));
  if (ending == L".bat" || ending == L".cmd") {
    throw InvalidArgument(
        "key command '" + program +
        "': a batch file would be run by a shell; name the program that it starts");
  }
  return file;
}

/// The handles that the program inherits, and no others.
class InheritedHandles {
 public:
  explicit InheritedHandles(std::vector<HANDLE> handles) : handles_(std::move(handles)) {
    SIZE_T bytes = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &bytes);
    memory_.resize(bytes);
    made_ =
        ::InitializeProcThreadAttributeList(list(), 1, 0, &bytes) != 0 &&
        ::UpdateProcThreadAttribute(list(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_.data(),
                                    handles_.size() * sizeof(HANDLE), nullptr, nullptr) != 0;
    code_ = made_ ? 0 : last_error();
  }
  ~InheritedHandles() {
    if (made_) ::DeleteProcThreadAttributeList(list());
  }
  InheritedHandles(const InheritedHandles&) = delete;
  InheritedHandles& operator=(const InheritedHandles&) = delete;
  [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST list() {
    return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
  }
  [[nodiscard]] DWORD code() const { return code_; }

 private:
  std::vector<HANDLE> handles_;
  std::vector<char> memory_;
  bool made_ = false;
  DWORD code_ = 0;
};

/// The program under way: it is waited for or stopped, once.
class Program {
 public:
  Program(const std::vector<std::string>& command, HANDLE standard_output) : name_(command[0]) {
    const std::wstring file = file_of(name_);
    std::wstring line;
    for (const std::string& word : command) append_argument(line, word);
    SECURITY_ATTRIBUTES inheritable{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    const Handle nothing(::CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                       &inheritable, OPEN_EXISTING, 0, nullptr));
    Handle errors = inheritable_copy(::GetStdHandle(STD_ERROR_HANDLE));
    if (!errors.valid()) {
      errors = Handle(::CreateFileW(L"NUL", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                    &inheritable, OPEN_EXISTING, 0, nullptr));
    }
    const Handle output = inheritable_copy(standard_output);
    if (!nothing.valid() || !errors.valid() || !output.valid())
      fail(name_, "preparing its handles", last_error());

    InheritedHandles inherited({nothing.get(), output.get(), errors.get()});
    if (inherited.code() != 0) fail(name_, "preparing its handles", inherited.code());
    STARTUPINFOEXW startup{};
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = nothing.get();
    startup.StartupInfo.hStdOutput = output.get();
    startup.StartupInfo.hStdError = errors.get();
    startup.lpAttributeList = inherited.list();

    job_ = Handle(::CreateJobObjectW(nullptr, nullptr));
    PROCESS_INFORMATION started{};
    const BOOL made = ::CreateProcessW(file.c_str(), line.data(), nullptr, nullptr, TRUE,
                                       EXTENDED_STARTUPINFO_PRESENT | CREATE_SUSPENDED, nullptr,
                                       nullptr, &startup.StartupInfo, &started);
    if (made == 0) fail(name_, "starting it", last_error());
    process_ = Handle(started.hProcess);
    const Handle thread(started.hThread);
    // Where jobs do not nest (Windows 7 inside a job) the program alone is stopped.
    in_job_ = job_.valid() && ::AssignProcessToJobObject(job_.get(), process_.get()) != 0;
    ::ResumeThread(thread.get());
  }

  /// Its exit status, once it ends; nothing when it has not until then.
  [[nodiscard]] std::optional<DWORD> wait_until(Clock::time_point end) const {
    const auto rest = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
    const auto wait = static_cast<DWORD>(std::clamp<long long>(rest, 0, INFINITE - 1));
    if (::WaitForSingleObject(process_.get(), wait) != WAIT_OBJECT_0) return std::nullopt;
    DWORD status = 0;
    if (::GetExitCodeProcess(process_.get(), &status) == 0) {
      fail(name_, "waiting for its exit status", last_error());
    }
    return status;
  }

  void stop() const {
    if (in_job_) {
      ::TerminateJobObject(job_.get(), 1);
    } else {
      ::TerminateProcess(process_.get(), 1);
    }
    ::WaitForSingleObject(process_.get(), kGraceMilliseconds);
  }

 private:
  static Handle inheritable_copy(HANDLE of) {
    HANDLE copy = nullptr;
    ::DuplicateHandle(::GetCurrentProcess(), of, ::GetCurrentProcess(), &copy, 0, TRUE,
                      DUPLICATE_SAME_ACCESS);
    return Handle(copy);
  }

  const std::string& name_;
  Handle job_;
  Handle process_;
  bool in_job_ = false;
};

/// Reads until the end, or until `out` is full and one byte more would come.
struct Output {
  std::size_t bytes = 0;
  bool too_long = false;
  bool too_late = false;
  DWORD code = 0;
};
Output read_all(HANDLE pipe, std::span<std::byte> out, Clock::time_point end) {
  Output result;
  // An anonymous pipe can be asked, and not waited for with a time.
  for (milliseconds pause{1};; pause = std::min(2 * pause, milliseconds{20})) {
    DWORD ready = 0;
    if (::PeekNamedPipe(pipe, nullptr, 0, nullptr, &ready, nullptr) == 0) {
      const DWORD code = last_error();
      if (code != ERROR_BROKEN_PIPE) result.code = code;
      return result;
    }
    if (ready == 0) {
      if (Clock::now() >= end) {
        result.too_late = true;
        return result;
      }
      std::this_thread::sleep_for(pause);
      continue;
    }
    const auto rest = out.subspan(result.bytes);
    if (rest.empty()) {
      result.too_long = true;
      return result;
    }
    DWORD count = 0;
    if (::ReadFile(pipe, rest.data(), static_cast<DWORD>(std::min<std::size_t>(rest.size(), ready)),
                   &count, nullptr) == 0) {
      result.code = last_error();
      return result;
    }
    result.bytes += count;
    pause = milliseconds{1};
  }
}

}  // namespace

std::size_t run_key_command(const std::vector<std::string>& command, std::span<std::byte> out,
                            milliseconds time_max) {
  refuse_command(command, time_max);
  const std::string& name = command[0];
  bool complete = false;
  const auto wipe_unless_complete = gsl::finally([&] {
    if (!complete) wipe(out);
  });

  HANDLE reading_end = nullptr;
  HANDLE writing_end = nullptr;
  if (::CreatePipe(&reading_end, &writing_end, nullptr, 0) == 0)
    fail(name, "making a pipe", last_error());
  const Handle reading(reading_end);
  Handle writing(writing_end);
  const auto end = Clock::now() + std::min(time_max, kTimeMax);
  const Program program(command, writing.get());
  writing = Handle();
  const Output output = read_all(reading.get(), out, end);
  std::optional<DWORD> status;
  if (!output.too_late && !output.too_long) status = program.wait_until(end);
  if (!status) program.stop();

  if (output.code != 0) fail(name, "reading what it prints", output.code);
  if (output.too_long) refuse_output(name, out.size() - 1);
  if (!status) give_up(name, time_max, ERROR_TIMEOUT);
  if (*status != 0) refuse_end(name, "exit status " + std::to_string(*status));
  complete = true;
  return output.bytes;
}

}  // namespace coffer::crypto
