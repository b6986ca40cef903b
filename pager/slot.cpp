// What is said when bytes are not what Coffer wrote.
#include "pager/slot.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

namespace coffer::pager {

void raise_damaged(crypto::Suite suite, const std::string& what) {
  if (suite == crypto::Suite::none) {
    throw Corrupted(fmt::format("{}: the store is damaged; restore it from a backup", what));
  }
  throw Tampered(fmt::format(
      "{}: the store was changed or damaged outside of Coffer; restore it from a backup", what));
}

}  // namespace coffer::pager
