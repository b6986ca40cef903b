// Creating a store with a passphrase, for tests that do not wait for it.
#pragma once

#include <string>
#include <vector>

namespace coffer::tools::test {

/// At the cheapest passphrase that the library allows.
inline std::vector<std::string> cheap_create(const std::string& store) {
  return {"create", store, "--passphrase-memory", "8M", "--passphrase-passes", "1"};
}

}  // namespace coffer::tools::test
