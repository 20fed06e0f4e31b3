#include "core/report.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace chg {
namespace {

// The first moment of the local day after the one of `time`: 23, 24 or 25 hours after its first.
WallTime next_midnight(WallTime time) {
  std::tm day = local_time(time);
  day.tm_mday += 1;
  day.tm_hour = day.tm_min = day.tm_sec = 0;
  day.tm_isdst = -1;
  return WallTime(std::chrono::seconds(std::mktime(&day)));
}

struct Sum {
  Duration used{};
  std::set<std::string> runs;
  std::set<std::string> manuals;
};

class Sums {
 public:
  Sums(WallTime from, WallTime to, ReportBy by) : from_(from), to_(to), by_(by) {}

  void add(const UsageRecord& record) {
    const WallTime start = std::max(record.started, from_);
    const WallTime end = std::min(record.ended, to_);
    // A reservation of no length counts where it lies; one outside of the period does not.
    if (record.ended < from_ || record.started > to_ || end < start) return;
    users_.insert(display_name(record.account, record.label));
    reservations_.insert(record.reservation_id);
    if (by_ != ReportBy::Day) {
      const bool user = by_ == ReportBy::User;
      add_to(user ? display_name(record.account, record.label) : fmt::format("GPU {}", record.gpu),
             record, end - start);
      return;
    }
    for (WallTime day = start; day <= end;) {
      const WallTime midnight = next_midnight(day);
      add_to(fmt::format("{:%Y-%m-%d}", local_time(day)), record, std::min(midnight, end) - day);
      if (midnight >= end) break;
      day = midnight;
    }
  }

  Report finish() const {
    Report result{from_,
                  to_,
                  by_,
                  {},
                  0,
                  static_cast<int>(reservations_.size()),
                  static_cast<int>(users_.size())};
    for (const auto& [name, sum] : sums_) result.total_gpu_hours += hours(sum.used);
    for (const auto& [name, sum] : sums_) {
      const double share =
          result.total_gpu_hours > 0 ? 100 * hours(sum.used) / result.total_gpu_hours : 0;
      result.rows.push_back({name, hours(sum.used), share, static_cast<int>(sum.runs.size()),
                             static_cast<int>(sum.manuals.size())});
    }
    if (by_ != ReportBy::Day) {
      std::stable_sort(result.rows.begin(), result.rows.end(),
                       [](const auto& a, const auto& b) { return a.gpu_hours > b.gpu_hours; });
    }
    return result;
  }

 private:
  static double hours(Duration duration) {
    return std::chrono::duration<double, std::ratio<3600>>(duration).count();
  }

  void add_to(const std::string& name, const UsageRecord& record, Duration used) {
    Sum& sum = sums_[name];
    sum.used += used;
    (record.kind == Kind::Run ? sum.runs : sum.manuals).insert(record.reservation_id);
  }

  WallTime from_;
  WallTime to_;
  ReportBy by_;
  std::map<std::string, Sum> sums_;
  std::set<std::string> users_;
  std::set<std::string> reservations_;
};

}  // namespace

Report report(const std::vector<UsageRecord>& records, const std::vector<Reservation>& running,
              WallTime from, WallTime to, ReportBy by) {
  Sums sums(from, to, by);
  for (const UsageRecord& record : records) sums.add(record);
  for (const Reservation& held : running) {
    const bool expires = held.kind == Kind::Manual && held.ends;
    const WallTime end = expires ? std::min(*held.ends, to) : to;
    for (const int gpu : held.gpus) {
      sums.add({held.id, gpu, held.account, held.label, held.kind, held.started.wall, end,
                End::Finished});
    }
  }
  return sums.finish();
}

}  // namespace chg
