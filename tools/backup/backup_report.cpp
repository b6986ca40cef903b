#include "tools/backup/backup_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/report.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

bool is_snapshot(const BackupReport& report) {
  return report.kind == BackupKind::snapshot || report.kind == BackupKind::snapshot_increment;
}

std::string amounts(const BackupReport& report) {
  if (is_snapshot(report)) {
    return fmt::format("{} pages of {} bytes{}", report.slots, report.page_size,
                       report.link == 0 ? "" : fmt::format(", link {}", report.link));
  }
  return fmt::format("{} entries in {} trees", report.entries, report.trees);
}

double seconds_of(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::string encryption_of(const BackupReport& report) {
  return fmt::format("{}encrypted{}", report.encrypted ? "" : "not ",
                     report.compressed ? ", compressed" : "");
}

}  // namespace

const char* name_of_kind(BackupKind kind) {
  switch (kind) {
    case BackupKind::logical:
      return "logical";
    case BackupKind::logical_increment:
      return "logical-increment";
    case BackupKind::snapshot:
      return "snapshot";
    case BackupKind::snapshot_increment:
      break;
  }
  return "snapshot-increment";
}

std::string time_as_text(std::chrono::nanoseconds since_1970) {
  // Not the C library's functions: Windows' know no time before 1970.
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_1970);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss time(seconds - days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::string backed_up_as_text(const std::string& file, const BackupReport& report,
                              std::chrono::milliseconds elapsed) {
  return fmt::format("{}: backed up {}, {}, {}, commit {}, {:.1f} s\n", shown_name(file),
                     amounts(report), human_size(report.bytes), encryption_of(report),
                     report.commit, seconds_of(elapsed));
}

std::string verified_as_text(const std::string& file, const BackupReport& report) {
  return fmt::format("{}: ok, {}, taken {}, commit {}, {}, {}\n", shown_name(file),
                     encryption_of(report), time_as_text(report.taken), report.commit,
                     amounts(report), human_size(report.bytes));
}

std::string restored_as_text(const std::string& store, const BackupReport& report,
                             std::chrono::milliseconds elapsed) {
  return fmt::format("{}: restored {}, taken {}, commit {}, {:.1f} s\n", shown_name(store),
                     amounts(report), time_as_text(report.taken), report.commit,
                     seconds_of(elapsed));
}

std::string backup_as_json(const std::vector<std::string>& files, const std::string& store,
                           const BackupReport& report, std::chrono::milliseconds elapsed) {
  nlohmann::ordered_json json{{"file", shown_name(files.back())}};
  if (files.size() > 1) {
    auto& chain = json["chain"] = nlohmann::ordered_json::array();
    for (const std::string& file : files) chain.push_back(shown_name(file));
  }
  if (!store.empty()) json["store"] = shown_name(store);
  json["encrypted"] = report.encrypted;
  if (!is_snapshot(report)) json["compressed"] = report.compressed;
  json["bytes"] = report.bytes;
  json["commit"] = report.commit;
  json["taken"] = time_as_text(report.taken);
  json["page_size"] = report.page_size;
  json["kind"] = name_of_kind(report.kind);
  json["link"] = report.link;
  if (is_snapshot(report)) {
    json["pages"] = report.slots;
  } else {
    json["trees"] = report.trees;
    json["entries"] = report.entries;
  }
  json["elapsed_ms"] = elapsed.count();
  return json.dump() + "\n";
}

}  // namespace coffer::tools
