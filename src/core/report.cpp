#include "core/report.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/inner.h"

namespace chg {
namespace {

std::size_t hash_of(const UsageRecord& record) {
  return std::hash<std::string>()(record.reservation_id);
}

int count_different(std::vector<std::size_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  return static_cast<int>(std::unique(hashes.begin(), hashes.end()) - hashes.begin());
}

double hours(Duration duration) {
  return std::chrono::duration<double, std::ratio<3600>>(duration).count();
}

}  // namespace

void UsageSums::add(const UsageRecord& record) {
  if (!record.within.empty()) return;
  const WallTime start = std::max(record.started, from_);
  const WallTime end = std::min(record.ended, to_);
  // A reservation of no length counts where it lies; one outside of the period does not.
  if (record.ended < from_ || record.started > to_ || end < start) return;
  users_.insert(display_name(record.account, record.label));
  reservations_.push_back(hash_of(record));
  if (by_ != ReportBy::Day) {
    const bool user = by_ == ReportBy::User;
    add_to(user ? display_name(record.account, record.label) : fmt::format("GPU {}", record.gpu),
           record, end - start);
    return;
  }
  for (WallTime at = start; at <= end;) {
    const CalendarDay day = day_of_(at);
    add_to(day.date, record, std::min(day.end, end) - at);
    if (day.end >= end) break;
    at = day.end;
  }
}

void UsageSums::add_running(const Pool& pool) {
  for (const Reservation& running : pool.reservations) {
    if (outer_of(pool, running) != nullptr) continue;
    const bool expires = running.kind == ReservationKind::Manual && running.ends;
    const WallTime end = expires ? std::min(*running.ends, to_) : to_;
    for (const int gpu : running.gpus) {
      add({running.id, gpu, running.account, running.label, running.kind, running.started.wall, end,
           EndReason::Finished});
    }
  }
}

Report UsageSums::finish() const {
  Report result{
      from_, to_, by_, {}, 0, count_different(reservations_), static_cast<int>(users_.size())};
  for (const auto& [name, sum] : sums_) result.total_gpu_hours += hours(sum.used);
  for (const auto& [name, sum] : sums_) {
    const double share =
        result.total_gpu_hours > 0 ? 100 * hours(sum.used) / result.total_gpu_hours : 0;
    result.rows.push_back(
        {name, hours(sum.used), share, count_different(sum.runs), count_different(sum.manuals)});
  }
  if (by_ != ReportBy::Day) {
    std::stable_sort(result.rows.begin(), result.rows.end(),
                     [](const auto& a, const auto& b) { return a.gpu_hours > b.gpu_hours; });
  }
  return result;
}

void UsageSums::add_to(const std::string& name, const UsageRecord& record, Duration used) {
  Sum& sum = sums_[name];
  sum.used += used;
  (record.kind == ReservationKind::Run ? sum.runs : sum.manuals).push_back(hash_of(record));
}

}  // namespace chg
