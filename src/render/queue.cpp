#include "render/queue.h"

#include <chrono>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "core/gpu_ids.h"
#include "render/json_output.h"
#include "render/outside_text.h"
#include "render/reason.h"
#include "render/table.h"
#include "render/words.h"

namespace chg {
namespace {

std::string start_text(const std::optional<WallTime>& start, WallTime now) {
  if (!start) return "unknown";
  return *start <= now ? "now" : to_local_text(*start, now);
}

QueueRow row_of(const QueueEntry& entry, const Instant& now) {
  const auto& [request, decision] = entry;
  return {decision.position,
          request.id,
          shown_owner(request.account, request.label),
          wanted_gpus(request.count, request.gpu_ids),
          kind_label(request.kind),
          to_hms(age(request.enqueued, now)),
          sentence(decision.reason, now.wall),
          start_text(decision.estimated_start, now.wall),
          shown_note(request.note)};
}

Row cells_of(const QueueRow& row) {
  return {fmt::to_string(row.position),
          row.id,
          row.user,
          row.gpus,
          row.type,
          row.waited,
          row.reason,
          row.start,
          row.note};
}

Json entry_object(const QueueEntry& entry, const Instant& now) {
  const auto& [request, decision] = entry;
  const Duration waited = age(request.enqueued, now);
  Json object;
  object["id"] = request.id;
  object["position"] = decision.position;
  object["user"] = display_name(request.account, request.label);
  object["actual_user"] = request.account.name;
  object["account"] = request.account.name;
  if (!request.label.empty()) object["label"] = request.label;
  object["requested_count"] = request.count;
  object["requested_ids"] = request.gpu_ids;
  object["allocated_gpus"] = decision.held;
  object["allocated_count"] = decision.held.size();
  object["reservation_type"] = kind_word(request.kind);
  if (!request.note.empty()) object["note"] = request.note;
  object["enqueue_time"] = to_rfc3339(request.enqueued.wall);
  object["wait_time"] = to_hms(waited);
  object["wait_time_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
  object["reason"] = sentence(decision.reason, now.wall);
  if (decision.reason.limit) {
    object["limit"] = {{"allowed", decision.reason.limit->allowed},
                       {"taken", decision.reason.limit->taken}};
  }
  if (!decision.reason.within.empty()) object["within"] = decision.reason.within;
  if (decision.estimated_start) {
    object["estimated_start"] = to_rfc3339(*decision.estimated_start);
  }
  return object;
}

}  // namespace

// A bare number could be a count or an id.
std::string wanted_gpus(int count, const std::vector<int>& gpu_ids) {
  return gpu_ids.empty() ? fmt::format("any {}", count) : to_gpu_names(gpu_ids);
}

std::vector<QueueRow> queue_rows(const QueueOverview& queue) {
  std::vector<QueueRow> rows;
  for (const QueueEntry& entry : queue.entries) rows.push_back(row_of(entry, queue.now));
  return rows;
}

std::string queue_text(const std::vector<QueueRow>& rows, const Style& style) {
  if (rows.empty()) return "nobody waits\n";
  std::vector<Row> cells;
  for (const QueueRow& row : rows) cells.push_back(cells_of(row));
  return table_text({{.title = "POSITION", .is_number = true},
                     {.title = "ID"},
                     {.title = "USER", .gives_way = 7},
                     {.title = "GPUS", .gives_way = 6},
                     {.title = "TYPE", .gives_way = 3, .is_whole = true},
                     {.title = "WAITED", .gives_way = 4, .is_whole = true},
                     {.title = "REASON", .gives_way = 2},
                     {.title = "ESTIMATED START", .gives_way = 5, .is_whole = true},
                     {.title = "NOTE", .gives_way = 1}},
                    std::move(cells), style);
}

std::string queue_json(const QueueOverview& queue) {
  Json entries = Json::array();
  int requested = 0;
  std::size_t allocated = 0;
  for (const QueueEntry& entry : queue.entries) {
    entries.push_back(entry_object(entry, queue.now));
    requested += entry.request.count;
    allocated += entry.decision.held.size();
  }
  Json object;
  object["entries"] = std::move(entries);
  object["total_waiting"] = queue.entries.size();
  object["total_gpus_requested"] = requested;
  object["total_gpus_allocated"] = allocated;
  return json_text(object);
}

}  // namespace chg
