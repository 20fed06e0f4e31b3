#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/status.h"
#include "render/tables.h"
#include "render/words.h"
#include "view/model_detection.h"

namespace chg {
namespace {

std::string user(const GpuOverview& gpu) {
  if (gpu.reservation) return shown_owner(gpu.reservation->account, gpu.reservation->label);
  if (gpu.status != GpuStatus::Unreserved || !gpu.reading) return "";
  return shown_users(user_names(use_of(gpu)));
}

std::string duration(const GpuOverview& gpu, const Instant& now) {
  return gpu.reservation ? to_hms(age(gpu.reservation->started, now)) : "";
}

// What is out of the ordinary comes first, since a narrow table cuts the end.
std::string all_details(const GpuOverview& gpu, const Instant& now) {
  std::vector<std::string> parts;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) parts.push_back(part);
  };
  if (!gpu.foreign.empty()) add("also used " + use_text(foreign_use_of(gpu)));
  add(lost_by(gpu));
  add(leftovers(gpu));
  add(held_for(gpu));
  add(draining(gpu));
  if (gpu.status == GpuStatus::Unreserved) {
    add(gpu.reading ? memory_used_by(use_of(gpu)) : unreserved_use(gpu));
  }
  add(details(gpu, now));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Readings readings_of(const GpuOverview& gpu) {
  if (!gpu.reading) return {};
  return {gpu.reading->utilization_percent, gpu.reading->temperature_c, gpu.reading->power_w,
          static_cast<int>(gpu.reading->mig_devices.size())};
}

std::string served_model(const GpuOverview& gpu) {
  const auto model = best_model(command_lines(gpu));
  return model ? shown_display_name(full_name(*model)) : "";
}

Row row_of(const GpuOverview& gpu, const Instant& now) {
  return {fmt::format("{}", gpu.gpu.index),
          Cell(short_status(gpu.status), status_color(gpu.status)),
          user(gpu),
          duration(gpu, now),
          gpu.reservation ? kind_label(gpu.reservation->kind) : "",
          Cell(all_details(gpu, now), gpu.foreign.empty() ? Color::None : Color::Red),
          short_validation(validation(gpu), readings_of(gpu)),
          served_model(gpu),
          gpu.reservation ? shown_note(gpu.reservation->note) : ""};
}

}  // namespace

// A cell has less room than a line: the column's title says what the line's words say.
std::string short_status(GpuStatus status) {
  return status == GpuStatus::Unreserved ? "UNRESERVED" : status_word(status);
}

// Readings come last, since a narrow table cuts the end.
std::string short_validation(const std::string& validation, const Readings& readings) {
  const std::string prefix = "validated: ";
  std::string text = validation;
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  const auto add = [&](const std::optional<int>& value, const char* unit) {
    if (value) text += fmt::format("{}{}{}", text.empty() ? "" : ", ", *value, unit);
  };
  add(readings.utilization_percent, "%");
  add(readings.temperature_c, "C");
  add(readings.power_w, "W");
  if (readings.parts > 0) add(readings.parts, " parts");
  return text;
}

std::vector<Column> status_columns() {
  return {{.title = "GPU", .is_number = true},
          {.title = "STATUS"},
          {.title = "USER", .gives_way = 7},
          {.title = "DURATION", .gives_way = 6, .is_whole = true},
          {.title = "TYPE", .gives_way = 5, .is_whole = true},
          {.title = "DETAILS", .gives_way = 4},
          {.title = "VALIDATION", .gives_way = 3},
          {.title = "MODEL", .gives_way = 2},
          {.title = "NOTE", .gives_way = 1}};
}

std::string status_table(const Overview& overview, const Style& style) {
  std::vector<Row> rows;
  for (const GpuOverview& gpu : overview.gpus) rows.push_back(row_of(gpu, overview.now));
  return table_text(status_columns(), std::move(rows), style);
}

}  // namespace chg
