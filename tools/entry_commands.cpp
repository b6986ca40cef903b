// put, get, del

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <gsl/gsl>
#include <memory>
#include <string>
#include <system_error>

#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/output.hpp"
#include "tools/record_output.hpp"
#include "tools/session.hpp"
#include "tools/system/streams.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

// What the three subcommands take from the command line.
struct Entry {
  std::string store;
  std::string tree;
  SecretArgument key;
  SecretArgument value;
  std::string file;
  bool hex = false;
  bool integer = false;
  bool multi_value = false;

  [[nodiscard]] KeyForm form() const {
    return hex ? KeyForm::hex : (integer ? KeyForm::integer : KeyForm::text);
  }
};

// Fills `chunk` as far as the descriptor has bytes; less than its size only at the end.
std::size_t read_chunk(int fd, std::span<std::byte> chunk) {
  std::size_t size = 0;
  while (size < chunk.size()) {
    const std::ptrdiff_t count = streams::read_some(fd, chunk.subspan(size));
    if (count == 0) break;
    if (count < 0) {
      const int code = errno;
      throw IoError(fmt::format("cannot read the value: {}; nothing was changed, give it again",
                                std::generic_category().message(code)),
                    "read", {}, code);
    }
    size += static_cast<std::size_t>(count);
  }
  return size;
}

// A value that fits one chunk is put whole; a longer one is written as a stream.
void put_from(int fd, Session& session, Tree& tree, Bytes key) {
  platform::LockedBuffer chunk = session.scratch().allocate(kChunkBytes);
  std::size_t size = read_chunk(fd, chunk.bytes());
  if (size < kChunkBytes) {
    tree.put(key, std::span<const std::byte>(chunk.bytes().first(size)));
    return;
  }
  ValueWriter writer = tree.write(key);
  for (; size > 0; size = read_chunk(fd, chunk.bytes())) {
    writer.write(std::span<const std::byte>(chunk.bytes().first(size)));
  }
  writer.finish();
}

void put_value(Entry& entry, Session& session, Tree& tree, Bytes key) {
  if (!entry.file.empty()) {
    const int fd = streams::open_to_read(path_of(entry.file));
    if (fd < 0) {
      const int code = errno;
      throw IoError(fmt::format("cannot open {}: {}; name a file that can be read", entry.file,
                                std::generic_category().message(code)),
                    "open", path_of(entry.file), code);
    }
    const auto close_it = gsl::finally([fd] { streams::close(fd); });
    put_from(fd, session, tree, key);
  } else if (entry.value.text == "-") {
    put_from(streams::kInput, session, tree, key);
  } else {
    tree.put(key, entry.value.text);
  }
}

// A tree that is there keeps its kind.  Where that is less than the flags say, the value would take
// another one's place, or the key be one that nobody finds.
void check_kind(const Tree& tree, const Entry& entry) {
  if (entry.multi_value && !tree.options().multi_value) {
    throw UsageError("the tree is there and keeps one value of a key; leave out --multi-value");
  }
  if (entry.integer && !tree.options().integer_keys) {
    throw UsageError("the tree is there and its keys are no integers; leave out --integer");
  }
}

ExitCode put(const GlobalOptions& options, Entry& entry) {
  if (!entry.file.empty() && entry.value.given) {
    throw UsageError("give VALUE or --file FILE, not both");
  }
  if (entry.file.empty() && !entry.value.given) {
    throw UsageError("no value given; add VALUE, --file FILE, or - for standard input");
  }
  const Bytes key = entry.key.decode(entry.form());
  Session session(options, entry.store, Access::write);
  {
    WriteTransaction writing = session.store().write();
    {
      std::optional<Tree> found = writing.find_tree(entry.tree);
      if (found) check_kind(*found, entry);
      Tree tree = found ? std::move(*found)
                        : writing.create_tree(entry.tree, {.multi_value = entry.multi_value,
                                                           .integer_keys = entry.integer});
      put_value(entry, session, tree, key);
    }
    writing.commit();
  }
  session.finish();
  return ExitCode::done;
}

ExitCode not_found(const char* what) {
  print_error(
      fmt::format("not found: the {}; `coffer trees` and `coffer scan` list what there is", what));
  return ExitCode::not_found;
}

void copy_out(Session& session, ValueReader& reader) {
  Output output(session.scratch());
  platform::LockedBuffer chunk = session.scratch().allocate(kChunkBytes);
  while (const std::size_t size = reader.read(chunk.bytes())) {
    output.write(std::span<const std::byte>(chunk.bytes().first(size)));
    output.flush();
  }
}

ExitCode get(const GlobalOptions& options, Entry& entry) {
  const Bytes key = entry.key.decode(entry.form());
  Session session(options, entry.store, Access::read);
  {
    ReadTransaction reading = session.store().read();
    std::optional<Tree> tree = reading.find_tree(entry.tree);
    if (!tree) return not_found("tree");
    if (options.json) {
      Cursor cursor = tree->cursor();
      if (!cursor.seek_exact(key)) return not_found("key");
      Output output(session.scratch());
      JsonRecords(output).write(cursor);
      output.flush();
    } else {
      std::optional<ValueReader> reader = tree->read(key);
      if (!reader) return not_found("key");
      copy_out(session, *reader);
    }
  }
  session.finish();
  return ExitCode::done;
}

ExitCode del(const GlobalOptions& options, Entry& entry) {
  const Bytes key = entry.key.decode(entry.form());
  Session session(options, entry.store, Access::write);
  {
    WriteTransaction writing = session.store().write();
    {
      std::optional<Tree> tree = writing.find_tree(entry.tree);
      if (!tree) return not_found("tree");
      const bool erased = entry.value.given ? tree->erase(key, entry.value.text) : tree->erase(key);
      if (!erased) return not_found(entry.value.given ? "key with that value" : "key");
    }
    writing.commit();
  }
  session.finish();
  return ExitCode::done;
}

using EntryAction = ExitCode (*)(const GlobalOptions&, Entry&);

CLI::App& add_entry_command(CLI::App& app, Invocation& invocation,
                            const std::shared_ptr<Entry>& entry, const char* name,
                            const char* description, EntryAction action) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.add_option("STORE", entry->store, "The store's directory")->required();
  command.add_option("TREE", entry->tree, "The tree's name")->required();
  command
      .add_option("KEY", entry->key.text, "The key, as text unless --hex or --integer says else")
      ->required();
  CLI::Option* const hex = command.add_flag("--hex", entry->hex, "KEY is in hexadecimal digits");
  command.add_flag("--integer", entry->integer, "KEY is a whole number, for integer-keyed trees")
      ->excludes(hex);
  command.callback([&invocation, entry, action] {
    invocation.action = [&invocation, entry, action] { return action(invocation.global, *entry); };
  });
  return command;
}

void add_value_argument(CLI::App& command, Entry& entry, const char* description) {
  command.add_option_function<std::string>(
      "VALUE",
      [&entry](const std::string& text) {
        entry.value.text = text;
        entry.value.given = true;
      },
      description);
}

}  // namespace

void add_entry_commands(CLI::App& app, Invocation& invocation) {
  const auto entry = std::make_shared<Entry>();
  CLI::App& putting = add_entry_command(app, invocation, entry, "put",
                                        "Set a key's value (the tree is created when absent)", put);
  add_value_argument(putting, *entry,
                     "The value; - is standard input. Others may see it while the command runs: "
                     "prefer --file or -");
  putting.add_option("--file", entry->file, "Take the value from a file, of any size")
      ->type_name("FILE");
  putting.add_flag("--multi-value", entry->multi_value,
                   "A tree that this creates keeps several values of a key");

  add_entry_command(app, invocation, entry, "get",
                    "Write a key's value, as it is, to standard output", get);

  CLI::App& deleting =
      add_entry_command(app, invocation, entry, "del", "Remove a key with its values", del);
  add_value_argument(deleting, *entry, "In a multi-value tree: remove only this value");
}

}  // namespace coffer::tools
