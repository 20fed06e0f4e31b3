#include "render/status.h"

#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/status_line.h"
#include "render/summary.h"

namespace chg {
namespace {

std::string by_whom(const GpuOverview& gpu, const Instant& now) {
  if (gpu.reservation) {
    return fmt::format("by {} for {}",
                       shown_owner(gpu.reservation->account, gpu.reservation->label),
                       to_hms(age(gpu.reservation->started, now)));
  }
  return gpu.status == GpuStatus::Unreserved ? unreserved_use(gpu) : "";
}

StatusLine line_of(const GpuOverview& gpu, const Instant& now) {
  StatusLine line;
  line.gpu = gpu.gpu.index;
  line.status = gpu.status;
  line.by_whom = by_whom(gpu, now);
  line.parenthesis = parenthesis(gpu, now);
  line.validation = validation(gpu);
  line.leftovers = leftovers(gpu);
  if (!gpu.foreign.empty()) line.foreign = use_text(foreign_use_of(gpu));
  line.lost_by = lost_by(gpu);
  line.held_for = held_for(gpu);
  line.draining = draining(gpu);
  if (gpu.reservation) line.note = shown_note(gpu.reservation->note);
  return line;
}

}  // namespace

std::string status_lines(const Overview& overview, const Style& style) {
  std::string text;
  for (const GpuOverview& gpu : overview.gpus) text += to_text(line_of(gpu, overview.now), style);
  return text;
}

std::string status_summary(const Overview& overview) {
  return summary_line(summary_of(overview)) + "\n";
}

std::string summary_json(const Overview& overview) {
  return json_text(summary_object(summary_of(overview)));
}

}  // namespace chg
