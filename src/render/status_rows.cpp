#include "render/status_rows.h"

#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/words.h"
#include "view/model_detection.h"

namespace chg {
namespace {

void put_reservation(GpuRow& row, const GpuOverview& gpu, const Instant& now) {
  const Reservation& reservation = *gpu.reservation;
  row.user = shown_owner(reservation.account, reservation.label);
  row.duration = to_hms(age(reservation.started, now));
  row.type = kind_label(reservation.kind);
  row.note = shown_note(reservation.note);
  if (gpu.gpu.out_of_service) row.draining = draining(*gpu.gpu.out_of_service);
  if (!gpu.inner.empty()) row.inner = inner_run(to_hms(age(gpu.inner.front().started, now)));
}

void put_unreserved_use(GpuRow& row, const GpuOverview& gpu) {
  if (gpu.reading) {
    const GpuUse use = use_of(gpu);
    row.user = shown_users(user_names(use), has_unknown_user(use));
    row.unreserved_by = by_users(use);
    row.unreserved_use = memory_used_by(use);
  } else if (gpu.gpu.unavailable) {
    row.unreserved_by = shown_note(gpu.gpu.unavailable->what);
  } else {
    row.unreserved_by = by_users(GpuUse{});
  }
}

void put_reading(GpuRow& row, const GpuReading& reading) {
  row.utilization_percent = reading.utilization_percent;
  row.temperature_c = reading.temperature_c;
  row.power_w = reading.power_w;
  row.mig_devices = static_cast<int>(reading.mig_devices.size());
}

std::string lost_by(const GpuOverview& gpu) {
  std::vector<std::string> runs;
  for (const Reservation& run : gpu.lost_by) {
    runs.push_back(lost_by_run(run.id, shown_owner(run.account, run.label)));
  }
  return fmt::format("{}", fmt::join(runs, "; "));
}

GpuRow row_of(const GpuOverview& gpu, const Instant& now) {
  GpuRow row;
  row.gpu = gpu.gpu.index;
  row.status = gpu.status;
  if (gpu.reservation) {
    put_reservation(row, gpu, now);
  } else if (gpu.status == GpuStatus::Unreserved) {
    put_unreserved_use(row, gpu);
  }
  row.details = details(gpu, now);
  row.validation = validation(gpu);
  if (gpu.reading) put_reading(row, *gpu.reading);
  row.foreign = foreign_use(gpu.foreign);
  row.leftovers = leftovers(gpu.leftovers);
  row.notice = notice(gpu);
  row.lost_by = lost_by(gpu);
  row.held_for = held_for(gpu.held_for, gpu.held_position);
  if (const auto model = best_model(command_lines(gpu))) {
    row.model = shown_display_name(full_name(*model));
  }
  return row;
}

}  // namespace

std::vector<GpuRow> status_rows(const Overview& overview) {
  std::vector<GpuRow> rows;
  for (const GpuOverview& gpu : overview.gpus) rows.push_back(row_of(gpu, overview.now));
  return rows;
}

}  // namespace chg
