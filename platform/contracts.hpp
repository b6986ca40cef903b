// GSL's contracts, reached through this one header.  `Expects` states what the caller owes,
// `Ensures` what we owe; a broken contract prints where and what, and ends the process (GSL alone
// ends it silently).  Bytes that came from disk are never a contract: they raise an error.
#pragma once

#include <gsl/gsl>

namespace coffer {

// File and line come from the compiler's builtins: clang 14 cannot use libstdc++ 12's source_location.
[[noreturn]] void contract_broken(const char* kind, const char* expression,
                                  const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) noexcept;

}  // namespace coffer

#define COFFER_CONTRACT_(kind, condition)              \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::coffer::contract_broken(kind, #condition))

#undef Expects
#undef Ensures
#define Expects(condition) COFFER_CONTRACT_("precondition", condition)
#define Ensures(condition) COFFER_CONTRACT_("postcondition", condition)
