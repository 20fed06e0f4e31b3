#include "render/gpu_phrases.h"

#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/words.h"

namespace chg {
namespace {

struct StatusLook {
  GpuStatus status;
  const char* word;
  const char* key;
  Color color;
};

// In the order of GpuStatus.
constexpr StatusLook kStatusLooks[] = {
    {GpuStatus::Available, "AVAILABLE", "AVAILABLE", Color::Green},
    {GpuStatus::InUse, "IN USE", "IN_USE", Color::Yellow},
    {GpuStatus::Unreserved, "IN USE WITHOUT RESERVATION", "UNRESERVED", Color::Red},
    {GpuStatus::Error, "ERROR", "ERROR", Color::Red},
    {GpuStatus::OutOfService, "OUT OF SERVICE", "OUT_OF_SERVICE", Color::Dim},
    {GpuStatus::NotReserved, "NOT RESERVED", "NOT_RESERVED", Color::Dim}};

const StatusLook& look_of(GpuStatus status) {
  return kStatusLooks[static_cast<std::size_t>(status)];
}

std::string ago(const Instant& then, const Instant& now) { return to_hms(age(then, now)) + " ago"; }

std::string expiry(const Reservation& manual, const Instant& now) {
  if (!manual.ends) return "not yet claimed";
  if (*manual.ends > now.wall) return "expires in " + to_hms(*manual.ends - now.wall);
  return fmt::format("expired {} ago", to_hms(now.wall - *manual.ends));
}

std::string reservation_details(const GpuOverview& gpu, const Instant& now) {
  if (gpu.reservation->request) return "granted, not taken yet";
  if (gpu.reservation->kind == ReservationKind::Manual) return expiry(*gpu.reservation, now);
  return fmt::format("{}last heartbeat {}", gpu.command_ended ? "command ended, " : "",
                     ago(gpu.reservation->last_heartbeat, now));
}

std::string state_details(const GpuOverview& gpu, const Instant& now) {
  switch (gpu.status) {
    case GpuStatus::Available:
    case GpuStatus::NotReserved:
      if (!gpu.gpu.last_released) return "never used";
      return "last released " + ago(*gpu.gpu.last_released, now);
    case GpuStatus::InUse:
      return gpu.reservation ? reservation_details(gpu, now) : "";
    case GpuStatus::Unreserved:
      if (gpu.reading || !gpu.gpu.unavailable) return "";
      return "seen " + ago(gpu.gpu.unavailable->seen, now);
    case GpuStatus::Error:
      return gpu.error.empty() ? "unknown error" : shown_note(gpu.error);
    case GpuStatus::OutOfService:
      return shown_note(gpu.gpu.out_of_service.value_or(""));
  }
  return "";
}

// With the age of a stale reading.
std::string validated(const GpuOverview& gpu) {
  return gpu.stale_for ? fmt::format("validated {} ago", to_hms(*gpu.stale_for)) : "validated";
}

constexpr const char* kNoUse = ": no actual usage detected";

std::string validation_in_use(const GpuOverview& gpu) {
  if (!gpu.in_use) return validated(gpu) + kNoUse;
  const GpuUse use = use_of(gpu);
  if (use.memory_mib) {
    return fmt::format("{}: {}MB, {} processes", validated(gpu), *use.memory_mib, gpu.users.size());
  }
  if (gpu.users.empty()) return "not validated: memory unknown";
  return fmt::format("{}: {} processes", validated(gpu), gpu.users.size());
}

}  // namespace

std::string status_word(GpuStatus status) { return look_of(status).word; }

const char* status_key(GpuStatus status) { return look_of(status).key; }

std::optional<GpuStatus> read_status_key(const std::string& key) {
  for (const StatusLook& look : kStatusLooks) {
    if (key == look.key) return look.status;
  }
  return std::nullopt;
}

Color status_color(GpuStatus status) { return look_of(status).color; }

std::string details(const GpuOverview& gpu, const Instant& now) {
  const std::string text = state_details(gpu, now);
  return gpu.reservation ? fmt::format("{}, {}", kind_word(gpu.reservation->kind), text) : text;
}

std::string validation(const GpuOverview& gpu) {
  const GpuStatus status = gpu.status;
  if (status == GpuStatus::Error || status == GpuStatus::OutOfService) return "";
  if (!gpu.reading) return "not validated";
  if (!gpu.reading->error.empty()) return "not validated: " + shown_note(gpu.reading->error);
  if (status == GpuStatus::InUse) return validation_in_use(gpu);
  if (status == GpuStatus::Unreserved) return gpu.stale_for ? validated(gpu) : "";
  const auto& used = gpu.reading->memory_used_mib;
  if (!used && gpu.reading->memory_not_supported) return validated(gpu) + kNoUse;
  return used ? fmt::format("{}: {}MB used", validated(gpu), *used)
              : "not validated: memory unknown";
}

std::string notice(const GpuOverview& gpu) {
  if (!gpu.reading) return "";
  std::vector<std::string> notices = notices_of(*gpu.reading);
  std::erase(notices, gpu.error);
  for (std::string& one : notices) one = shown_note(one);
  return fmt::format("{}", fmt::join(notices, "; "));
}

std::string held_for(const std::string& who, int position) {
  if (who.empty()) return "";
  return fmt::format("held for {}, {} in queue", shown_display_name(who), ordinal(position));
}

std::string lost_by_run(const std::string& id, const std::string& owner) {
  return fmt::format("lost by the run {} of {}, which goes on", shown_name(id), owner);
}

std::string inner_run(const std::string& duration) {
  return duration.empty() ? "" : "run inside for " + duration;
}

std::string leftovers(const std::vector<GpuProcess>& processes) {
  return processes.empty() ? "" : "leftover " + process_list({processes, false, {}});
}

std::string draining(const std::string& note) {
  return "out of service when released" +
         (note.empty() ? "" : fmt::format(" ({})", shown_note(note)));
}

std::vector<std::string> command_lines(const GpuOverview& gpu) {
  std::vector<std::string> lines;
  if (!gpu.reading) return lines;
  for (const GpuProcess& process : gpu.reading->processes) {
    if (process.type != GpuProcess::Type::Compute) continue;
    const std::string& of_ancestor = process.ancestor_command_line;
    lines.push_back(of_ancestor.empty() ? process.command_line : of_ancestor);
  }
  return lines;
}

std::string gpu_model(const GpuOverview& gpu) {
  return gpu.reading && !gpu.reading->model.empty() ? gpu.reading->model : gpu.gpu.model;
}

}  // namespace chg
