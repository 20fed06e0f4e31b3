// What the GPU tools see: readings of every GPU at one moment, and the rules that call it use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/policy.h"
#include "core/process_identity.h"

namespace chg {

/// The container that a process runs in.
struct Container {
  std::string runtime;  ///< "docker", "podman", "containerd", "cri-o", "lxc", "nspawn"
  std::string id;       ///< as the runtime says it: 64 hexadecimal digits, or a name
  std::string name;     ///< what people call it; "" where that can't be read

  bool operator==(const Container&) const = default;
};

/// A process above another one, up to the first.
struct Ancestor {
  int pid = 0;
  std::uint64_t start_ticks = 0;  ///< as in ProcessIdentity

  bool operator==(const Ancestor&) const = default;
};

/// A process that a GPU tool lists on a GPU, with what /proc says of it. Anything may be missing.
struct GpuProcess {
  enum class Type { Compute, Graphics };

  int pid = 0;
  std::optional<std::uint64_t> start_ticks;  ///< as in ProcessIdentity; nullopt: /proc hides it
  std::optional<std::uint32_t> uid;          ///< nullopt: /proc hides it
  std::string user;                          ///< account name, or the uid as text; "" when unknown
  std::string program;                       ///< "python3"; "" when unknown
  /// Name of the file that it runs, where that is root's: nobody else can give himself this name.
  /// "": of somebody else's file, or unknown.
  std::string system_program = {};
  std::string command_line;                 ///< arguments joined by spaces; "" when unknown
  std::optional<std::uint64_t> memory_mib;  ///< on this GPU; missing on WSL or without permission
  Type type = Type::Compute;
  /// CANHAZGPU_RESERVATION in its environment, "" when it has none; missing when that can't be
  /// read.
  std::optional<std::string> reservation_id;
  std::optional<Duration> started = {};     ///< since the boot, as Instant::boot
  std::optional<Container> container = {};  ///< missing outside of one, and where that is unknown
  std::string unit = {};                    ///< systemd's: "ollama.service"; "" when there is none
  std::string session = {};                 ///< the login session: "12"; "" when there is none
  std::vector<Ancestor> ancestors = {};     ///< its parent first; empty when unknown
  /// Of the first ancestor whose command line tells an AI model; "" where its own does, or none.
  std::string ancestor_command_line = {};
  bool asked_proc = false;                  ///< /proc was asked: what is missing, it did not tell
  std::uint64_t job_mark = 0;               ///< its limit of file locks (job_mark()); 0: none
  /// Of another system beside this one (of Windows, around WSL): its pid means nothing here. It
  /// does not count as use by itself, and its memory belongs to no listed process.
  bool outside = false;

  bool operator==(const GpuProcess&) const = default;
};

/// A MIG device: a part of a GPU. It is shown; the pool reserves only whole GPUs.
struct MigDevice {
  std::string uuid;   ///< "MIG-…"
  std::string model;  ///< "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
  std::optional<std::uint64_t> memory_used_mib;
  std::optional<std::uint64_t> memory_total_mib;

  bool operator==(const MigDevice&) const = default;
};

/// One GPU at one moment. A missing value is a value that could not be read; it never means zero.
/// What the driver does not tell by design has a fact of its own: that is no failure.
struct GpuReading {
  int index = 0;  ///< in PCI bus order, as nvidia-smi numbers them
  std::string uuid;
  std::string model;       ///< "NVIDIA H100 80GB HBM3"
  std::string pci_bus_id;  ///< "0000:3b:00.0", lower case; "" when unknown
  std::optional<std::uint64_t> memory_used_mib;
  std::optional<std::uint64_t> memory_total_mib;
  bool memory_not_supported = false;     ///< its driver does not tell the memory in use
  bool processes_not_supported = false;  ///< its driver does not list processes
  std::optional<int> utilization_percent;
  std::optional<int> temperature_c;
  std::optional<int> power_w;
  std::vector<GpuProcess> processes;   ///< of its MIG devices too
  std::vector<MigDevice> mig_devices;  ///< empty: MIG is off
  std::string error;                   ///< why this GPU can't be used or read; "" when it can
  bool error_is_final = false;         ///< no waiting mends `error`
  /// What its driver says of its health, or asks for: "its driver asks for a reset"; "" for
  /// nothing.
  std::string notice = {};
  std::string advice = {};   ///< what to do about `notice`, with commands to type
  bool needs_reset = false;  ///< nobody may be given it before what `notice` asks for
  /// Its device files: "/dev/nvidia3". Empty: those that the system knows by its PCI bus id.
  std::vector<std::string> devices = {};
  /// The number by which HIP counts it among the GPUs that the reader sees, which need not be its
  /// place on the bus. Missing where that is unknown, and for GPUs of other vendors.
  std::optional<int> runtime_index = {};
  /// Processes that have a device file of it open and are not listed. Only looked for where memory
  /// is in use that belongs to no listed process; these are the suspects.
  std::vector<GpuProcess> suspects = {};

  bool operator==(const GpuReading&) const = default;
};

struct Observation {
  Instant taken;  ///< when the reading began: what it shows is not older
  std::vector<GpuReading> gpus;
  /// The process that looked: its host and pid namespace are those in which the pids count.
  ProcessIdentity observer;
  std::string source;  ///< what it was read with: "NVML 590.48.01", "nvidia-smi", "fake"
  /// A GPU that is missing here may be there all the same: the reader may not see all (a container,
  /// another account). Not shared: each reader knows for itself.
  bool is_partial = false;
};

/// The reading of the GPU with this UUID, or nullptr. A GPU or a reading without UUID (one that the
/// driver can't reach any more) is matched by index.
const GpuReading* find_reading(const Observation& observation, const std::string& uuid, int index);

/// The processes that count as use: compute processes, without those of the system's accounts, or
/// of root's files, that `ignore_processes` names. Where those together hold more than
/// `memory_threshold_mib`, they count, too.
std::vector<GpuProcess> counted_processes(const GpuReading& reading, const Policy& policy);

/// Memory that belongs to no listed process of this host, in MiB; missing when it can't be told. A
/// GPU uses at least as much as each of its MIG devices.
std::optional<std::uint64_t> unlisted_memory_mib(const GpuReading& reading);

/// Whether these processes together hold more than the threshold; one of unknown memory does.
bool hold_more_than(const std::vector<GpuProcess>& processes, std::uint64_t threshold_mib);

/// Rule 15 of docs/semantics.md: whether the GPU is in use. A counted process whose memory is
/// unknown counts as use, and so does a GPU whose memory can't be read: unknown is never free. Of a
/// GPU whose driver does not tell memory the processes alone decide; of one whose driver lists no
/// processes, the memory alone.
bool is_in_use(const GpuReading& reading, const Policy& policy);

/// Why nobody may be given a GPU, however free it is.
struct Obstacle {
  std::string what;
  bool is_final = false;  ///< no waiting mends it
};

/// The obstacle that this reading shows, if there is one.
std::optional<Obstacle> obstacle_of(const GpuReading& reading, const Policy& policy);

/// What people should know of a GPU that works: its `notice`, and that it is busy without a
/// process, where hardly any memory is used.
std::vector<std::string> notices_of(const GpuReading& reading);

/// GPUs with one UUID can't be told apart, neither here nor by those who are given them: puts a
/// final error into the readings of them all.
void refuse_twins(Observation& observation);

}  // namespace chg
