// export: one tree in any format, or all of them as one dump.  All that it writes is of one
// snapshot.

#include <coffer/error.hpp>

#include <memory>
#include <string>

#include "tools/commands.hpp"
#include "tools/format_option.hpp"
#include "tools/formats/wiped_bytes.hpp"
#include "tools/output.hpp"
#include "tools/session.hpp"

namespace coffer::tools {
namespace {

struct ExportRequest {
  std::string store;
  std::string tree;
  bool all = false;
  RecordFormat format = RecordFormat::tsv;
  std::uint64_t map_bytes = 0;
};

void check_request(const ExportRequest& request) {
  if (!request.all) {
    if (request.tree.empty()) throw UsageError("name the TREE, or give --all");
    return;
  }
  if (!request.tree.empty()) throw UsageError("--all takes no TREE; leave out one of the two");
  if (!is_dump(request.format)) {
    throw UsageError("--all needs --format dump or dump-print: the others hold one tree");
  }
}

// A record's value in one piece.  A large one is read into ordinary memory, which is wiped.
Bytes value_of(const Cursor& cursor, WipedBytes& memory) {
  if (!cursor.value_is_large()) return cursor.value();
  memory.resize(static_cast<std::size_t>(cursor.value_size()));
  ValueReader reader = cursor.read();
  if (reader.read(memory) != memory.size()) {
    throw Corrupted("a large value is shorter than its size says; run coffer check");
  }
  return std::span<const std::byte>(memory);
}

void write_tree(RecordWriter& writer, Tree tree, const std::string& name, std::uint64_t map_bytes) {
  writer.begin({.tree_name = name, .options = tree.options(), .map_bytes = map_bytes});
  WipedBytes large;
  Cursor cursor = tree.cursor();
  for (bool more = cursor.first(); more; more = cursor.next()) {
    writer.record(cursor.key(), value_of(cursor, large));
  }
  writer.end();
}

ExitCode run_export(const GlobalOptions& options, const ExportRequest& request) {
  check_request(request);
  Session session(options, request.store, Access::read);
  {
    ReadTransaction reading = session.store().read();
    Output output(session.scratch());
    const auto writer =
        make_record_writer(request.format, [&output](Bytes bytes) { output.write(bytes); });
    if (request.all) {
      for (const TreeInfo& tree : reading.trees()) {
        write_tree(*writer, reading.tree(tree.name), tree.name, request.map_bytes);
      }
    } else {
      std::optional<Tree> tree = reading.find_tree(request.tree);
      if (!tree) {
        print_error("not found: the tree; `coffer trees` lists what there is");
        return ExitCode::not_found;
      }
      write_tree(*writer, std::move(*tree), request.tree, request.map_bytes);
    }
    output.flush();
  }
  session.finish();
  return ExitCode::done;
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<ExportRequest>();
  CLI::App* const command =
      app.add_subcommand("export", "Write a tree's records to standard output");
  command->add_option("STORE", request->store, "The store's directory")->required();
  command->add_option("TREE", request->tree, "The tree's name (none with --all)");
  command->add_flag("--all", request->all,
                    "Every tree, as a dump of as many databases: what mdb_dump -a writes");
  add_format_option(*command, request->format);
  add_size_option(*command, "--map-size", request->map_bytes,
                  "For dumps that mdb_load shall read: the size of its map");
  command->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return run_export(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
