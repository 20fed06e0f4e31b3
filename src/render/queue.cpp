#include "render/queue.h"

#include <fmt/format.h>

#include "base/duration_text.h"
#include "core/gpu_ids.h"
#include "render/outside_text.h"
#include "render/reason.h"
#include "render/tables.h"
#include "render/words.h"

namespace chg {
namespace {

std::string start_text(const QueueEntry& entry, WallTime now) {
  const auto& start = entry.decision.estimated_start;
  if (!start) return "unknown";
  return *start <= now ? "now" : to_local_text(*start, now);
}

Row row_of(const QueueEntry& entry, const Instant& now) {
  const Request& request = entry.request;
  return {fmt::format("{}", entry.decision.position),
          request.id,
          shown_owner(request.account, request.label),
          wanted_gpus(request.count, request.gpu_ids),
          kind_label(request.kind),
          to_hms(age(request.enqueued, now)),
          sentence(entry.decision.reason, now.wall),
          start_text(entry, now.wall),
          shown_note(request.note)};
}

}  // namespace

std::vector<Column> queue_columns() {
  return {{.title = "POSITION", .is_number = true},
          {.title = "ID"},
          {.title = "USER", .gives_way = 7},
          {.title = "GPUS", .gives_way = 6},
          {.title = "TYPE", .gives_way = 3, .is_whole = true},
          {.title = "WAITED", .gives_way = 4, .is_whole = true},
          {.title = "REASON", .gives_way = 2},
          {.title = "ESTIMATED START", .gives_way = 5, .is_whole = true},
          {.title = "NOTE", .gives_way = 1}};
}

// A bare number could be either.
std::string wanted_gpus(int count, const std::vector<int>& gpu_ids) {
  return gpu_ids.empty() ? fmt::format("any {}", count) : to_gpu_names(gpu_ids);
}

std::string queue_text(const QueueOverview& queue, const Style& style) {
  if (queue.entries.empty()) return "nobody waits\n";
  std::vector<Row> rows;
  for (const QueueEntry& entry : queue.entries) rows.push_back(row_of(entry, queue.now));
  return table_text(queue_columns(), std::move(rows), style);
}

}  // namespace chg
