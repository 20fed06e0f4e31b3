// The fields of all types that are stored or sent. A field's name is its name in JSON, which stores
// keep: another name, or one field() more, is another format.
#pragma once

#include "base/fields.h"
#include "core/observation.h"
#include "core/pool.h"

namespace chg {

// --- who and when ---

template <>
inline constexpr bool kIsOneText<Instant> = true;
constexpr auto fields_of(const Instant*) {
  return std::tuple(field("wall", &Instant::wall), field("boot", &Instant::boot),
                    field("boot_id", &Instant::boot_id));
}

template <>
inline constexpr bool kIsOneText<ProcessIdentity> = true;
constexpr auto fields_of(const ProcessIdentity*) {
  return std::tuple(
      field("pid", &ProcessIdentity::pid), field("start_ticks", &ProcessIdentity::start_ticks),
      field("pid_namespace", &ProcessIdentity::pid_namespace),
      field("boot_id", &ProcessIdentity::boot_id), field("host", &ProcessIdentity::host));
}

template <>
inline constexpr bool kIsOneText<HostIdentity> = true;
constexpr auto fields_of(const HostIdentity*) {
  return std::tuple(field("boot_id", &HostIdentity::boot_id), field("name", &HostIdentity::name));
}

constexpr auto fields_of(const Account*) {
  return std::tuple(field("uid", &Account::uid), field("account", &Account::name));
}

// --- the pool ---

constexpr auto words_of(const AllocationPolicy*) {
  return std::to_array<std::string_view>({"lru", "mru-per-user"});
}

constexpr auto fields_of(const Limits*) {
  return std::tuple(maybe("subject", &Limits::subject), field("gpus", &Limits::gpus),
                    field("duration", &Limits::duration), field("timeout", &Limits::timeout),
                    field("requests", &Limits::requests));
}

constexpr auto fields_of(const Policy*) {
  return std::tuple(
      field("allocation", &Policy::allocation),
      field("heartbeat_interval", &Policy::heartbeat_interval),
      field("heartbeat_timeout", &Policy::heartbeat_timeout),
      field("process_threshold", &Policy::process_threshold_mib),
      field("memory_threshold", &Policy::memory_threshold_mib),
      field("ignore_processes", &Policy::ignore_processes), field("probe", &Policy::probe),
      maybe("contact", &Policy::contact), field("leftovers_grace", &Policy::leftovers_grace),
      field("history_kept", &Policy::history_kept),
      field("default_timeout", &Policy::default_timeout), maybe("limits", &Policy::limits));
}

constexpr auto words_of(const ReservationKind*) {
  return std::to_array<std::string_view>({"run", "manual"});
}

constexpr auto words_of(const EndReason*) {
  return std::to_array<std::string_view>(
      {"finished", "released", "expired", "timed_out", "killed", "lost", "cleared"});
}

constexpr auto words_of(const Unavailability::Kind*) {
  return std::to_array<std::string_view>({"unreserved_use", "error", "never"});
}

constexpr auto words_of(const EventKind*) {
  return std::to_array<std::string_view>({"queued", "granted", "taken", "returned", "withdrawn",
                                          "cancelled", "extended", "ended", "gpus_lost", "restored",
                                          "gpus_restored", "drained", "undrained", "set_up",
                                          "cleared", "policy_changed"});
}

constexpr auto fields_of(const Unavailability*) {
  return std::tuple(field("kind", &Unavailability::kind), field("seen", &Unavailability::seen),
                    field("what", &Unavailability::what), field("uids", &Unavailability::uids));
}

constexpr auto fields_of(const Gpu*) {
  return std::tuple(
      maybe("index", &Gpu::index), field("uuid", &Gpu::uuid), field("model", &Gpu::model),
      field("out_of_service", &Gpu::out_of_service), field("last_released", &Gpu::last_released),
      field("obstacle", &Gpu::unavailable), field("last_used_by", &Gpu::last_used_by_uid));
}

constexpr auto fields_of(const Request*) {
  return std::tuple(
      maybe("id", &Request::id), field("arrival", &Request::arrival), inlined(&Request::account),
      maybe("groups", &Request::groups), maybe("unnamed", &Request::unnamed),
      maybe("label", &Request::label),
      maybe("note", &Request::note), maybe("command", &Request::command),
      field("kind", &Request::kind), field("count", &Request::count),
      field("gpus", &Request::gpu_ids), field("force", &Request::force),
      field("duration", &Request::duration), field("enqueued", &Request::enqueued),
      field("last_heartbeat", &Request::last_heartbeat), field("waiter", &Request::waiter),
      maybe("passed_over", &Request::passed_over), field("visible", &Request::visible),
      maybe("process_threshold", &Request::process_threshold_mib),
      maybe("memory_threshold", &Request::memory_threshold_mib),
      maybe("avoided", &Request::avoided));
}

constexpr auto fields_of(const Reservation*) {
  return std::tuple(
      maybe("id", &Reservation::id), maybe("grant", &Reservation::grant),
      inlined(&Reservation::account), maybe("label", &Reservation::label),
      maybe("note", &Reservation::note), maybe("command", &Reservation::command),
      field("kind", &Reservation::kind), field("gpus", &Reservation::gpus),
      maybe("lost", &Reservation::lost), field("started", &Reservation::started),
      field("last_heartbeat", &Reservation::last_heartbeat), field("ends", &Reservation::ends),
      field("holder", &Reservation::holder), field("supervisor", &Reservation::supervisor),
      maybe("leftovers", &Reservation::leftovers), field("ending", &Reservation::ending),
      field("ending_by", &Reservation::ending_by), field("request", &Reservation::request));
}

constexpr auto fields_of(const Recall*) {
  return std::tuple(field("began", &Recall::began), maybe("runs", &Recall::runs),
                    maybe("server", &Recall::server));
}

constexpr auto fields_of(const Cancelled*) {
  return std::tuple(field("id", &Cancelled::id), field("waiter", &Cancelled::waiter),
                    field("last_heartbeat", &Cancelled::last_heartbeat));
}

constexpr auto fields_of(const AbsentDrain*) {
  return std::tuple(field("uuid", &AbsentDrain::uuid), field("note", &AbsentDrain::note));
}

constexpr auto fields_of(const Event*) {
  return std::tuple(
      field("event", &Event::kind), field("at", &Event::at), field("by", &Event::actor),
      maybe("id", &Event::id), inlined(&Event::owner), maybe("label", &Event::label),
      maybe("note", &Event::note), maybe("command", &Event::command),
      maybe("kind", &Event::reservation_kind), maybe("count", &Event::count),
      maybe("gpus", &Event::gpus), maybe("grant", &Event::grant), field("started", &Event::started),
      field("how", &Event::how), field("ends", &Event::ends), maybe("within", &Event::within),
      maybe("detail", &Event::detail));
}

constexpr auto fields_of(const UsageRecord*) {
  return std::tuple(field("reservation", &UsageRecord::reservation_id),
                    field("gpu", &UsageRecord::gpu), inlined(&UsageRecord::account),
                    maybe("label", &UsageRecord::label), field("kind", &UsageRecord::kind),
                    field("started", &UsageRecord::started), field("ended", &UsageRecord::ended),
                    field("how", &UsageRecord::end), maybe("grant", &UsageRecord::grant),
                    maybe("within", &UsageRecord::within));
}

// --- what was observed ---

constexpr auto fields_of(const Container*) {
  return std::tuple(field("runtime", &Container::runtime), field("id", &Container::id),
                    field("name", &Container::name));
}

constexpr auto fields_of(const Ancestor*) {
  return std::tuple(field("pid", &Ancestor::pid), field("start_ticks", &Ancestor::start_ticks));
}

constexpr auto words_of(const GpuProcess::Type*) {
  return std::to_array<std::string_view>({"compute", "graphics"});
}

constexpr auto fields_of(const GpuProcess*) {
  return std::tuple(
      field("pid", &GpuProcess::pid), field("start_ticks", &GpuProcess::start_ticks),
      field("uid", &GpuProcess::uid), field("user", &GpuProcess::user),
      field("program", &GpuProcess::program), maybe("system_program", &GpuProcess::system_program),
      field("command_line", &GpuProcess::command_line),
      field("memory_mib", &GpuProcess::memory_mib), field("type", &GpuProcess::type),
      field("reservation_id", &GpuProcess::reservation_id),
      maybe("job_mark", &GpuProcess::job_mark), field("started", &GpuProcess::started),
      field("container", &GpuProcess::container), maybe("unit", &GpuProcess::unit),
      maybe("session", &GpuProcess::session), maybe("ancestors", &GpuProcess::ancestors),
      maybe("ancestor_command_line", &GpuProcess::ancestor_command_line),
      maybe("asked_proc", &GpuProcess::asked_proc), maybe("outside", &GpuProcess::outside));
}

constexpr auto fields_of(const MigDevice*) {
  return std::tuple(field("uuid", &MigDevice::uuid), field("model", &MigDevice::model),
                    field("memory_used_mib", &MigDevice::memory_used_mib),
                    field("memory_total_mib", &MigDevice::memory_total_mib));
}

constexpr auto fields_of(const GpuReading*) {
  return std::tuple(
      field("index", &GpuReading::index), field("uuid", &GpuReading::uuid),
      field("model", &GpuReading::model), field("pci_bus_id", &GpuReading::pci_bus_id),
      field("memory_used_mib", &GpuReading::memory_used_mib),
      field("memory_total_mib", &GpuReading::memory_total_mib),
      maybe("memory_not_supported", &GpuReading::memory_not_supported),
      maybe("processes_not_supported", &GpuReading::processes_not_supported),
      field("utilization_percent", &GpuReading::utilization_percent),
      field("temperature_c", &GpuReading::temperature_c), field("power_w", &GpuReading::power_w),
      field("processes", &GpuReading::processes), field("parts", &GpuReading::mig_devices),
      field("error", &GpuReading::error), maybe("error_is_final", &GpuReading::error_is_final),
      maybe("notice", &GpuReading::notice), maybe("advice", &GpuReading::advice),
      maybe("needs_reset", &GpuReading::needs_reset), maybe("devices", &GpuReading::devices),
      field("runtime_index", &GpuReading::runtime_index), maybe("suspects", &GpuReading::suspects));
}

constexpr auto fields_of(const Observation*) {
  return std::tuple(field("taken", &Observation::taken), field("gpus", &Observation::gpus),
                    field("observer", &Observation::observer),
                    field("source", &Observation::source),
                    maybe("is_partial", &Observation::is_partial));
}

}  // namespace chg
