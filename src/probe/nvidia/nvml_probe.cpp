#include "probe/nvidia/nvml_probe.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "probe/nvidia/nvidia_health.h"
#include "probe/nvidia/nvml_library.h"
#include "probe/nvidia/nvml_processes.h"

namespace chg {
namespace {

using namespace nvml_code;

constexpr unsigned kDevicesMax = 1024;
constexpr unsigned kPlacesMax = 64;  // a GPU of today has 7 at most

// One session, closed at the end of its life.
class Session {
 public:
  explicit Session(NvmlLibrary& library) : library_(library), failure_(library.initialize()) {}
  ~Session() {
    if (!failure_) library_.shutdown();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::optional<ReadFailure>& failure() const { return failure_; }

 private:
  NvmlLibrary& library_;
  std::optional<ReadFailure> failure_;
};

// NVML or this GPU doesn't have it: that says nothing of the GPU's health.
bool is_not_offered(int code) { return code == kNotSupported || code == kFunctionNotFound; }

bool may_hold(const NvmlAnswer<NvmlMemory>& memory) {
  return !memory.is_given() || memory.value.used_bytes > 0;
}

std::optional<int> small_number(const std::optional<unsigned>& value, unsigned max) {
  if (!value || *value > max) return std::nullopt;
  return static_cast<int>(*value);
}

// What NVML says of a GPU without a value that is needed to tell it from a free one is an error;
// of other values it may say what it likes.
enum class Need { No, Yes };

class GpuReader {
 public:
  GpuReader(const NvmlLibrary& library, unsigned index, bool in_wsl)
      : library_(library), in_wsl_(in_wsl) {
    reading_.index = static_cast<int>(index);
  }

  GpuReading read();

 private:
  // The value, if there is one. A GPU that is lost or must be reset may say so in any answer.
  template <typename Value>
  std::optional<Value> take(const NvmlAnswer<Value>& answer, Need need = Need::No) {
    if (answer.is_given()) return answer.value;
    const bool is_broken = answer.code == kGpuIsLost || answer.code == kResetRequired;
    if (is_broken || (need == Need::Yes && !is_not_offered(answer.code))) {
      add_error(nvml_gpu_error(answer.code));
    }
    return std::nullopt;
  }
  void add_error(const std::string& error) {
    if (reading_.error.empty()) reading_.error = error;
  }

  // Fills in `used` and `total`, of a GPU or a MIG device, and gives the answer.
  NvmlAnswer<NvmlMemory> read_memory(NvmlDevice device, std::optional<std::uint64_t>& used,
                                     std::optional<std::uint64_t>& total);
  void read_measures(NvmlDevice device);
  std::vector<NvmlDevice> mig_devices_of(NvmlDevice device);
  void read_health(NvmlDevice device);
  NvmlAnswer<std::vector<GpuProcess>> processes_of(NvmlDevice device);
  void find_windows_processes();
  void read_processes(NvmlDevice device, const std::vector<NvmlDevice>& mig_devices);

  const NvmlLibrary& library_;
  bool in_wsl_;
  GpuReading reading_;
};

GpuReading GpuReader::read() {
  const auto device =
      take(library_.device(static_cast<unsigned>(reading_.index)), Need::Yes).value_or(nullptr);
  if (device == nullptr) {
    add_error("NVML cannot reach it");
    return reading_;
  }
  reading_.uuid = take(library_.uuid(device), Need::Yes).value_or("");
  if (reading_.uuid.empty()) add_error("NVML does not tell its UUID");
  reading_.model = take(library_.model(device)).value_or("");
  reading_.pci_bus_id = take(library_.pci_bus_id(device)).value_or("");
  const auto memory = read_memory(device, reading_.memory_used_mib, reading_.memory_total_mib);
  reading_.memory_not_supported = is_not_offered(memory.code);
  bool may_be_held = may_hold(memory);
  read_measures(device);
  read_health(device);
  const std::vector<NvmlDevice> mig_devices = mig_devices_of(device);
  for (NvmlDevice mig_device : mig_devices) {
    MigDevice& shown = reading_.mig_devices.emplace_back();
    shown.uuid = take(library_.uuid(mig_device)).value_or("");
    shown.model = take(library_.model(mig_device)).value_or("");
    if (may_hold(read_memory(mig_device, shown.memory_used_mib, shown.memory_total_mib))) {
      may_be_held = true;
    }
  }
  if (may_be_held) read_processes(device, mig_devices);
  return reading_;
}

NvmlAnswer<NvmlMemory> GpuReader::read_memory(NvmlDevice device, std::optional<std::uint64_t>& used,
                                              std::optional<std::uint64_t>& total) {
  NvmlAnswer<NvmlMemory> answer = library_.memory(device);
  if (const std::optional<NvmlMemory> memory = take(answer, Need::Yes)) {
    used = mib_to_nearest(memory->used_bytes);
    total = mib_to_nearest(memory->total_bytes);
  }
  return answer;
}

void GpuReader::read_health(NvmlDevice device) {
  note_recovery(reading_, take(library_.recovery_action(device)).value_or(0));
  if (library_.has_faulty_memory(device)) note_faulty_memory(reading_);
}

void GpuReader::read_measures(NvmlDevice device) {
  constexpr unsigned kPercentMax = 100;
  constexpr unsigned kMilliwattsInWatt = 1000;
  constexpr unsigned kMax = std::numeric_limits<int>::max();
  reading_.utilization_percent =
      small_number(take(library_.utilization_percent(device)), kPercentMax);
  reading_.temperature_c = small_number(take(library_.temperature_c(device)), kMax);
  if (const auto milliwatts = small_number(take(library_.power_milliwatts(device)), kMax)) {
    reading_.power_w = static_cast<int>(
        (static_cast<unsigned>(*milliwatts) + kMilliwattsInWatt / 2) / kMilliwattsInWatt);
  }
}

std::vector<NvmlDevice> GpuReader::mig_devices_of(NvmlDevice device) {
  std::vector<NvmlDevice> mig_devices;
  if (!take(library_.is_mig_enabled(device), Need::Yes).value_or(false)) return mig_devices;
  const unsigned places = take(library_.mig_device_count_max(device), Need::Yes).value_or(0);
  for (unsigned place = 0; place < std::min(places, kPlacesMax); ++place) {
    const NvmlAnswer<NvmlDevice> mig_device = library_.mig_device(device, place);
    if (mig_device.code == kNotFound || mig_device.code == kInvalidArgument) continue;
    if (const auto found = take(mig_device, Need::Yes)) mig_devices.push_back(*found);
  }
  return mig_devices;
}

// A code that is no success when they cannot be told.
NvmlAnswer<std::vector<GpuProcess>> GpuReader::processes_of(NvmlDevice device) {
  std::vector<NvmlListed> lists;
  for (const NvmlList list : {NvmlList::Compute, NvmlList::Graphics, NvmlList::Mps}) {
    const auto answer = library_.processes(device, list);
    if (list != NvmlList::Compute && is_not_offered(answer.code)) continue;
    std::optional<std::vector<NvmlProcess>> processes = take(answer);
    if (!processes) return {answer.code, {}};
    lists.push_back({list, std::move(*processes)});
  }
  if (has_unknown_process(lists)) return {kUnknown, {}};
  return {kSuccess, merge_lists(lists)};
}

void GpuReader::find_windows_processes() {
  for (GpuProcess& process : reading_.processes) {
    if (!process.memory_mib) note_windows(process, library_.process_name(process.pid).value);
  }
}

void GpuReader::read_processes(NvmlDevice device, const std::vector<NvmlDevice>& mig_devices) {
  const auto of_device = processes_of(device);
  std::vector<std::vector<GpuProcess>> of_mig_devices;
  bool is_told = of_device.is_given() || !mig_devices.empty();
  for (NvmlDevice mig_device : mig_devices) {
    of_mig_devices.push_back({});
    if (auto of_mig_device = processes_of(mig_device); of_mig_device.is_given()) {
      of_mig_devices.back() = std::move(of_mig_device.value);
    } else {
      is_told = false;
    }
  }
  reading_.processes_not_supported = mig_devices.empty() && is_not_offered(of_device.code);
  if (!is_told && !reading_.processes_not_supported) add_error("NVML does not tell its processes");
  reading_.processes = merge_mig_devices(of_mig_devices, of_device.value);
  if (in_wsl_) find_windows_processes();
}

ReadFailure not_a_number_of_gpus(unsigned count) {
  const std::string found = count == 0 ? "no GPU" : fmt::format("'{}' GPUs", count);
  return {ReadFailure::Reason::Other,
          Error(ErrorKind::Failed, "NVML finds " + found, nvidia_hints::kFindGpus)};
}

}  // namespace

ReadResult read_nvml(const Clock& clock, const std::string& name, bool in_wsl) {
  Observation observation;
  observation.taken = clock.now();
  auto opened = NvmlLibrary::open(name);
  if (const auto* failure = std::get_if<ReadFailure>(&opened)) return *failure;
  auto& library = std::get<NvmlLibrary>(opened);
  const Session session(library);
  if (const auto& failure = session.failure()) return *failure;
  const NvmlAnswer<std::string> version = library.driver_version();
  observation.source = version.is_given() ? "NVML " + version.value : "NVML";
  const NvmlAnswer<unsigned> count = library.device_count();
  if (!count.is_given()) return nvml_failure(count.code);
  if (count.value == 0 || count.value > kDevicesMax) return not_a_number_of_gpus(count.value);
  for (unsigned index = 0; index < count.value; ++index) {
    // Not for this reader to see, and no error of the GPU.
    if (library.device(index).code == kNoPermission) continue;
    observation.gpus.push_back(GpuReader(library, index, in_wsl).read());
  }
  if (observation.gpus.empty()) return nvml_failure(kNoPermission);
  return observation;
}

}  // namespace chg
