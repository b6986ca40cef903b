#include "tests/tools/command_driver.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace coffer::tools::test {

Outcome coffer(const std::vector<std::string>& arguments, const std::string& input) {
  return run({.arguments = arguments, .input = input});
}

std::string described(const std::vector<std::string>& arguments) {
  std::string text = "coffer";
  for (const std::string& argument : arguments) text += " " + argument.substr(0, 80);
  return text;
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

void write_file(const std::filesystem::path& file, std::string_view content) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  stream.close();
  REQUIRE(stream.good());
}

std::map<std::string, std::string> contents_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      contents[std::filesystem::relative(entry.path(), folder).string()] = read_file(entry.path());
    }
  }
  return contents;
}

}  // namespace coffer::tools::test
