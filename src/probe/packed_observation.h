// The fields of an observation, for packed.h. Every field of every type is here: one that is left
// out comes back empty.
#pragma once

#include <concepts>

#include "core/observation.h"

namespace chg {

template <typename Type, typename Named>
concept MaybeConst = std::same_as<std::remove_const_t<Type>, Named>;

inline bool is_known(GpuProcess::Type type) {
  return type == GpuProcess::Type::Compute || type == GpuProcess::Type::Graphics;
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<Instant> auto& instant) {
  pack(instant.wall, instant.boot, instant.boot_id);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<ProcessIdentity> auto& process) {
  pack(process.host, process.boot_id, process.pid_namespace, process.pid, process.start_ticks);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<Container> auto& container) {
  pack(container.runtime, container.id, container.name);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<Ancestor> auto& ancestor) {
  pack(ancestor.pid, ancestor.start_ticks);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<GpuProcess> auto& process) {
  pack(process.pid, process.start_ticks, process.uid, process.user, process.program,
       process.command_line, process.memory_mib, process.type, process.reservation_id,
       process.started, process.container, process.unit, process.session, process.ancestors);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<MigDevice> auto& part) {
  pack(part.uuid, part.model, part.memory_used_mib, part.memory_total_mib);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<GpuReading> auto& gpu) {
  pack(gpu.index, gpu.uuid, gpu.model, gpu.pci_bus_id, gpu.memory_used_mib, gpu.memory_total_mib,
       gpu.utilization_percent, gpu.temperature_c, gpu.power_w, gpu.processes, gpu.mig_devices,
       gpu.error, gpu.devices, gpu.suspects);
}

template <typename Pack>
void each_field(Pack& pack, MaybeConst<Observation> auto& observation) {
  pack(observation.taken, observation.gpus, observation.observer, observation.source);
}

}  // namespace chg
