// create, trees, stat, check

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/commands.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"
#include "tools/session.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

ExitCode create(const GlobalOptions& options, const std::string& path,
                const CreateOptions& create) {
  Session session(options, path, create);
  session.finish();
  if (options.json) {
    print(
        nlohmann::json(
            {{"store", path}, {"encrypted", !options.unencrypted}, {"page_size", create.page_size}})
            .dump() +
        "\n");
  }
  return ExitCode::done;
}

ExitCode list_trees(const GlobalOptions& options, const std::string& path) {
  Session session(options, path, Access::read);
  std::vector<TreeInfo> trees;
  {
    ReadTransaction reading = session.store().read();
    trees = reading.trees();
  }
  print(options.json ? trees_as_json(trees) : trees_as_text(trees));
  session.finish();
  return ExitCode::done;
}

ExitCode show_statistics(const GlobalOptions& options, const std::string& path) {
  Session session(options, path, Access::read);
  const Statistics statistics = session.store().statistics();
  const Anchor anchor = session.store().anchor();
  print(options.json ? statistics_as_json(statistics, anchor)
                     : statistics_as_text(statistics, anchor));
  session.finish();
  return ExitCode::done;
}

ExitCode check(const GlobalOptions& options, const std::string& path) {
  Session session(options, path, Access::read);
  CheckReport report;
  {
    const Progress progress([&session] {
      const Statistics now = session.store().statistics();
      return fmt::format("checking: {} pages opened, {} in the store", now.pages_opened,
                         now.logical_pages);
    });
    report = session.store().check();
  }
  print(options.json ? check_as_json(report) : check_as_text(report));
  session.finish();
  return ExitCode::done;
}

}  // namespace

void add_store_commands(CLI::App& app, Invocation& invocation) {
  const auto path = std::make_shared<std::string>();
  const auto creation = std::make_shared<CreateOptions>();
  GlobalOptions& options = invocation.global;

  CLI::App* const creating = app.add_subcommand("create", "Create a store in a new directory");
  creating->add_option("STORE", *path, "The directory; nothing may be there yet")->required();
  add_page_size_option(*creating, creation->page_size, "Bytes in a page (default 4096)");
  add_passphrase_cost_options(*creating, options.passphrase_cost);
  creating->callback([&invocation, path, creation] {
    invocation.action = [&invocation, path, creation] {
      return create(invocation.global, *path, *creation);
    };
  });

  const auto add = [&](const char* name, const char* description,
                       ExitCode (*action)(const GlobalOptions&, const std::string&)) {
    CLI::App* const command = app.add_subcommand(name, description);
    command->add_option("STORE", *path, "The store's directory")->required();
    command->callback([&invocation, path, action] {
      invocation.action = [&invocation, path, action] { return action(invocation.global, *path); };
    });
  };
  add("trees", "List the store's trees", list_trees);
  add("stat", "Show sizes, counters and the anchor", show_statistics);
  add("check", "Open and verify everything in the store", check);
}

}  // namespace coffer::tools
