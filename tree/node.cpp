#include "tree/node.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

namespace coffer::tree {

void raise_damaged(PageId page, const char* what) {
  throw Corrupted(fmt::format("page {} of a tree is damaged: {}; restore the store from a backup",
                              page.value, what));
}

}  // namespace coffer::tree
