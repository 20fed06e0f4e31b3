// GPU hours, from usage records and what is still running. Rule 20 of docs/semantics.md.
#pragma once

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

/// Sums what lies between `from` and `to`. Reservations that go on count up to `to`, or to the end
/// of a manual one that has expired.
Report report(const std::vector<UsageRecord>& records, const std::vector<Reservation>& running,
              WallTime from, WallTime to, ReportBy by);

}  // namespace chg
