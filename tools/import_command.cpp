// import
//
// An import is a row of commits, one for each batch of records: a crash, or a line that is no
// record, leaves every batch before it whole and nothing of its own.
//
// A dump may hold several databases.  Which of them go where is said by the caller: the one of a
// name into TREE, or each into the tree of its name.  When the caller says neither, a dump of
// several is refused, and if it is a file that can be read twice, before anything is written.

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/format_option.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/session.hpp"
#include "tools/system/streams.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

struct ImportRequest {
  std::string store;
  std::string tree;  // empty with `all`
  std::string file;
  bool all = false;
  std::string database;
  RecordFormat format = RecordFormat::tsv;
  std::uint64_t batch = 5000;
  bool acknowledge = false;
  TreeOptions kind;
};

// With --all the second of the words is the file.
void settle(ImportRequest& request) {
  if (request.all && request.file.empty()) std::swap(request.tree, request.file);
  if (request.all && !request.tree.empty()) {
    throw UsageError("--all takes no TREE: each database goes into the tree of its name");
  }
  if (request.file.empty()) {
    throw UsageError(request.all ? "name the FILE, or - for standard input"
                                 : "name the TREE and the FILE, or - for standard input");
  }
  if (!is_dump(request.format) && (request.all || !request.database.empty())) {
    throw UsageError("--all and --database are for dumps: the other formats hold one tree");
  }
}

// What an import reads: a file, or standard input for `-`.
class InputFile {
 public:
  explicit InputFile(const std::string& name) : name_(name == "-" ? "standard input" : name) {
    fd_ = name == "-" ? streams::kInput : streams::open_to_read(path_of(name));
    if (fd_ < 0) raise("open");
  }
  ~InputFile() {
    if (fd_ != streams::kInput) streams::close(fd_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Where reading began, if one can go back there.
  [[nodiscard]] std::optional<std::int64_t> position() const { return streams::position(fd_); }
  void go_back(std::int64_t position) const {
    if (!streams::go_to(fd_, position)) raise("go back in");
  }
  [[nodiscard]] std::size_t read(std::span<std::byte> out) const {
    const std::ptrdiff_t count = streams::read_some(fd_, out);
    if (count < 0) raise("read");
    return static_cast<std::size_t>(count);
  }

 private:
  [[noreturn]] void raise(const char* operation) const {
    const int code = errno;
    throw IoError(fmt::format("cannot {} {}: {}; name a file that can be read, or -", operation,
                              name_, std::generic_category().message(code)),
                  operation, path_of(name_), code);
  }
  std::string name_;
  int fd_ = -1;
};

std::unique_ptr<RecordReader> reader_of(const ImportRequest& request, const InputFile& input) {
  return make_record_reader(
      request.format, [&input](std::span<std::byte> out) { return input.read(out); }, input.name());
}

// The databases of a dump, for messages.
class Databases {
 public:
  void add(const RecordHeader& header) {
    ++count_;
    if (!header.tree_name || count_ > kShownMax) return;
    if (!names_.empty()) names_ += ", ";
    names_ += shown_name(*header.tree_name);
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::string text() const {
    return fmt::format("{} database{}{}{}{}", count_, count_ == 1 ? "" : "s",
                       names_.empty() ? "" : ": ", names_, count_ > kShownMax ? ", ..." : "");
  }

 private:
  static constexpr std::uint64_t kShownMax = 20;
  std::uint64_t count_ = 0;
  std::string names_;
};

constexpr const char* kChoose =
    "choose one with --database NAME, or import each into the tree of its name with --all and "
    "without TREE";

// Looks through the whole input beforehand, where that can be read again.
void refuse_several(const ImportRequest& request, const InputFile& input) {
  if (request.all || !request.database.empty() || !is_dump(request.format)) return;
  const std::optional<off_t> begin = input.position();
  if (!begin) return;
  Databases databases;
  const auto reader = reader_of(request, input);
  for (RecordHeader header; reader->begin(header);) databases.add(header);
  if (databases.count() > 1) {
    throw UsageError(fmt::format("{} holds {}; nothing was imported, {}", input.name(),
                                 databases.text(), kChoose));
  }
  input.go_back(*begin);
}

class Import {
 public:
  Import(const GlobalOptions& options, const ImportRequest& request, const InputFile& input)
      : options_(options),
        request_(request),
        input_(input),
        session_(options, request.store, Access::write),
        reader_(reader_of(request, input)) {}

  ExitCode run() {
    {
      const Progress progress(
          [this] { return fmt::format("{} records committed", count_.load()); });
      for (RecordHeader header; reader_->begin(header);) {
        databases_.add(header);
        if (wanted(header)) load_tree(header);
      }
    }
    session_.finish();
    if (loaded_.empty()) return nothing_loaded();
    if (!request_.all && request_.database.empty() && databases_.count() > 1) {
      throw UsageError(fmt::format("{} holds {}; only the first was imported, {}", input_.name(),
                                   databases_.text(), kChoose));
    }
    report();
    return ExitCode::done;
  }

 private:
  [[nodiscard]] bool wanted(const RecordHeader& header) const {
    if (request_.all) return true;
    if (!request_.database.empty()) return header.tree_name == request_.database;
    return loaded_.empty();
  }

  void load_tree(const RecordHeader& header) {
    if (request_.all && !header.tree_name) {
      throw UsageError(fmt::format(
          "{}:{}: this database has no name; import it alone, into a TREE that you name{}",
          input_.name(), reader_->line_number(),
          loaded_.empty() ? "" : " (the ones before it were imported)"));
    }
    tree_ = request_.all ? *header.tree_name : request_.tree;
    kind_ = {.multi_value = header.options.multi_value || request_.kind.multi_value,
             .integer_keys = header.options.integer_keys || request_.kind.integer_keys};
    loaded_.push_back({tree_, 0});
    while (load_batch()) {
    }
  }

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
      if (records == 0 && loaded_.back().records != 0) return false;
      writing.commit();
    }
    loaded_.back().records += records;
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
    std::optional<Tree> found = writing.find_tree(tree_);
    if (!found) return writing.create_tree(tree_, kind_);
    if ((kind_.multi_value && !found->options().multi_value) ||
        kind_.integer_keys != found->options().integer_keys) {
      throw UsageError(fmt::format(
          "the tree is of another kind than the records of {}; import them into a new tree",
          input_.name()));
    }
    return std::move(*found);
  }

  [[nodiscard]] ExitCode nothing_loaded() const {
    if (databases_.count() == 0) {
      // All the databases of an empty environment are none.
      if (!request_.all) {
        throw UsageError(fmt::format("{} holds no tree; is it cut off?", input_.name()));
      }
      report();
      return ExitCode::done;
    }
    print_error(
        fmt::format("not found: the database; {} holds {}", input_.name(), databases_.text()));
    return ExitCode::not_found;
  }

  void report() const {
    const std::uint64_t count = count_;
    if (options_.json) {
      nlohmann::ordered_json result{{"imported", count}};
      if (request_.all) {
        result["trees"] = nlohmann::ordered_json::array();
        for (const Loaded& tree : loaded_) {
          result["trees"].push_back({{"name", shown_name(tree.name)}, {"imported", tree.records}});
        }
      }
      print(result.dump() + "\n");
    } else if (request_.all) {
      print(fmt::format("imported {} records into {} trees\n", count, loaded_.size()));
    } else {
      print(fmt::format("imported {} records\n", count));
    }
  }

  struct Loaded {
    std::string name;
    std::uint64_t records = 0;
  };

  const GlobalOptions& options_;
  const ImportRequest& request_;
  const InputFile& input_;
  Session session_;
  std::unique_ptr<RecordReader> reader_;
  std::string tree_;  // of the database under way
  TreeOptions kind_;
  Databases databases_;  // seen so far
  std::vector<Loaded> loaded_;
  std::atomic<std::uint64_t> count_ = 0;
};

ExitCode run_import(const GlobalOptions& options, ImportRequest& request) {
  settle(request);
  const InputFile input(request.file);
  refuse_several(request, input);
  return Import(options, request, input).run();
}

}  // namespace

void add_import_command(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<ImportRequest>();
  CLI::App* const command =
      app.add_subcommand("import", "Load records into a tree, which is created when absent");
  command->add_option("STORE", request->store, "The store's directory")->required();
  command->add_option("TREE", request->tree, "The tree's name (none with --all)");
  command->add_option("FILE", request->file, "The records; - is standard input");
  CLI::Option* const all = command->add_flag(
      "--all", request->all,
      "Each database of a dump into the tree of its name, as mdb_load does with mdb_dump -a's");
  command
      ->add_option("--database", request->database,
                   "Of a dump with several databases, the one of this name")
      ->type_name("NAME")
      ->check(not_empty())
      ->excludes(all);
  add_format_option(*command, request->format);
  command->add_option("--batch", request->batch, "Records in one commit (default 5000)")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  command->add_flag("--progress", request->acknowledge,
                    "Print `committed N records` after every commit, once it is durable");
  command->add_flag("--multi-value", request->kind.multi_value,
                    "A tree that this creates keeps several values of a key");
  command->add_flag("--integer", request->kind.integer_keys,
                    "A tree that this creates has 8-byte integer keys");
  command->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return run_import(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
