// See retention_report.hpp.
#include "tools/backup/retention_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tools/backup/backup_report.hpp"
#include "tools/report.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

using nlohmann::ordered_json;

const char* word_of(BackupEncryptionMode mode) {
  switch (mode) {
    case BackupEncryptionMode::none:
      return "none";
    case BackupEncryptionMode::use_provided_key:
      return "use_provided_key";
    case BackupEncryptionMode::use_database_key:
      break;
  }
  return "use_database_key";
}

const char* word_of(BackupTrouble trouble) {
  switch (trouble) {
    case BackupTrouble::damaged:
      return "damaged";
    case BackupTrouble::unsupported:
      return "unsupported";
    case BackupTrouble::unreadable:
      return "unreadable";
    case BackupTrouble::not_looked_at:
      return "not_looked_at";
    case BackupTrouble::in_progress:
      return "in_progress";
    case BackupTrouble::ambiguous:
      return "ambiguous";
    case BackupTrouble::orphaned:
      return "orphaned";
    case BackupTrouble::future:
      return "future";
    case BackupTrouble::unknown_store:
      break;
  }
  return "unknown_store";
}

/// Of a backup, in words.
const char* meaning_of(BackupTrouble trouble) {
  switch (trouble) {
    case BackupTrouble::ambiguous:
      return "another file has the same id";
    case BackupTrouble::orphaned:
      return "what it is an increment of is not all there";
    case BackupTrouble::future:
      return "dated in the future";
    case BackupTrouble::unknown_store:
      return "of which store does not show";
    default:
      break;
  }
  return word_of(trouble);
}

std::string utf8_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

std::string shown_file(const std::filesystem::path& path) {
  return shown_name(utf8_of(path));
}

std::string shown_store(const BackupFile& backup) {
  if (!backup.store_name.empty()) return shown_name(backup.store_name);
  return backup.store_id ? "id " + encode_hex(*backup.store_id).substr(0, 8) : "?";
}

std::size_t count_sets(const std::vector<BackupFile>& backups) {
  std::set<std::array<std::byte, 16>> sets;
  for (const BackupFile& backup : backups) sets.insert(backup.set);
  return sets.size();
}

std::uint64_t size_of(const std::vector<BackupFile>& backups) {
  std::uint64_t bytes = 0;
  for (const BackupFile& backup : backups) bytes += backup.bytes;
  return bytes;
}

std::string amount_of(const std::vector<BackupFile>& backups) {
  return fmt::format("{} backups in {} sets, {}", backups.size(), count_sets(backups),
                     human_size(size_of(backups)));
}

std::string row_of(const BackupFile& backup) {
  std::string row =
      fmt::format("{:<10}{:>4}  {:<22}{:<20}{:<18}{:>10}  {:<16} {}",
                  encode_hex(backup.set).substr(0, 8), backup.link, time_as_text(backup.taken),
                  name_of_kind(backup.kind), word_of(backup.encryption), human_size(backup.bytes),
                  shown_store(backup), shown_file(backup.file.filename()));
  if (backup.trouble) row += fmt::format("  ({})", meaning_of(*backup.trouble));
  return row + "\n";
}

/// Those that standard error does not get.
std::string notices_as_text(const std::vector<BackupNotice>& others) {
  std::string text;
  for (const BackupNotice& other : others) {
    if (exit_code_of(other.trouble) != ExitCode::done) continue;
    text += fmt::format("not counted: {} ({})\n", shown_file(other.file.filename()),
                        other.trouble == BackupTrouble::in_progress
                            ? "being written, or left over"
                            : "cannot be looked at: links are not followed");
  }
  return text;
}

ordered_json json_of(const BackupFile& backup) {
  ordered_json json{{"file", shown_file(backup.file)},
                    {"bytes", backup.bytes},
                    {"kind", name_of_kind(backup.kind)},
                    {"encryption", word_of(backup.encryption)},
                    {"taken", time_as_text(backup.taken)},
                    {"page_size", backup.page_size},
                    {"link", backup.link},
                    {"id", encode_hex(backup.id)},
                    {"set", encode_hex(backup.set)},
                    {"parent", nullptr},
                    {"store_id", nullptr},
                    {"store_name", nullptr},
                    {"trouble", nullptr}};
  if (backup.link > 0) json["parent"] = encode_hex(backup.parent);
  if (backup.store_id) json["store_id"] = encode_hex(*backup.store_id);
  if (!backup.store_name.empty()) json["store_name"] = shown_name(backup.store_name);
  if (backup.trouble) json["trouble"] = word_of(*backup.trouble);
  return json;
}

ordered_json json_of(const std::vector<BackupFile>& backups) {
  ordered_json all = ordered_json::array();
  for (const BackupFile& backup : backups) all.push_back(json_of(backup));
  return all;
}

ordered_json json_of(const std::vector<BackupNotice>& others) {
  ordered_json all = ordered_json::array();
  for (const BackupNotice& other : others) {
    all.push_back({{"file", shown_file(other.file)},
                   {"trouble", word_of(other.trouble)},
                   {"text", shown_name(other.text)}});
  }
  return all;
}

}  // namespace

ExitCode exit_code_of(BackupTrouble trouble) {
  switch (trouble) {
    case BackupTrouble::damaged:
    case BackupTrouble::unsupported:
      return ExitCode::damaged;
    case BackupTrouble::unreadable:
      return ExitCode::io;
    default:
      break;
  }
  return ExitCode::done;
}

std::string list_as_text(const BackupList& list) {
  std::string text;
  if (!list.backups.empty()) {
    text = fmt::format("{:<10}{:>4}  {:<22}{:<20}{:<18}{:>10}  {:<16} {}\n", "set", "link", "taken",
                       "kind", "encryption", "size", "store", "file");
  }
  for (const BackupFile& backup : list.backups) text += row_of(backup);
  text += notices_as_text(list.others);
  return text + amount_of(list.backups) + "; nothing of this is verified\n";
}

std::string list_as_json(const BackupList& list) {
  return ordered_json{{"backups", json_of(list.backups)}, {"others", json_of(list.others)}}.dump() +
         "\n";
}

std::string prune_as_text(const PruneReport& report, bool dry_run) {
  std::string text;
  for (const BackupFile& backup : report.removed) {
    text += fmt::format("{} {}, {}, taken {}\n", dry_run ? "would remove" : "removed",
                        shown_file(backup.file.filename()), human_size(backup.bytes),
                        time_as_text(backup.taken));
  }
  for (const BackupFile& backup : report.kept) {
    if (!backup.trouble) continue;
    text += fmt::format("kept {} with its set: {}\n", shown_file(backup.file.filename()),
                        meaning_of(*backup.trouble));
  }
  text += notices_as_text(report.others);
  return text + fmt::format("{} {}; {} {}\n", dry_run ? "would remove" : "removed",
                            amount_of(report.removed), dry_run ? "would keep" : "kept",
                            amount_of(report.kept));
}

std::string prune_as_json(const PruneReport& report, bool dry_run) {
  return ordered_json{{"dry_run", dry_run},
                      {"removed", json_of(report.removed)},
                      {"kept", json_of(report.kept)},
                      {"others", json_of(report.others)}}
             .dump() +
         "\n";
}

}  // namespace coffer::tools
