#include "core/events.h"

namespace chg {

std::vector<UsageRecord> usage_of(const Event& event) {
  std::vector<UsageRecord> records;
  if (event.kind != EventKind::Ended || !event.started || !event.how) return records;
  records.reserve(event.gpus.size());
  for (const int gpu : event.gpus) {
    records.push_back({event.id, gpu, event.owner, event.label, event.reservation_kind,
                       *event.started, event.at, *event.how, event.grant, event.within});
  }
  return records;
}

std::vector<UsageRecord> usage_of(const std::vector<Event>& events) {
  std::vector<UsageRecord> all;
  for (const Event& event : events) {
    for (UsageRecord& record : usage_of(event)) all.push_back(std::move(record));
  }
  return all;
}

Event ended_event(const UsageRecord& record) {
  Event event;
  event.kind = EventKind::Ended;
  event.at = record.ended;
  event.id = record.reservation_id;
  event.owner = record.account;
  event.label = record.label;
  event.reservation_kind = record.kind;
  event.gpus = {record.gpu};
  event.started = record.started;
  event.how = record.end;
  event.grant = record.grant;
  event.within = record.within;
  return event;
}

}  // namespace chg
