#include "tools/passphrase_prompt.hpp"

#include <sodium.h>

#include <string_view>

#include "tools/scratch.hpp"
#include "tools/system/hidden_line.hpp"

namespace coffer::tools {
namespace {

constexpr std::size_t kPassphraseBytesMax = 1024;  // as Key::from_passphrase has it

std::size_t ask(std::string_view prompt, std::span<std::byte> line) {
  const std::size_t size = read_hidden_line(prompt, line);
  if (size == 0) throw UsageError("no passphrase was typed; give one, or use --key-file");
  return size;
}

}  // namespace

Key prompt_for_passphrase(const GlobalOptions& options, KeyUse use) {
  Scratch scratch(options);
  platform::LockedBuffer first = scratch.allocate(kPassphraseBytesMax);
  const std::size_t size = ask("Passphrase: ", first.bytes());
  if (use == KeyUse::create_store) {
    platform::LockedBuffer second = scratch.allocate(kPassphraseBytesMax);
    const std::size_t size_again = ask("The same passphrase again: ", second.bytes());
    // Both buffers were zeroed, so that comparing them whole compares the lines.
    if (size != size_again ||
        sodium_memcmp(first.bytes().data(), second.bytes().data(), kPassphraseBytesMax) != 0) {
      throw UsageError("the two passphrases differ; nothing was created, try again");
    }
  }
  return Key::from_passphrase(first.bytes().first(size), options.passphrase_cost,
                              key_options(options));
}

}  // namespace coffer::tools
