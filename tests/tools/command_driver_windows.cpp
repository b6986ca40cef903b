// Starts the command with CreateProcess.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <utility>

#include "platform/windows/handle.hpp"
#include "tests/tools/command_driver.hpp"

namespace coffer::tools::test {
namespace {

using platform::windows_os::Handle;

constexpr DWORD kPipeBytes = 64 << 10;
constexpr int kStartsMax = 5;
constexpr DWORD kBetweenStarts = 500;  // milliseconds

std::wstring wide(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end())).native();
}

// One argument, always in quotes, as CommandLineToArgvW takes it apart: backslashes count only before a
// quotation mark, where two stand for one.
std::wstring quoted(const std::string& argument) {
  std::wstring text = L"\"";
  std::size_t backslashes = 0;
  for (const wchar_t c : wide(argument)) {
    if (c == L'"') text.append(backslashes + 1, L'\\');
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    text += c;
  }
  text.append(backslashes, L'\\');
  return text + L'"';
}

// Only what is named is there, and what programs need to find the system and its temporary files.
std::wstring environment_block(const std::map<std::string, std::string>& environment) {
  // CreateProcess wants them in order.
  std::map<std::wstring, std::wstring> variables;
  for (const wchar_t* const kept : {L"PATH", L"SYSTEMROOT", L"TEMP", L"TMP"}) {
    if (const wchar_t* const value = ::_wgetenv(kept)) variables[kept] = value;
  }
  for (const auto& [name, value] : environment) variables[wide(name)] = wide(value);
  std::wstring block;
  for (const auto& [name, value] : variables) block += name + L'=' + value + L'\0';
  return block + L'\0';
}

constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

SECURITY_ATTRIBUTES inheritable() {
  return {.nLength = sizeof(SECURITY_ATTRIBUTES),
          .lpSecurityDescriptor = nullptr,
          .bInheritHandle = TRUE};
}

Handle open_inheritable(const std::filesystem::path& file, DWORD access, DWORD disposition) {
  SECURITY_ATTRIBUTES attributes = inheritable();
  Handle handle(::CreateFileW(file.c_str(), access, kShared, &attributes, disposition,
                              FILE_ATTRIBUTE_NORMAL, nullptr));
  REQUIRE(handle.valid());
  return handle;
}

// The reading end of a pipe that holds the text and no more.
Handle pipe_with(const std::string& text) {
  SECURITY_ATTRIBUTES attributes = inheritable();
  HANDLE reading = nullptr;
  HANDLE writing = nullptr;
  REQUIRE(::CreatePipe(&reading, &writing, &attributes, kPipeBytes) != 0);
  const Handle writer(writing);
  Handle reader(reading);
  REQUIRE(text.size() < kPipeBytes);
  DWORD count = 0;
  REQUIRE(::WriteFile(writer.get(), text.data(), static_cast<DWORD>(text.size()), &count,
                      nullptr) != 0);
  REQUIRE(count == text.size());
  return reader;
}

// The writing end of a pipe that nobody reads.
Handle pipe_without_reader() {
  SECURITY_ATTRIBUTES attributes = inheritable();
  HANDLE reading = nullptr;
  HANDLE writing = nullptr;
  REQUIRE(::CreatePipe(&reading, &writing, &attributes, kPipeBytes) != 0);
  ::CloseHandle(reading);
  return Handle(writing);
}

// The standard streams of a command.
struct Streams {
  Handle input;
  Handle output;
  Handle error;
};

Handle start(const Invocation& invocation, const Streams& streams) {
  // A program that was built elsewhere may stand elsewhere than where it was built.
  const wchar_t* const named = ::_wgetenv(L"COFFER_COMMAND");
  const std::wstring program = named != nullptr ? named : wide(COFFER_COMMAND);
  std::wstring line = L"coffer";
  for (const std::string& argument : invocation.arguments) line += L' ' + quoted(argument);
  std::wstring environment = environment_block(invocation.environment);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = streams.input.get();
  startup.hStdOutput = streams.output.get();
  startup.hStdError = streams.error.get();
  PROCESS_INFORMATION started{};
  BOOL made = 0;
  DWORD code = 0;
  // Wine on a busy machine refused once, of some thousand times, and nothing of ours had run yet.
  for (int attempt = 0; made == 0 && attempt < kStartsMax; ++attempt) {
    if (attempt != 0) ::Sleep(kBetweenStarts);
    // Which the call may write to.
    std::wstring words = line;
    made = ::CreateProcessW(program.c_str(), words.data(), nullptr, nullptr, TRUE,
                            CREATE_UNICODE_ENVIRONMENT, environment.data(), nullptr, &startup,
                            &started);
    code = made != 0 ? 0 : ::GetLastError();
    if (made == 0) std::cerr << "a program was not started: error " << code << '\n';
  }
  CAPTURE(COFFER_COMMAND, code);
  REQUIRE(made != 0);
  ::CloseHandle(started.hThread);
  return Handle(started.hProcess);
}

}  // namespace

Outcome run(const Invocation& invocation) {
  const TemporaryFolder folder;
  const std::filesystem::path input = folder.path() / "in";
  const std::filesystem::path output = folder.path() / "out";
  const std::filesystem::path errors = folder.path() / "err";
  write_file(input, invocation.input);
  Handle process;
  {
    // Ours are closed once the command has its own.
    Streams streams{
        .input = invocation.input_is_pipe ? pipe_with(invocation.input)
                                          : open_inheritable(input, GENERIC_READ, OPEN_EXISTING),
        .output = invocation.output_is_unread ? pipe_without_reader()
                                              : open_inheritable(output, GENERIC_WRITE, CREATE_NEW),
        .error = open_inheritable(errors, GENERIC_WRITE, CREATE_NEW)};
    for (const Stream stream : invocation.closed) {
      (stream == Stream::input    ? streams.input
       : stream == Stream::output ? streams.output
                                  : streams.error) = Handle();
    }
    process = start(invocation, streams);
  }
  const auto patience = static_cast<DWORD>(std::chrono::milliseconds(invocation.patience).count());
  if (::WaitForSingleObject(process.get(), patience) != WAIT_OBJECT_0) {
    ::TerminateProcess(process.get(), 1);
    ::WaitForSingleObject(process.get(), INFINITE);
    FAIL("did not end within " << invocation.patience.count()
                               << " s: " << described(invocation.arguments));
  }
  DWORD status = 0;
  REQUIRE(::GetExitCodeProcess(process.get(), &status) != 0);
  Outcome outcome;
  outcome.exit_code = static_cast<int>(status);
  outcome.out = read_file(output);
  outcome.err = read_file(errors);
  return outcome;
}

}  // namespace coffer::tools::test
