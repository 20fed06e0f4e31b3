// GPU hours, from usage records and what is still running. Rule 20 of docs/semantics.md.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

enum class ReportBy { User, Gpu, Day };

struct ReportRow {
  std::string name;  ///< display name, "GPU 3", or "2026-11-24" (local time)
  double gpu_hours = 0;
  double percentage = 0;  ///< of total_gpu_hours; 0 when that is 0
  int run_count = 0;      ///< reservations, not GPUs
  int manual_count = 0;
};

struct Report {
  WallTime from{};
  WallTime to{};
  ReportBy by = ReportBy::User;
  std::vector<ReportRow> rows;  ///< most hours first; days in order
  double total_gpu_hours = 0;
  int total_reservations = 0;
  int unique_users = 0;
  std::string elsewhere = {};  ///< the host, where it is another than this one
};

/// Sums what lies between `from` and `to`, one record after another: a history may be larger than
/// memory.
class UsageSums {
 public:
  /// `day_of` tells the day of a moment, for ReportBy::Day.
  UsageSums(WallTime from, WallTime to, ReportBy by, std::function<CalendarDay(WallTime)> day_of)
      : from_(from), to_(to), by_(by), day_of_(std::move(day_of)) {}

  void add(const UsageRecord& record);

  /// The reservations of the pool count up to `to`, or to the end of a manual one that has expired;
  /// inner runs don't, since their outer ones do.
  void add_running(const Pool& pool);

  Report finish() const;

 private:
  // Reservations, each as often as it was met, by hash: that two of a million have the same one of
  // 64 bits happens in one of ten million reports.
  using Met = std::vector<std::size_t>;
  struct Sum {
    Duration used{};
    Met runs;
    Met manuals;
  };

  void add_to(const std::string& name, const UsageRecord& record, Duration used);

  WallTime from_;
  WallTime to_;
  ReportBy by_;
  std::function<CalendarDay(WallTime)> day_of_;
  std::map<std::string, Sum> sums_;
  std::set<std::string> users_;
  Met reservations_;
};

}  // namespace chg
