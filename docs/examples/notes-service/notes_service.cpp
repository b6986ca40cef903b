// A small service that keeps its notes in Coffer.
//
//     notes_service FOLDER
//
// It reads requests from standard input, one a line, and answers on standard output:
//
//     add TEXT     keeps a note and says its number
//     show NUMBER  gives a note back
//     find WORD    lists the notes that contain the word
//     status       says how much locked memory the store holds
//
// What an embedder may want to look at: where the key comes from (open_notes), that a request is
// one transaction (add), how a snapshot is read (find), how the anchor guards against a rolled-back
// copy (keep_anchor), and which errors a service tells apart (main).

#include <coffer/coffer.hpp>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

namespace {

namespace fs = std::filesystem;

constexpr const char* kTree = "notes";

// In a real service the key comes from the machine's key keeper (Key::from_command) or a file that
// only the service can read.  It must not lie beside the store, as it does in this example.
coffer::Store open_notes(const fs::path& folder) {
  const fs::path key_file = folder / "notes.key";
  const fs::path store = folder / "store";
  if (!fs::exists(key_file)) {
    fs::create_directories(folder);
    coffer::Key::generate().save(key_file);
  }
  const coffer::Key key = coffer::Key::from_file(key_file);
  if (!fs::exists(store)) return coffer::Store::create(store, key);

  coffer::Options options;
  if (std::ifstream file(folder / "anchor", std::ios::binary); file) {
    coffer::Anchor anchor;
    file.read(reinterpret_cast<char*>(anchor.instance.data()), sizeof(anchor.instance));
    file.read(reinterpret_cast<char*>(&anchor.commit), sizeof(anchor.commit));
    file.read(reinterpret_cast<char*>(anchor.history.data()), sizeof(anchor.history));
    if (file) options.anchor = anchor;
  }
  return coffer::Store::open(store, key, options);
}

// Written where the attacker of the store cannot write: another machine, a trusted module.  Here it
// is a file, to show the call.
void keep_anchor(const coffer::Store& store, const fs::path& folder) {
  const coffer::Anchor anchor = store.anchor();
  std::ofstream file(folder / "anchor", std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(anchor.instance.data()), sizeof(anchor.instance));
  file.write(reinterpret_cast<const char*>(&anchor.commit), sizeof(anchor.commit));
  file.write(reinterpret_cast<const char*>(anchor.history.data()), sizeof(anchor.history));
}

// One request, one transaction: when the number is printed, the note is on the disk.
void add(coffer::Store& store, std::string_view text) {
  coffer::WriteTransaction writing = store.write();
  std::uint64_t number = 1;
  {
    coffer::Tree notes = writing.create_tree(kTree, {.multi_value = false, .integer_keys = true});
    if (coffer::Cursor cursor = notes.cursor(); cursor.last()) {
      number = coffer::key_integer(cursor.key()) + 1;
    }
    notes.put(coffer::Bytes(coffer::integer_key(number)), text);
  }
  writing.commit();
  std::cout << "kept as " << number << std::endl;
}

void show(coffer::Store& store, std::uint64_t number) {
  coffer::ReadTransaction reading = store.read();
  std::optional<coffer::Tree> notes = reading.find_tree(kTree);
  const auto key = coffer::integer_key(number);
  // The value is seen where it was decrypted, in locked memory, and wiped when `reading` ends.
  if (std::optional<coffer::Value> note = notes ? notes->get(coffer::Bytes(key)) : std::nullopt) {
    std::cout << note->text() << std::endl;
  } else {
    std::cout << "no such note" << std::endl;
  }
}

// A snapshot: notes that others add meanwhile neither show nor wait.
void find(coffer::Store& store, std::string_view word) {
  coffer::ReadTransaction reading = store.read();
  std::optional<coffer::Tree> notes = reading.find_tree(kTree);
  if (!notes) return;
  coffer::Cursor cursor = notes->cursor();
  for (bool more = cursor.first(); more; more = cursor.next()) {
    if (cursor.value().text().find(word) == std::string_view::npos) continue;
    std::cout << coffer::key_integer(cursor.key()) << ": " << cursor.value().text() << std::endl;
  }
}

void status(coffer::Store& store) {
  const coffer::Statistics now = store.statistics();
  std::cout << "commit " << now.durable_commit << ", " << now.locked_bytes_store
            << " bytes of locked memory, " << now.plaintext_pages << " pages decrypted"
            << std::endl;
}

void answer(coffer::Store& store, const std::string& line) {
  const std::size_t blank = line.find(' ');
  const std::string request = line.substr(0, blank);
  const std::string rest = blank == std::string::npos ? "" : line.substr(blank + 1);
  if (request == "add") {
    add(store, rest);
  } else if (request == "show") {
    show(store, std::strtoull(rest.c_str(), nullptr, 10));
  } else if (request == "find") {
    find(store, rest);
  } else if (request == "status") {
    status(store);
  } else {
    std::cout << "requests are: add TEXT, show NUMBER, find WORD, status" << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const fs::path folder = argc > 1 ? argv[1] : "notes";
  coffer::Store store = open_notes(folder);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      answer(store, line);
    } catch (const coffer::MemoryLockError& error) {
      // The request is rolled back and the store goes on: let the administrator raise the limit.
      std::cerr << "not now: " << error.what() << std::endl;
    } catch (const coffer::NoSpace& error) {
      std::cerr << "not now: " << error.what() << std::endl;
    }
  }
  keep_anchor(store, folder);
  store.close();
} catch (const coffer::Conflict& error) {
  std::cerr << "this is an older or another copy of the notes: " << error.what() << std::endl;
  return 1;
} catch (const std::exception& error) {
  // Coffer's errors (WrongKey, Tampered, Busy ...) say what to do next.  Others, such as that of a
  // folder that cannot be made, come from the standard library.
  std::cerr << error.what() << std::endl;
  return 1;
}
