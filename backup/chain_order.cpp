// See chain_order.hpp.
#include "backup/chain_order.hpp"

#include <fmt/format.h>

#include <string>

#include <coffer/error.hpp>

namespace coffer::backup {
namespace {

[[noreturn]] void refuse_link(const platform::Path& link, const std::string& why) {
  throw InvalidArgument(fmt::format("{} {}", link.string(), why));
}

const char* full_of(const Label& label) {
  return is_snapshot(label.kind) ? "full snapshot" : "full logical backup";
}

void expect_next(const std::vector<ChainPlace>& links, const ChainPlace& link,
                 const ChainPlace& before) {
  const Label& label = link.label;
  const Label& previous = before.label;
  const std::string before_name = before.path.string();
  if (link.store != before.store) {
    refuse_link(link.path, fmt::format("is a backup of another store than {}", before_name));
  }
  for (const ChainPlace& other : links) {
    if (&other != &link && other.label.id == label.id) {
      refuse_link(link.path, fmt::format("is the same backup as {}: name each link once",
                                         other.path.string()));
    }
  }
  if (!is_increment(label.kind)) {
    refuse_link(link.path, fmt::format("is a {} and cannot follow {}: a chain has one full backup, "
                                       "and begins with it",
                                       full_of(label), before_name));
  }
  if (label.set != previous.set) {
    refuse_link(link.path, fmt::format("belongs to another chain than {}: name increments of one "
                                       "{}",
                                       before_name, full_of(previous)));
  }
  if (label.link <= previous.link) {
    refuse_link(link.path, fmt::format("is link {} and comes after link {}, {}: name the "
                                       "increments in the order in which they were made",
                                       label.link, previous.link, before_name));
  }
  if (label.link > previous.link + 1) {
    refuse_link(
        link.path,
        fmt::format("is link {} and follows link {}, {}: an increment between them is missing",
                    label.link, previous.link, before_name));
  }
  if (label.parent != previous.id) {
    refuse_link(link.path, fmt::format("does not follow {} but another increment with that number: "
                                       "the chain was continued twice from one point",
                                       before_name));
  }
}

}  // namespace

void expect_chain(const std::vector<ChainPlace>& links) {
  if (const ChainPlace& first = links.front(); is_increment(first.label.kind)) {
    refuse_link(first.path, fmt::format("is an increment (link {}): name the {} of its chain first",
                                        first.label.link, full_of(first.label)));
  }
  for (std::size_t i = 1; i < links.size(); ++i) expect_next(links, links[i], links[i - 1]);
}

}  // namespace coffer::backup
