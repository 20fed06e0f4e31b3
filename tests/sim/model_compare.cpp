// The pool held against what it should be.
#include <algorithm>

#include <fmt/format.h>

#include "sim/indices.h"
#include "sim/lineage.h"
#include "sim/model.h"
#include "sim/violation.h"

namespace chg::sim {
void Model::compare(const Pool& pool) {
  compare_queue(pool);
  compare_reservations(pool);
  for (const Gpu& gpu : pool.gpus) compare_gpu(gpu);
  compare_records(pool);
}

void Model::compare_queue(const Pool& pool) const {
  for (std::size_t i = 0; i < pool.queue.size(); ++i) {
    if (i >= queue_.size()) throw Violation("waits", pool.queue[i].id + " waits and should not");
    const Request& expected = entries_.at(queue_[i]).request;
    if (pool.queue[i] == expected) continue;
    throw Violation("queue", fmt::format("place {} is {}'s and should be {}'s, as it asked", i + 1,
                                         pool.queue[i].id, expected.id));
  }
  if (pool.queue.size() < queue_.size()) {
    throw Violation("lost request", fmt::format("c{}", queue_[pool.queue.size()]));
  }
  if (pool.next_arrival != next_arrival_) throw Violation("arrivals", "the next one is wrong");
  std::vector<int> told;
  std::vector<int> expected;
  for (const Cancelled& one : pool.cancelled) told.push_back(client_of(one.id));
  for (const Unnoticed& one : cancelled_) expected.push_back(one.client);
  std::sort(told.begin(), told.end());
  std::sort(expected.begin(), expected.end());
  if (told != expected) throw Violation("cancelled", "somebody will not know, or is told wrongly");
}

void Model::compare_reservations(const Pool& pool) const {
  for (const Reservation& reservation : pool.reservations) {
    const Entry* expected = holding(client_of(reservation.id));
    if (expected == nullptr)
      throw Violation("not over", reservation.id + " goes on and should not");
    if (reservation == *expected->held) continue;
    throw Violation("reservation", reservation.id + " is not as it should be");
  }
  for (const int client : holders_) {
    const std::string& id = entries_.at(client).held->id;
    if (find_reservation(pool, id) == nullptr) throw Violation("lost reservation", id);
  }
}

void Model::compare_gpu(const Gpu& gpu) {
  ModelGpu& expected = gpus_[at(gpu.index)];
  const auto complain = [&](const char* rule) {
    throw Violation(rule, fmt::format("GPU {} is not as it should be", gpu.index));
  };
  if (gpu.out_of_service.has_value() != expected.drained) complain("drained");
  if (gpu.last_released != expected.released) complain("released");
  if (gpu.last_used_by_uid.size() != expected.used_by.size()) complain("used by");
  if (gpu.unavailable.has_value() != expected.known.has_value()) complain("unavailability");
  if (!expected.known) return;
  Known& known = *expected.known;
  if ((gpu.unavailable->kind == Unavailability::Kind::Error) != known.broken)
    complain("unavailability kind");
  std::vector<std::uint32_t> uids = gpu.unavailable->uids;
  std::sort(uids.begin(), uids.end());
  if (uids != known.uids) complain("unavailability uids");
  // One that stays keeps the time of its first sight.
  if (machine_.is_earlier(known.seen, gpu.unavailable->seen)) complain("unavailability seen");
  known.seen = gpu.unavailable->seen;
}

void Model::compare_records(const Pool& pool) {
  const std::vector<UsageRecord> written = usage_of(pool.events);
  if (written.size() != expected_.size()) {
    throw Violation("records", fmt::format("{} were written, and should be {}", written.size(),
                                           expected_.size()));
  }
  for (const UsageRecord& record : written) {
    const auto found = std::find(expected_.begin(), expected_.end(), record);
    if (found == expected_.end()) {
      throw Violation("records", fmt::format("that of {} on GPU {} is wrong", record.reservation_id,
                                             record.gpu));
    }
    if (found->within.empty()) {
      spans_.push_back({found->started, found->ended});
    } else {
      ++inner_records_;
    }
    expected_.erase(found);
  }
}

Duration Model::used_between(WallTime from, WallTime to) const {
  Duration sum{};
  const auto add = [&](WallTime start, WallTime end) {
    sum += std::max<Duration>(std::min(end, to) - std::max(start, from), Duration::zero());
  };
  for (const Span& span : spans_) add(span.start, span.end);
  for (const int client : holders_) {
    const Reservation& reservation = *entries_.at(client).held;
    if (outer(client) != kNobody) continue;
    const bool expires = reservation.kind == ReservationKind::Manual && reservation.ends;
    for (std::size_t i = 0; i < reservation.gpus.size(); ++i) {
      add(reservation.started.wall, expires ? *reservation.ends : to);
    }
  }
  return sum;
}

}  // namespace chg::sim
