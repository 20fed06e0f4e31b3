#include "render/queue.h"

#include <fmt/format.h>

#include "base/duration_text.h"
#include "core/gpu_ids.h"
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

}  // namespace

// A bare number could be either.
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

}  // namespace chg
