#include "render/remote.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/status_line.h"
#include "render/tables.h"
#include "render/words.h"

namespace chg {
namespace {

// The member as a text, raw; "" where there is none.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// A count or id, which our own program never makes larger than this.
int small_number_of(const Json& object, const char* key) {
  return static_cast<int>(std::clamp<std::int64_t>(number_of(object, key), 0, 1'000'000'000));
}

// The items of a member that is an array; none where it is not.
const Json& items_of(const Json& object, const char* key) {
  static const Json nothing = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : nothing;
}

// What its own program has put together: a line at most.
std::string phrase(const Json& object, const char* key) { return printable(text_of(object, key)); }

Use use_in(const Json& gpu, const char* key) {
  Use use;
  std::uint64_t memory = 0;
  for (const Json& item : items_of(gpu, key)) {
    if (!item.is_object()) continue;
    GpuProcess process;
    process.pid = small_number_of(item, "pid");
    process.user = text_of(item, "user");
    process.program = text_of(item, "program");
    memory += static_cast<std::uint64_t>(small_number_of(item, "memory_mb"));
    use.processes.push_back(std::move(process));
  }
  use.memory_mib = memory;
  return use;
}

// Raw.
std::vector<std::string> names_in(const Json& gpu) {
  std::vector<std::string> names;
  for (const Json& item : items_of(gpu, "unreserved_users")) {
    if (item.is_string()) names.push_back(item);
  }
  return names;
}

std::optional<int> known_number(const Json& gpu, const char* key) {
  return gpu.contains(key) ? std::optional(small_number_of(gpu, key)) : std::nullopt;
}

std::string memory_used_by_in(const Json& gpu) {
  return memory_used_by(known_number(gpu, "process_memory_mb"), phrase(gpu, "process_info"));
}

std::string unreserved_by(const Json& gpu) {
  const std::string users = by_users(names_in(gpu));
  return gpu.contains("process_info") ? users + " - " + memory_used_by_in(gpu) : users;
}

std::string held_for_in(const Json& gpu) {
  const std::string who = text_of(gpu, "held_for");
  if (who.empty()) return "";
  return fmt::format("held for {}, {} in queue", shown_display_name(who),
                     ordinal(small_number_of(gpu, "held_position")));
}

std::string lost_by_in(const Json& gpu) {
  std::vector<std::string> runs;
  for (const Json& run : items_of(gpu, "lost_by")) {
    if (!run.is_object()) continue;
    runs.push_back(
        lost_by_run(text_of(run, "reservation_id"), shown_display_name(text_of(run, "user"))));
  }
  return fmt::format("{}", fmt::join(runs, "; "));
}

std::string leftovers_in(const Json& gpu) {
  const Use use = use_in(gpu, "leftovers");
  return use.processes.empty() ? "" : "leftover " + process_list(use);
}

StatusLine line_of(const Json& gpu) {
  StatusLine line;
  line.gpu = small_number_of(gpu, "gpu_id");
  line.status = *read_status_key(gpu["status"]);
  if (line.status == GpuStatus::InUse) {
    line.by_whom = fmt::format("by {} for {}", shown_display_name(text_of(gpu, "user")),
                               phrase(gpu, "duration"));
    if (gpu.contains("out_of_service")) {
      const std::string note = shown_note(text_of(gpu, "out_of_service"));
      line.draining =
          "out of service when released" + (note.empty() ? "" : fmt::format(" ({})", note));
    }
  } else if (line.status == GpuStatus::Unreserved) {
    line.by_whom = unreserved_by(gpu);
  }
  line.parenthesis = phrase(gpu, "details");
  line.validation = phrase(gpu, "validation");
  line.leftovers = leftovers_in(gpu);
  if (const Use foreign = use_in(gpu, "foreign"); !foreign.processes.empty()) {
    line.foreign = use_text(foreign);
  }
  line.lost_by = lost_by_in(gpu);
  line.held_for = held_for_in(gpu);
  line.note = shown_note(text_of(gpu, "note"));
  return line;
}

// The table has a column for it.
std::string without_kind(const std::string& parenthesis) {
  for (const std::string_view kind : {"run, ", "manual, "}) {
    if (parenthesis.starts_with(kind)) return parenthesis.substr(kind.size());
  }
  return parenthesis;
}

std::string details_in(const StatusLine& line, const Json& gpu) {
  std::vector<std::string> parts;
  for (const std::string& part :
       {line.foreign.empty() ? "" : "also used " + line.foreign, line.leftovers, line.lost_by,
        line.held_for, line.draining,
        line.status == GpuStatus::Unreserved ? memory_used_by_in(gpu) : std::string(),
        without_kind(line.parenthesis)}) {
    if (!part.empty()) parts.push_back(part);
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string served_model_in(const Json& gpu) {
  const auto model = gpu.find("model");
  if (model == gpu.end() || !model->is_object()) return "";
  const std::string provider = text_of(*model, "provider");
  return shown_display_name((provider.empty() ? "" : provider + "/") + text_of(*model, "model"));
}

Row row_of(const Json& gpu) {
  const StatusLine line = line_of(gpu);
  const std::string user = line.status == GpuStatus::Unreserved
                               ? shown_users(names_in(gpu))
                               : shown_display_name(text_of(gpu, "user"));
  return {fmt::to_string(line.gpu),
          Cell(short_status(line.status), status_color(line.status)),
          user,
          phrase(gpu, "duration"),
          phrase(gpu, "type"),
          Cell(details_in(line, gpu), line.foreign.empty() ? Color::None : Color::Red),
          short_validation(
              line.validation,
              {known_number(gpu, "utilization_percent"), known_number(gpu, "temperature_c"),
               known_number(gpu, "power_w"), static_cast<int>(items_of(gpu, "parts").size())}),
          served_model_in(gpu),
          line.note};
}

Row queue_row_of(const Json& entry) {
  std::vector<int> ids;
  for (const Json& id : items_of(entry, "requested_ids")) {
    if (id.is_number_integer() && id >= 0 && id <= 1'000'000) ids.push_back(id);
  }
  const std::string type = text_of(entry, "reservation_type");
  const std::string start = phrase(entry, "estimated_start");
  return {fmt::to_string(small_number_of(entry, "position")),
          phrase(entry, "id"),
          shown_display_name(text_of(entry, "user")),
          wanted_gpus(small_number_of(entry, "requested_count"), ids),
          kind_label(type == "run" ? ReservationKind::Run : ReservationKind::Manual),
          phrase(entry, "wait_time"),
          phrase(entry, "reason"),
          start.empty() ? "unknown" : start,
          shown_note(text_of(entry, "note"))};
}

double share_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return 0;
  return std::clamp(found->get<double>(), 0.0, 1e9);
}

}  // namespace

std::string remote_status_lines(const Json& gpus, const Style& style) {
  std::string text;
  for (const Json& gpu : gpus) text += to_text(line_of(gpu), style);
  return text;
}

std::string remote_status_table(const Json& gpus, const Style& style) {
  std::vector<Row> rows;
  for (const Json& gpu : gpus) rows.push_back(row_of(gpu));
  return table_text(status_columns(), std::move(rows), style);
}

std::string remote_queue_text(const Json& queue, const Style& style) {
  std::vector<Row> rows;
  for (const Json& entry : queue["entries"]) rows.push_back(queue_row_of(entry));
  if (rows.empty()) return "nobody waits\n";
  return table_text(queue_columns(), std::move(rows), style);
}

std::string remote_report_text(const Json& report, const Style& style) {
  Report totals;
  totals.total_gpu_hours = share_of(report, "total_gpu_hours");
  totals.total_reservations = small_number_of(report, "total_reservations");
  totals.unique_users = small_number_of(report, "unique_users");
  const char* key = report.contains("users") ? "users" : report.contains("gpus") ? "gpus" : "dates";
  const ReportBy by = report.contains("users")  ? ReportBy::User
                      : report.contains("gpus") ? ReportBy::Gpu
                                                : ReportBy::Day;
  std::vector<Row> rows;
  for (const Json& item : items_of(report, key)) {
    if (!item.is_object()) continue;
    rows.push_back(report_row({text_of(item, "name"), share_of(item, "gpu_hours"),
                               share_of(item, "percentage"), small_number_of(item, "run_count"),
                               small_number_of(item, "manual_count")}));
  }
  const std::string period = fmt::format("GPU hours of {} days\n", small_number_of(report, "days"));
  if (rows.empty()) return period + "nobody used a GPU\n";
  return period + table_text(report_columns(by), std::move(rows), style) + report_total(totals);
}

}  // namespace chg
