#include "tools/report.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
  return json.dump() + "\n";
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string trees_as_text(const std::vector<TreeInfo>& trees) {
  std::string text;
  for (const TreeInfo& tree : trees) {
    text += fmt::format("{}{}{}\n", shown_name(tree.name), tree.multi_value ? "\tmulti-value" : "",
                        tree.integer_keys ? "\tinteger-keys" : "");
  }
  return text;
}

std::string trees_as_json(const std::vector<TreeInfo>& trees) {
  Json list = Json::array();
  for (const TreeInfo& tree : trees) {
    list.push_back({{"name", shown_name(tree.name)},
                    {"multi_value", tree.multi_value},
                    {"integer_keys", tree.integer_keys}});
  }
  return line_of(list);
}

std::string statistics_as_text(const Statistics& s, const Anchor& anchor) {
  std::string text;
  const auto add = [&text](std::string_view name, const auto& value) {
    text += fmt::format("{:<24}{}\n", name, value);
  };
  add("encrypted", s.encrypted ? "yes" : "no");
  add("format version", s.format_version);
  add("page size", human_size(s.page_size));
  add("pages", s.logical_pages);
  add("page file", human_size(s.page_file_bytes));
  add("free slots", s.free_slots);
  add("held slots", s.held_slots);
  add("pinned slots", s.pinned_slots);
  add("journal to replay", human_size(s.journal_bytes));
  add("journal files", human_size(s.journal_file_bytes));
  add("last commit", s.last_commit);
  add("durable commit", s.durable_commit);
  add("checkpoint", fmt::format("number {}, up to commit {}", s.checkpoint, s.checkpoint_commit));
  add("locked memory", fmt::format("{} of at most {}", human_size(s.locked_bytes_store),
                                   human_size(s.locked_bytes_max)));
  if (s.failed_locks != 0) add("failed locks", s.failed_locks);
  if (s.proceeding_unlocked) add("warning", "plaintext is in memory that may reach swap");
  if (s.poisoned) add("warning", "a write failed earlier; close the store and open it again");
  add("instance", encode_hex(anchor.instance));
  add("history", encode_hex(anchor.history));
  return text;
}

std::string statistics_as_json(const Statistics& s, const Anchor& anchor) {
  Json readers = Json::array();
  for (const ReaderInfo& reader : s.readers) {
    readers.push_back({{"commit", reader.commit}, {"age_ms", reader.age.count()}});
  }
  return line_of({{"encrypted", s.encrypted},
                  {"format_version", s.format_version},
                  {"page_size", s.page_size},
                  {"last_commit", s.last_commit},
                  {"durable_commit", s.durable_commit},
                  {"checkpoint", s.checkpoint},
                  {"checkpoint_commit", s.checkpoint_commit},
                  {"logical_pages", s.logical_pages},
                  {"page_file_bytes", s.page_file_bytes},
                  {"free_slots", s.free_slots},
                  {"held_slots", s.held_slots},
                  {"pinned_slots", s.pinned_slots},
                  {"journal_bytes", s.journal_bytes},
                  {"journal_file_bytes", s.journal_file_bytes},
                  {"write_buffer_bytes", s.write_buffer_bytes},
                  {"table_cache_bytes", s.table_cache_bytes},
                  {"locked_bytes", s.locked_bytes},
                  {"locked_bytes_store", s.locked_bytes_store},
                  {"locked_bytes_max", s.locked_bytes_max},
                  {"plaintext_pages", s.plaintext_pages},
                  {"failed_locks", s.failed_locks},
                  {"proceeding_unlocked", s.proceeding_unlocked},
                  {"pages_opened", s.pages_opened},
                  {"pages_sealed", s.pages_sealed},
                  {"syncs", s.syncs},
                  {"poisoned", s.poisoned},
                  {"readers", readers},
                  {"anchor",
                   {{"instance", encode_hex(anchor.instance)},
                    {"commit", anchor.commit},
                    {"history", encode_hex(anchor.history)}}}});
}

std::string check_as_text(const CheckReport& r) {
  return fmt::format(
      "ok: {} entries in {} trees; {} pages, {} value chunks, {} table nodes and {} free-map nodes "
      "opened and verified ({}); {} slots used, {} free; {:.1f} s\n",
      r.entries, r.trees, r.logical_pages, r.value_chunks, r.table_nodes, r.free_map_nodes,
      human_size(r.bytes_verified), r.slots_used, r.slots_free,
      static_cast<double>(r.elapsed.count()) / 1000);
}

std::string check_as_json(const CheckReport& r) {
  return line_of({{"ok", true},
                  {"entries", r.entries},
                  {"trees", r.trees},
                  {"logical_pages", r.logical_pages},
                  {"table_nodes", r.table_nodes},
                  {"free_map_nodes", r.free_map_nodes},
                  {"value_chunks", r.value_chunks},
                  {"slots_used", r.slots_used},
                  {"slots_free", r.slots_free},
                  {"bytes_verified", r.bytes_verified},
                  {"elapsed_ms", r.elapsed.count()}});
}

}  // namespace coffer::tools
