// import, export
//
// An import is a row of commits, one for each batch of records: a crash, or a line that is no
// record, leaves every batch before it whole and nothing of its own.

#include <coffer/error.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <system_error>

#include "tools/commands.hpp"
#include "tools/formats/record_format.hpp"
#include "tools/formats/wiped_bytes.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/session.hpp"

namespace coffer::tools {
namespace {

struct Transfer {
  std::string store;
  std::string tree;
  std::string file;
  RecordFormat format = RecordFormat::tsv;
  // import
  std::uint64_t batch = 5000;
  bool acknowledge = false;
  TreeOptions kind;
  // export
  std::uint64_t map_bytes = 0;
};

// What an import reads: a file, or standard input for `-`.
class InputFile {
 public:
  explicit InputFile(const std::string& name) : name_(name == "-" ? "standard input" : name) {
    fd_ = name == "-" ? STDIN_FILENO : ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) raise("open");
  }
  ~InputFile() {
    if (fd_ != STDIN_FILENO) ::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::size_t read(std::span<std::byte> out) const {
    while (true) {
      const ssize_t count = ::read(fd_, out.data(), out.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) raise("read");
    }
  }

 private:
  [[noreturn]] void raise(const char* operation) const {
    const int code = errno;
    throw IoError(fmt::format("cannot {} {}: {}; name a file that can be read, or -", operation,
                              name_, std::generic_category().message(code)),
                  operation, name_, code);
  }
  std::string name_;
  int fd_ = -1;
};

class Import {
 public:
  Import(const GlobalOptions& options, const Transfer& request)
      : options_(options),
        request_(request),
        input_(request.file),
        session_(options, request.store, Access::write),
        reader_(make_record_reader(
            request.format, [this](std::span<std::byte> out) { return input_.read(out); },
            input_.name())) {}

  ExitCode run() {
    {
      const Progress progress(
          [this] { return fmt::format("{} records committed", count_.load()); });
      RecordHeader header;
      if (!reader_->begin(header)) {
        throw UsageError(fmt::format("{} holds no tree; is it cut off?", input_.name()));
      }
      kind_.multi_value = header.options.multi_value || request_.kind.multi_value;
      kind_.integer_keys = header.options.integer_keys || request_.kind.integer_keys;
      while (load_batch()) {
      }
      if (reader_->begin(header)) {
        throw UsageError(fmt::format(
            "{}:{}: a second tree begins; only the first was imported, dump one tree at a time",
            input_.name(), reader_->line_number()));
      }
    }
    session_.finish();
    print(options_.json ? fmt::format("{{\"imported\":{}}}\n", count_.load())
                        : fmt::format("imported {} records\n", count_.load()));
    return ExitCode::done;
  }

 private:
  // One commit; false when the tree has no more records.
  bool load_batch() {
    std::uint64_t records = 0;
    {
      WriteTransaction writing = session_.store().write();
      {
        Tree tree = open_tree(writing);
        std::span<const std::byte> key;
        std::span<const std::byte> value;
        for (; records < request_.batch && reader_->next(key, value); ++records) {
          tree.put(key, value);
        }
      }
      // An import of nothing still makes its tree.
      if (records == 0 && count_ != 0) return false;
      writing.commit();
    }
    count_ += records;
    if (request_.acknowledge && records != 0) {
      print(options_.json ? fmt::format("{{\"committed\":{}}}\n", count_.load())
                          : fmt::format("committed {} records\n", count_.load()));
    }
    return records == request_.batch;
  }

  // A tree that is there keeps its kind, which must not be less than what the records need: a
  // second value of a key would silently take the first one's place.
  Tree open_tree(WriteTransaction& writing) const {
    std::optional<Tree> found = writing.find_tree(request_.tree);
    if (!found) return writing.create_tree(request_.tree, kind_);
    if ((kind_.multi_value && !found->options().multi_value) ||
        kind_.integer_keys != found->options().integer_keys) {
      throw UsageError(fmt::format(
          "the tree is of another kind than the records of {}; import them into a new tree",
          input_.name()));
    }
    return std::move(*found);
  }

  const GlobalOptions& options_;
  const Transfer& request_;
  InputFile input_;
  Session session_;
  std::unique_ptr<RecordReader> reader_;
  TreeOptions kind_;
  std::atomic<std::uint64_t> count_ = 0;
};

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

ExitCode run_export(const GlobalOptions& options, const Transfer& request) {
  Session session(options, request.store, Access::read);
  {
    ReadTransaction reading = session.store().read();
    std::optional<Tree> tree = reading.find_tree(request.tree);
    if (!tree) {
      print_error("not found: the tree; `coffer trees` lists what there is");
      return ExitCode::not_found;
    }
    Output output(session.scratch());
    const auto writer =
        make_record_writer(request.format, [&output](Bytes bytes) { output.write(bytes); });
    writer->begin(
        {.tree_name = request.tree, .options = tree->options(), .map_bytes = request.map_bytes});
    WipedBytes large;
    Cursor cursor = tree->cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      writer->record(cursor.key(), value_of(cursor, large));
    }
    writer->end();
    output.flush();
  }
  session.finish();
  return ExitCode::done;
}

void add_format_option(CLI::App& command, Transfer& request) {
  command.add_option("--format", request.format, "How the records are written")
      ->required()
      ->type_name("tsv|jsonl|dump|dump-print")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, RecordFormat>{{"tsv", RecordFormat::tsv},
                                              {"jsonl", RecordFormat::jsonl},
                                              {"dump", RecordFormat::dump},
                                              {"dump-print", RecordFormat::dump_print}}));
}

}  // namespace

void add_transfer_commands(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<Transfer>();

  CLI::App* const importing =
      app.add_subcommand("import", "Load records into a tree, which is created when absent");
  importing->add_option("STORE", request->store, "The store's directory")->required();
  importing->add_option("TREE", request->tree, "The tree's name")->required();
  importing->add_option("FILE", request->file, "The records; - is standard input")->required();
  add_format_option(*importing, *request);
  importing->add_option("--batch", request->batch, "Records in one commit (default 5000)")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  importing->add_flag("--progress", request->acknowledge,
                      "Print `committed N records` after every commit, once it is durable");
  importing->add_flag("--multi-value", request->kind.multi_value,
                      "A tree that this creates keeps several values of a key");
  importing->add_flag("--integer", request->kind.integer_keys,
                      "A tree that this creates has 8-byte integer keys");
  importing->callback([&invocation, request] {
    invocation.action = [&invocation, request] {
      return Import(invocation.global, *request).run();
    };
  });

  CLI::App* const exporting =
      app.add_subcommand("export", "Write a tree's records to standard output");
  exporting->add_option("STORE", request->store, "The store's directory")->required();
  exporting->add_option("TREE", request->tree, "The tree's name")->required();
  add_format_option(*exporting, *request);
  exporting
      ->add_option("--map-size", request->map_bytes,
                   "For dumps that mdb_load shall read: the size of its map")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES[K|M|G]");
  exporting->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return run_export(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
