// Programs of the system that can stand for a key program.
#pragma once

#include <string>

namespace coffer::tools::test {

/// One that prints a file, and one that ends with another status than zero.
#ifdef _WIN32
inline const std::string kPrintFile = "cmd /c type";
inline const std::string kFailing = "cmd /c exit 1";
#else
inline const std::string kPrintFile = "cat";
inline const std::string kFailing = "false";
#endif

}  // namespace coffer::tools::test
