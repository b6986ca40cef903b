// scan

#include <coffer/tree.hpp>

#include <memory>
#include <string>

#include "tools/commands.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"
#include "tools/record_output.hpp"
#include "tools/session.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

struct Scan {
  std::string store;
  std::string tree;
  SecretArgument prefix;
  SecretArgument from;
  SecretArgument to;
  bool hex = false;
  bool integer = false;
  bool reverse = false;
  std::uint64_t limit = UINT64_MAX;
};

bool starts_with(Bytes bytes, Bytes prefix) {
  return bytes.size() >= prefix.size() && equal(bytes.first(prefix.size()), prefix);
}

// Moves to the last entry with a key below `bound`.
bool seek_before(Cursor& cursor, Bytes bound) {
  return cursor.seek(bound) ? cursor.previous() : cursor.last();
}

// Moves to the last entry with a key that begins with `prefix`, or the one before where it would
// be. The next prefix of the same length has its last byte that is not 0xff raised by one; there is
// none when all are 0xff.
bool seek_prefix_end(Cursor& cursor, Bytes prefix, Scratch& scratch) {
  std::size_t size = prefix.size();
  while (size > 0 && prefix[size - 1] == std::byte{0xff}) --size;
  if (size == 0) return cursor.last();
  platform::LockedBuffer next = scratch.allocate(size);
  std::copy_n(prefix.begin(), size, next.bytes().begin());
  next.bytes()[size - 1] = static_cast<std::byte>(std::to_integer<unsigned>(prefix[size - 1]) + 1);
  return seek_before(cursor, std::span<const std::byte>(next.bytes()));
}

bool place(Cursor& cursor, const Range& range, bool reverse, Scratch& scratch) {
  if (!reverse) {
    const Bytes start = compare(range.from, range.prefix) > 0 ? range.from : range.prefix;
    return start.empty() ? cursor.first() : cursor.seek(start);
  }
  bool placed =
      range.prefix.empty() ? cursor.last() : seek_prefix_end(cursor, range.prefix, scratch);
  // `to` may lie below the end of the prefix.
  if (placed && !range.to.empty() && compare(cursor.key(), range.to) >= 0) {
    placed = seek_before(cursor, range.to);
  }
  return placed;
}

bool within(Bytes key, const Range& range) {
  return starts_with(key, range.prefix) && (range.from.empty() || compare(key, range.from) >= 0) &&
         (range.to.empty() || compare(key, range.to) < 0);
}

ExitCode scan(const GlobalOptions& options, Scan& request) {
  const KeyForm form =
      request.hex ? KeyForm::hex : (request.integer ? KeyForm::integer : KeyForm::text);
  const auto bound = [form](SecretArgument& argument) {
    return argument.text.empty() ? Bytes() : argument.decode(form);
  };
  const Range range{
      .from = bound(request.from), .to = bound(request.to), .prefix = bound(request.prefix)};
  Session session(options, request.store, Access::read);
  {
    ReadTransaction reading = session.store().read();
    std::optional<Tree> tree = reading.find_tree(request.tree);
    if (!tree) {
      print_error("not found: the tree; `coffer trees` lists what there is");
      return ExitCode::not_found;
    }
    Output output(session.scratch());
    JsonRecords json(output);
    Cursor cursor = tree->cursor();
    bool more = place(cursor, range, request.reverse, session.scratch());
    for (std::uint64_t count = 0; more && count < request.limit && within(cursor.key(), range);
         ++count) {
      if (options.json) {
        json.write(cursor);
      } else {
        write_shown_record(output, cursor);
      }
      more = request.reverse ? cursor.previous() : cursor.next();
    }
    output.flush();
  }
  session.finish();
  return ExitCode::done;
}

}  // namespace

void add_scan_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("scan", "List keys and values in order");
  const auto request = std::make_shared<Scan>();
  command->add_option("STORE", request->store, "The store's directory")->required();
  command->add_option("TREE", request->tree, "The tree's name")->required();
  command->add_option("--prefix", request->prefix.text, "Only keys that begin so")
      ->type_name("KEY");
  command->add_option("--from", request->from.text, "Only keys not less than this")
      ->type_name("KEY");
  command->add_option("--to", request->to.text, "Only keys less than this")->type_name("KEY");
  CLI::Option* const hex =
      command->add_flag("--hex", request->hex, "Bounds are in hexadecimal digits");
  command->add_flag("--integer", request->integer, "Bounds are whole numbers")->excludes(hex);
  command->add_flag("--reverse", request->reverse, "From the last to the first");
  add_count_option(*command, "--limit", request->limit, "At most so many");
  command->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return scan(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
