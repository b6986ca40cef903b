// What a store holds, kept in ordinary memory to compare stores and backups with: filled and read through the
// public interface only.
#pragma once

#include <coffer/coffer.hpp>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace coffer::test {

struct TreeModel {
  bool multi_value = false;
  bool integer_keys = false;
  std::vector<std::pair<std::string, std::string>> entries;  ///< in order
  friend bool operator==(const TreeModel&, const TreeModel&) = default;
};

/// By name.
using StoreModel = std::map<std::string, TreeModel>;

/// Everything that the newest durable commit shows.
[[nodiscard]] StoreModel contents_of(Store& store);

/// Trees of every kind: values empty, inside pages, large; keys with zero bytes; an empty tree.  Different with
/// each seed.
void fill(Store& store, std::uint64_t seed, int entries = 40);

/// "done", or the name of what was thrown.
template <class Call>
std::string outcome_of(Call&& call) {
  try {
    call();
  } catch (const WrongKey&) {
    return "WrongKey";
  } catch (const InvalidArgument&) {
    return "InvalidArgument";
  } catch (const Tampered&) {
    return "Tampered";
  } catch (const Corrupted&) {
    return "Corrupted";
  } catch (const Cancelled&) {
    return "Cancelled";
  } catch (const VersionUnsupported&) {
    return "VersionUnsupported";
  } catch (const Error& other) {
    return other.what();
  }
  return "done";
}

/// 32 bytes that follow from `seed`.
[[nodiscard]] Key key_from(std::uint8_t seed);
/// As cheap as the format allows.
[[nodiscard]] Key passphrase(const std::string& text);

[[nodiscard]] std::vector<std::byte> bytes_of(const std::filesystem::path& file);
void write_bytes(const std::filesystem::path& file, std::span<const std::byte> bytes);
/// Names in a directory.
[[nodiscard]] std::vector<std::string> names_in(const std::filesystem::path& directory);

}  // namespace coffer::test
