#include <chrono>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/json_output.h"
#include "render/processes.h"
#include "render/status.h"
#include "render/words.h"
#include "view/model_detection.h"

namespace chg {
namespace {

// A key that does not apply is absent, never "" or null.
void put_text(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

template <typename Number>
void put_known(Json& object, const char* key, const std::optional<Number>& number) {
  if (number) object[key] = *number;
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

Json container_object(const Container& container) {
  Json object;
  object["runtime"] = container.runtime;
  object["id"] = container.id;
  put_text(object, "name", container.name);
  return object;
}

Json process_object(const GpuProcess& process, const Instant& now) {
  Json object;
  object["pid"] = process.pid;
  put_text(object, "user", process.user);
  put_text(object, "program", process.program);
  put_text(object, "command_line", process.command_line);
  put_known(object, "memory_mb", process.memory_mib);
  object["type"] = process.type == GpuProcess::Type::Compute ? "COMPUTE" : "GRAPHICS";
  if (process.started) object["age_seconds"] = whole_seconds(now.boot - *process.started);
  if (process.container) object["container"] = container_object(*process.container);
  put_text(object, "unit", process.unit);
  put_text(object, "session", process.session);
  put_text(object, "reservation_id", process.reservation_id.value_or(""));
  return object;
}

Json process_array(const std::vector<GpuProcess>& processes, const Instant& now) {
  Json array = Json::array();
  for (const GpuProcess& process : processes) array.push_back(process_object(process, now));
  return array;
}

Json mig_array(const std::vector<MigDevice>& devices) {
  Json array = Json::array();
  for (const MigDevice& device : devices) {
    Json object;
    put_text(object, "uuid", device.uuid);
    put_text(object, "gpu_model", device.model);
    put_known(object, "memory_used_mb", device.memory_used_mib);
    put_known(object, "memory_total_mb", device.memory_total_mib);
    array.push_back(object);
  }
  return array;
}

Json inner_object(const Reservation& inner, const Instant& now) {
  const Duration duration = age(inner.started, now);
  Json object;
  object["reservation_id"] = inner.id;
  put_text(object, "label", inner.label);
  put_text(object, "note", inner.note);
  object["duration"] = to_hms(duration);
  object["duration_seconds"] = whole_seconds(duration);
  object["last_heartbeat"] = to_rfc3339(inner.last_heartbeat.wall);
  if (inner.ends) object["expiry_time"] = to_rfc3339(*inner.ends);
  return object;
}

void put_reservation(Json& object, const GpuOverview& gpu, const Instant& now) {
  const Reservation& reservation = *gpu.reservation;
  const Duration duration = age(reservation.started, now);
  object["user"] = display_name(reservation.account, reservation.label);
  object["account"] = reservation.account.name;
  put_text(object, "label", reservation.label);
  object["reservation_id"] = reservation.id;
  object["type"] = kind_label(reservation.kind);
  object["duration"] = to_hms(duration);
  object["duration_seconds"] = whole_seconds(duration);
  put_text(object, "note", reservation.note);
  if (reservation.kind == ReservationKind::Run)
    object["last_heartbeat"] = to_rfc3339(reservation.last_heartbeat.wall);
  if (gpu.command_ended) object["command_ended"] = true;
  for (const Reservation& inner : gpu.inner) object["inner"].push_back(inner_object(inner, now));
  if (!reservation.ends) return;
  object["expiry_time"] = to_rfc3339(*reservation.ends);
  object["expires_in_seconds"] =
      std::max<std::int64_t>(0, whole_seconds(*reservation.ends - now.wall));
}

void put_state(Json& object, const GpuOverview& gpu, const Instant& now) {
  put_text(object, "details", details(gpu, now));
  put_text(object, "validation", validation(gpu));
  if (gpu.gpu.last_released) object["last_released"] = to_rfc3339(gpu.gpu.last_released->wall);
  if (!gpu.held_for.empty()) {
    object["held_for"] = gpu.held_for;
    object["held_position"] = gpu.held_position;
  }
  for (const Reservation& run : gpu.lost_by) {
    Json lost;
    lost["user"] = display_name(run.account, run.label);
    lost["account"] = run.account.name;
    put_text(lost, "label", run.label);
    lost["reservation_id"] = run.id;
    object["lost_by"].push_back(std::move(lost));
  }
  if (gpu.gpu.out_of_service) object["out_of_service"] = *gpu.gpu.out_of_service;
  put_text(object, "notice", notice(gpu));
  put_text(object, "error", gpu.error.empty() && gpu.reading ? gpu.reading->error : gpu.error);
}

void put_reading(Json& object, const GpuReading& reading) {
  put_text(object, "pci_bus_id", reading.pci_bus_id);
  if (reading.memory_not_supported) object["not_supported"].push_back("memory");
  if (reading.processes_not_supported) object["not_supported"].push_back("processes");
  put_known(object, "memory_used_mb", reading.memory_used_mib);
  put_known(object, "memory_total_mb", reading.memory_total_mib);
  put_known(object, "utilization_percent", reading.utilization_percent);
  put_known(object, "temperature_c", reading.temperature_c);
  put_known(object, "power_w", reading.power_w);
  if (!reading.mig_devices.empty()) object["parts"] = mig_array(reading.mig_devices);
}

void put_use(Json& object, const GpuOverview& gpu, const Instant& now) {
  if (!gpu.reading) return;
  const bool unreserved = gpu.status == GpuStatus::Unreserved;
  if (unreserved || !gpu.users.empty()) {
    const GpuUse use = use_of(gpu);
    const std::vector<std::string> names = user_names(use);
    if (unreserved && !names.empty()) object["unreserved_users"] = names;
    if (unreserved && has_unknown_user(use)) object["unknown_user"] = true;
    object["process_info"] = process_list(use);
    put_known(object, "process_memory_mb", use.memory_mib);
  }
  if (const auto model = best_model(command_lines(gpu))) {
    put_text(object["model"], "provider", model->provider);
    object["model"]["model"] = full_name(*model);
  }
  if (!gpu.foreign.empty()) object["foreign"] = process_array(gpu.foreign, now);
  if (!gpu.leftovers.empty()) object["leftovers"] = process_array(gpu.leftovers, now);
  if (!gpu.reading->suspects.empty()) {
    object["suspects"] = process_array(gpu.reading->suspects, now);
  }
  object["processes"] = process_array(gpu.reading->processes, now);
}

Json gpu_object(const GpuOverview& gpu, const Overview& overview) {
  const Instant& now = overview.now;
  Json object;
  object["gpu_id"] = gpu.gpu.index;
  object["status"] = status_key(gpu.status);
  object["available"] = gpu.available;
  if (gpu.reservation) put_reservation(object, gpu, now);
  put_state(object, gpu, now);
  put_text(object, "uuid", gpu.gpu.uuid);
  put_text(object, "gpu_model", gpu_model(gpu));
  if (gpu.reading) {
    put_reading(object, *gpu.reading);
    if (overview.observed) object["observed"] = to_rfc3339(overview.observed->wall);
    if (gpu.stale_for) object["stale"] = true;
  }
  put_use(object, gpu, now);
  return object;
}

}  // namespace

std::string status_json(const Overview& overview) {
  Json array = Json::array();
  for (const GpuOverview& gpu : overview.gpus) array.push_back(gpu_object(gpu, overview));
  return json_text(array);
}

}  // namespace chg
