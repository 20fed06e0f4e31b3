#include "render/remote.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "render/gpu_phrases.h"
#include "render/json_output.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/words.h"

namespace chg {
namespace {

// Our deepest is array, GPU, processes, process, container; and our largest object has some forty
// keys. Ten times as much is not of any version of ours, and could take long to read or write.
constexpr int kDepthMax = 16;
constexpr std::size_t kKeysMax = 400;
constexpr std::size_t kGpusMax = 10'000;
constexpr std::size_t kModelsMax = 20;
constexpr int kIdMax = 1'000'000;

// --- Whether it has the form that it should have ---

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::Failed, "it answered with something else than the JSON of " + what,
              "is its canhazgpu the one that you know? its shell's start-up files must print "
              "nothing");
}

Json parse(const std::string& text, const std::string& what) {
  std::vector<std::size_t> keys(kDepthMax + 2, 0);
  const auto check = [&](int depth, Json::parse_event_t event, Json& /*parsed*/) {
    if (depth > kDepthMax) refuse(what);
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) keys[level + 1] = 0;
    if (event == Json::parse_event_t::key && ++keys[level] > kKeysMax) refuse(what);
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception&) {
    refuse(what);
  }
}

bool is_id(const Json& value) { return value.is_number_integer() && value >= 0 && value <= kIdMax; }

bool is_gpu(const Json& value) {
  if (!value.is_object() || !value.contains("gpu_id") || !value.contains("status")) return false;
  const Json& status = value["status"];
  return is_id(value["gpu_id"]) && status.is_string() && read_status_key(status);
}

bool are_gpus(const Json& document) {
  return document.is_array() && document.size() <= kGpusMax &&
         std::all_of(document.begin(), document.end(), is_gpu);
}

bool has_objects(const Json& document, const char* key) {
  if (!document.is_object() || !document.contains(key)) return false;
  const Json& array = document[key];
  return array.is_array() &&
         std::all_of(array.begin(), array.end(), [](const Json& one) { return one.is_object(); });
}

Json status_document(const std::string& answer) {
  Json document = parse(answer, "'status'");
  if (!are_gpus(document)) refuse("'status'");
  return document;
}

Json queue_document(const std::string& answer) {
  Json document = parse(answer, "'queue'");
  if (!has_objects(document, "entries")) refuse("'queue'");
  return document;
}

// By what the rows are; nullptr where there are none.
const ReportWords* words_of_rows(const Json& report) {
  const auto* found =
      std::find_if(std::begin(kReportWords), std::end(kReportWords),
                   [&](const auto& one) { return has_objects(report, one.rows_key); });
  return found == std::end(kReportWords) ? nullptr : found;
}

Json report_document(const std::string& answer) {
  Json document = parse(answer, "'report'");
  if (words_of_rows(document) == nullptr) refuse("'report'");
  return document;
}

// --- The members of its objects ---

// Raw; "" where there is no text.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// A sentence or name that the other host has put together: a line at most.
std::string phrase(const Json& object, const char* key) { return printable(text_of(object, key)); }

// nullopt where there is no whole number. Ours are never negative, nor this large.
std::optional<int> number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, 1'000'000'000));
}

int number_or_0(const Json& object, const char* key) { return number_of(object, key).value_or(0); }

double share_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return 0;
  return std::clamp(found->get<double>(), 0.0, 1e9);
}

// The items of an array; none where there is no array.
const Json& items_of(const Json& object, const char* key) {
  static const Json nothing = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : nothing;
}

std::vector<GpuProcess> processes_in(const Json& gpu, const char* key) {
  std::vector<GpuProcess> processes;
  for (const Json& item : items_of(gpu, key)) {
    if (!item.is_object()) continue;
    GpuProcess process;
    process.pid = number_or_0(item, "pid");
    process.user = text_of(item, "user");
    process.program = text_of(item, "program");
    process.memory_mib = number_of(item, "memory_mb");
    if (const auto box = item.find("container"); box != item.end() && box->is_object()) {
      process.container = {text_of(*box, "runtime"), text_of(*box, "id"), text_of(*box, "name")};
    }
    processes.push_back(std::move(process));
  }
  return processes;
}

// --- Rows ---

void put_unreserved_use(GpuRow& row, const Json& gpu) {
  std::vector<std::string> names;
  for (const Json& item : items_of(gpu, "unreserved_users")) {
    if (item.is_string()) names.push_back(item);
  }
  const bool has_unknown = gpu.value("unknown_user", Json()) == true;
  row.user = shown_users(names, has_unknown);
  row.unreserved_by = by_users(names, has_unknown);
  const std::string processes = phrase(gpu, "process_info");
  if (processes.empty()) return;
  row.unreserved_use = memory_used_by(number_of(gpu, "process_memory_mb"), processes);
}

std::string lost_by(const Json& gpu) {
  std::vector<std::string> runs;
  for (const Json& run : items_of(gpu, "lost_by")) {
    if (!run.is_object()) continue;
    runs.push_back(
        lost_by_run(text_of(run, "reservation_id"), shown_display_name(text_of(run, "user"))));
  }
  return fmt::format("{}", fmt::join(runs, "; "));
}

std::string served_model(const Json& gpu) {
  const auto model = gpu.find("model");
  if (model == gpu.end() || !model->is_object()) return "";
  return shown_display_name(text_of(*model, "model"));
}

GpuRow gpu_row(const Json& gpu) {
  GpuRow row;
  row.gpu = number_or_0(gpu, "gpu_id");
  row.status = *read_status_key(gpu["status"]);
  row.user = shown_display_name(text_of(gpu, "user"));
  row.duration = phrase(gpu, "duration");
  row.type = phrase(gpu, "type");
  row.note = shown_note(text_of(gpu, "note"));
  if (row.status == GpuStatus::InUse && gpu.contains("out_of_service")) {
    row.draining = draining(text_of(gpu, "out_of_service"));
  }
  if (row.status == GpuStatus::Unreserved) put_unreserved_use(row, gpu);
  row.details = phrase(gpu, "details");
  row.validation = phrase(gpu, "validation");
  row.utilization_percent = number_of(gpu, "utilization_percent");
  row.temperature_c = number_of(gpu, "temperature_c");
  row.power_w = number_of(gpu, "power_w");
  row.mig_devices = static_cast<int>(items_of(gpu, "parts").size());
  row.foreign = foreign_use(processes_in(gpu, "foreign"));
  for (const Json& run : items_of(gpu, "inner")) {
    if (row.inner.empty() && run.is_object()) row.inner = inner_run(phrase(run, "duration"));
  }
  row.leftovers = leftovers(processes_in(gpu, "leftovers"));
  row.notice = phrase(gpu, "notice");
  row.lost_by = lost_by(gpu);
  row.held_for = held_for(text_of(gpu, "held_for"), number_or_0(gpu, "held_position"));
  row.model = served_model(gpu);
  return row;
}

QueueRow queue_row(const Json& entry) {
  std::vector<int> ids;
  for (const Json& id : items_of(entry, "requested_ids")) {
    if (is_id(id)) ids.push_back(id);
  }
  const bool is_run = text_of(entry, "reservation_type") == kind_word(ReservationKind::Run);
  const std::string start = phrase(entry, "estimated_start");
  return {number_or_0(entry, "position"),
          phrase(entry, "id"),
          shown_display_name(text_of(entry, "user")),
          wanted_gpus(number_or_0(entry, "requested_count"), ids),
          kind_label(is_run ? ReservationKind::Run : ReservationKind::Manual),
          phrase(entry, "wait_time"),
          phrase(entry, "reason"),
          start.empty() ? "unknown" : start,
          shown_note(text_of(entry, "note"))};
}

Summary summary_of(const Json& gpus) {
  Summary summary;
  for (const Json& gpu : gpus) {
    count(summary, *read_status_key(gpu["status"]), text_of(gpu, "gpu_model"),
          gpu.contains("held_for"), gpu.contains("foreign"));
  }
  return summary;
}

// A wrong count is refused: it would be believed.
int checked_count(const Json& object, const char* key) {
  if (!object.contains(key)) return 0;
  if (is_id(object[key])) return object[key];
  throw Error(ErrorKind::Failed, fmt::format("its summary has an invalid '{}'", key));
}

}  // namespace

std::vector<GpuRow> read_remote_status(const std::string& answer) {
  std::vector<GpuRow> rows;
  for (const Json& gpu : status_document(answer)) rows.push_back(gpu_row(gpu));
  return rows;
}

std::vector<QueueRow> read_remote_queue(const std::string& answer) {
  const Json document = queue_document(answer);
  std::vector<QueueRow> rows;
  for (const Json& entry : document["entries"]) rows.push_back(queue_row(entry));
  return rows;
}

ReportTable read_remote_report(const std::string& answer) {
  const Json document = report_document(answer);
  const ReportWords* rows = words_of_rows(document);
  ReportTable table;
  table.period = fmt::format("of {} days", number_or_0(document, "days"));
  table.by = rows->by;
  for (const Json& item : document[rows->rows_key]) {
    table.rows.push_back({text_of(item, "name"), share_of(item, "gpu_hours"),
                          share_of(item, "percentage"), number_or_0(item, "run_count"),
                          number_or_0(item, "manual_count")});
  }
  table.total_gpu_hours = share_of(document, "total_gpu_hours");
  table.total_reservations = number_or_0(document, "total_reservations");
  table.unique_users = number_or_0(document, "unique_users");
  return table;
}

Summary read_remote_summary(const std::string& answer) {
  const Json document = parse(answer, "'status --summary'");
  if (are_gpus(document)) return summary_of(document);
  if (!document.is_object() || !document.contains("total")) refuse("'status --summary'");
  Summary summary;
  for (const auto& [key, number] : kSummaryCounts) {
    summary.*number = checked_count(document, key);
  }
  if (document.contains("waiting")) summary.waiting = checked_count(document, "waiting");
  for (const Json& entry : items_of(document, "models")) {
    const bool is_named = entry.is_object() && entry.contains("gpu_model");
    if (!is_named || summary.models.size() == kModelsMax) continue;
    summary.models.emplace_back(text_of(entry, "gpu_model"), checked_count(entry, "count"));
  }
  summary.validation = text_of(document, "validation");
  return summary;
}

std::string remote_status_json(const std::string& answer) {
  return json_text(status_document(answer));
}

std::string remote_queue_json(const std::string& answer) {
  return json_text(queue_document(answer));
}

std::string remote_report_json(const std::string& answer) {
  return json_text(report_document(answer));
}

}  // namespace chg
