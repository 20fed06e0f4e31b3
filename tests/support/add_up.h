// The report over a history that is there as a whole.
#pragma once

#include <vector>

#include "core/report.h"

namespace chg {

inline Report add_up(const std::vector<UsageRecord>& records,
                     const std::vector<Reservation>& running, WallTime from, WallTime to,
                     ReportBy by) {
  UsageSums sums(from, to, by, local_day);
  for (const UsageRecord& record : records) sums.add(record);
  Pool pool;
  pool.reservations = running;
  sums.add_running(pool);
  return sums.finish();
}

}  // namespace chg
