// doctor

#include <fmt/format.h>

#include <memory>

#include "tools/commands.hpp"
#include "tools/doctor/probes.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace doctor {
namespace {

struct DoctorRequest {
  std::string store;
  bool fix = false;
};

/// Does what can be done without a privilege, and looks again.
void fix_what_can_be(std::vector<Finding>& findings, const Context& context, bool is_store) {
  std::string done;
  for (const Finding& finding : findings) {
    if (finding.fix) done += "fixed: " + finding.fix() + "\n";
  }
  if (done.empty()) return;
  print(done);
  findings = examine(context, is_store);
}

ExitCode diagnose(const GlobalOptions& options, const DoctorRequest& request) {
  const bool is_store = !request.store.empty();
  const Context context{
      .platform = platform::native_platform(),
      .system = SystemFiles(),
      .wanted_locked_bytes = options.locked_bytes_max.value_or(Options{}.locked_bytes_max),
      .directory = is_store ? path_of(request.store) : std::filesystem::current_path(),
      .proceed_unlocked = options.proceed_unlocked};
  std::vector<Finding> findings = examine(context, is_store);
  if (request.fix) fix_what_can_be(findings, context, is_store);
  print(options.json ? findings_as_json(findings)
                     : findings_as_text(findings, streams::is_terminal(streams::kOutput)));
  switch (worst_of(findings)) {
    case Level::ok:
      return ExitCode::done;
    case Level::warn:
      return ExitCode::doctor_warned;
    case Level::fail:
      break;
  }
  return ExitCode::doctor_failed;
}

}  // namespace

std::vector<Finding> examine(const Context& context, bool is_store) {
  std::vector<Finding> findings;
  findings.reserve(probes().size() + 1);
  if (is_store) findings.push_back(probe_store_access(context));
  for (const Probe probe : probes()) findings.push_back(probe(context));
  return findings;
}

}  // namespace doctor

void add_doctor_command(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<doctor::DoctorRequest>();
  CLI::App* const command = app.add_subcommand(
      "doctor",
      "Find out what on this machine keeps stores from being safe or fast, and what mends it");
  command->add_option("STORE", request->store,
                      "A store to look at (else the current directory's disk)");
  command->add_flag("--fix", request->fix,
                    "Mend what needs no privilege (a store's permissions), and say so");
  command->footer(
      "Needs no key, and changes nothing without --fix.  --locked-max says what a store shall "
      "lock.\n"
      "Exit codes: 0 nothing to mend, 1 warnings, 2 failures.");
  command->callback([&invocation, request] {
    invocation.action = [&invocation, request] {
      return doctor::diagnose(invocation.global, *request);
    };
  });
}

}  // namespace coffer::tools
