#include <chrono>

#include "base/duration_text.h"
#include "render/json_output.h"
#include "render/queue.h"
#include "render/reason.h"
#include "render/words.h"

namespace chg {
namespace {

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
  if (decision.estimated_start) {
    object["estimated_start"] = to_rfc3339(*decision.estimated_start);
  }
  return object;
}

}  // namespace

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
