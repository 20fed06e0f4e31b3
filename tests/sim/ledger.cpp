#include "sim/ledger.h"

#include "base/json.h"
#include "core/fields.h"
#include "sim/violation.h"

namespace chg::sim {
namespace {

void require(bool is_possible, const chg::Event& event) {
  if (is_possible) return;
  throw Violation("events", event.id + " cannot have been " + std::string(word_of(event.kind)));
}

}  // namespace

void Ledger::follow(const std::vector<chg::Event>& events) {
  for (const chg::Event& event : events) follow(event);
}

void Ledger::follow(const chg::Event& event) {
  const bool waits = waiting_.contains(event.id);
  const bool holds = held_.contains(event.id);
  switch (event.kind) {
    case EventKind::Queued:
      require(!waits && !holds, event);
      waiting_.insert(event.id);
      return;
    case EventKind::Granted:
      require(waits && !holds && !event.gpus.empty(), event);
      waiting_.erase(event.id);
      held_[event.id] = {event.gpus.begin(), event.gpus.end()};
      return;
    case EventKind::Returned:
      require(holds && !waits, event);
      held_.erase(event.id);
      waiting_.insert(event.id);
      return;
    case EventKind::Withdrawn:
      require(holds || waits, event);
      held_.erase(event.id);
      waiting_.erase(event.id);
      return;
    case EventKind::Cancelled:
      require(waits, event);
      waiting_.erase(event.id);
      return;
    case EventKind::Ended:
      return follow_end(event);
    case EventKind::Restored:
      // An older state may have it, as it was then.
      waiting_.erase(event.id);
      held_[event.id] = {event.gpus.begin(), event.gpus.end()};
      return;
    case EventKind::GpusRestored:
      require(holds, event);
      held_[event.id].insert(event.gpus.begin(), event.gpus.end());
      return;
    case EventKind::Taken:
    case EventKind::Extended:
    case EventKind::GpusLost:
      return require(holds, event);
    case EventKind::Drained:
    case EventKind::Undrained:
    case EventKind::SetUp:
    case EventKind::Cleared:
    case EventKind::PolicyChanged:
      return require(event.id.empty() && event.actor.has_value(), event);
  }
}

void Ledger::follow_end(const chg::Event& event) {
  require(held_.contains(event.id), event);
  std::set<int>& gpus = held_[event.id];
  for (const int gpu : event.gpus) require(gpus.erase(gpu) == 1, event);
  if (gpus.empty()) held_.erase(event.id);
}

void Ledger::compare(const Pool& pool) const {
  std::set<std::string> waiting;
  std::map<std::string, std::set<int>> held;
  for (const Request& request : pool.queue) waiting.insert(request.id);
  for (const Reservation& reservation : pool.reservations)
    held[reservation.id] = {reservation.gpus.begin(), reservation.gpus.end()};
  if (waiting != waiting_) throw Violation("events", "they tell of others who wait");
  if (held != held_) throw Violation("events", "they tell of others who have GPUs");
}

}  // namespace chg::sim
