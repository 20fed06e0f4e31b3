// A stand-in for NVIDIA's management library (libnvidia-ml.so.1), for hosts without GPUs: it tells
// what a file says, in the shapes in which several generations of drivers tell it.
//
// NVML_STANDIN_SCENARIO names the file. It is one of the fake provider
// (src/probe/fake_probe.h), read at nvmlInit. A GPU's "error" is answered as a code: "GPU is lost",
// "GPU requires reset", and anything else as an unknown error. On a divided GPU all processes run
// on the first of its "parts". The object "standin" beside "gpus" has what the fake provider
// doesn't know, every key optional:
//
//   init                  the code that nvmlInit returns
//   fail                  {"FUNCTION": code}; also "FUNCTION@2" for the GPU with index 2 alone, and
//                         "FUNCTION@2.0" for its first part
//   hang_in, crash_in     the function that never returns, or ends the process with SIGSEGV
//   delay_ms              how long each call takes
//   log                   a file to which the name of each function that is called is added
//   driver_version        "590.48.01"
//   gpu_count             the number of GPUs that it tells, whatever there is
//   memory_reserved_mb    what the driver reserves (500): in what is used, or in _v2 beside it
//   mps_pids              processes that are clients of MPS, and on that list instead
//   compute_and_graphics_pids    processes that are on both lists
//   part_of_pids          {"4711": 1}: the part on which a process runs
//   part_gap              so many empty places before the first part (0)
//   recovery_actions      {"2": 1}: what the driver wants done about the GPU with index 2
//   faulty_memory         the indices of GPUs whose rows are remapped at their next reset
//   process_names         {"4711": "C:\\x\\app.exe"}: what processes are called
//   count_told            the number of processes told where there is too little room for them
//
// NVML_STANDIN_LOAD=crash or =hang is what it does when it is loaded.
//
// Built as: STANDIN_FULL, a driver of today; STANDIN_R535, whose records of processes are longer;
// STANDIN_OLD, before there were MIG and versions of the lists; STANDIN_BARE, which lacks a needed
// function.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#define NVML extern "C" __attribute__((visibility("default"))) int

#define LIST(function, list, Record)                                   \
  NVML function(const Device* device, unsigned* count, Record* room) { \
    return give_list(__func__, device, list, count, room);             \
  }

namespace {

using nlohmann::json;

constexpr int kSuccess = 0;
constexpr int kUninitialized = 1;
constexpr int kInvalidArgument = 2;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
constexpr int kInsufficientSize = 7;
constexpr int kDriverNotLoaded = 9;
constexpr int kGpuIsLost = 15;
constexpr int kResetRequired = 16;
constexpr int kArgumentVersionMismatch = 25;
constexpr int kUnknown = 999;
constexpr unsigned kNoPart = 0xFFFFFFFF;
constexpr unsigned long long kNotTold = ~0ULL;
constexpr unsigned long long kMib = 1ULL << 20;

// A GPU, or with a number a part of it.
struct Device {
  unsigned index = 0;
  unsigned part = kNoPart;
};

struct Session {
  json gpus;
  json standin;
  std::vector<std::unique_ptr<Device>> devices;  // those that were handed out
};

std::unique_ptr<Session>& session() {
  static std::unique_ptr<Session> current;
  return current;
}

const json& gpu_of(const Device* device) { return session()->gpus[device->index]; }

json parts_of(const Device* device) { return gpu_of(device).value("parts", json::array()); }

// The GPU's object, or the part's.
json object_of(const Device* device) {
  return device->part == kNoPart ? gpu_of(device) : parts_of(device)[device->part];
}

Device* hand_out(unsigned index, unsigned part) {
  session()->devices.push_back(std::make_unique<Device>(Device{index, part}));
  return session()->devices.back().get();
}

bool is_handed_out(const Device* device) {
  const auto& devices = session()->devices;
  return std::any_of(devices.begin(), devices.end(),
                     [&](const auto& known) { return known.get() == device; });
}

// Does what the scenario wants to happen in every function, or in this one.
int happen(const std::string& function, const json& standin) {
  if (standin.contains("log")) {
    std::ofstream(standin["log"].get<std::string>(), std::ios::app) << function + "\n";
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(standin.value("delay_ms", 0)));
  if (standin.value("crash_in", "") == function) std::raise(SIGSEGV);
  while (standin.value("hang_in", "") == function) ::pause();
  return standin.value("fail", json::object()).value(function, kSuccess);
}

// What every function begins with: the code that it has to return at once, if not kSuccess.
int enter(const std::string& function) {
  if (!session()) return kUninitialized;
  return happen(function, session()->standin);
}

int code_of_gpu(const std::string& function, const Device* device) {
  std::string of_gpu = function + "@" + std::to_string(device->index);
  if (device->part != kNoPart) of_gpu += "." + std::to_string(device->part);
  return session()->standin.value("fail", json::object()).value(of_gpu, kSuccess);
}

int enter(const std::string& function, const Device* device) {
  if (const int code = enter(function)) return code;
  if (!is_handed_out(device)) return kInvalidArgument;
  return code_of_gpu(function, device);
}

// The same for what the GPU itself is asked: one that doesn't work answers nothing.
int enter_working(const std::string& function, const Device* device) {
  if (const int code = enter(function, device)) return code;
  const std::string error = gpu_of(device).value("error", "");
  if (error == "GPU is lost") return kGpuIsLost;
  if (error == "GPU requires reset") return kResetRequired;
  return error.empty() ? kSuccess : kUnknown;
}

int give(const std::string& text, char* room, unsigned size) {
  if (room == nullptr) return kInvalidArgument;
  if (text.size() >= size) return kInsufficientSize;
  std::memcpy(room, text.c_str(), text.size() + 1);
  return kSuccess;
}

int give_number(const Device* device, const char* key, unsigned factor, unsigned* number) {
  const json& gpu = gpu_of(device);
  if (!gpu.contains(key) || gpu[key].is_null()) return kNotSupported;
  *number = gpu[key].get<unsigned>() * factor;
  return kSuccess;
}

[[maybe_unused]] std::string default_uuid(const Device* device) {
  std::array<char, 64> uuid{};
  const bool is_part = device->part != kNoPart;
  std::snprintf(uuid.data(), uuid.size(), "%s-00000000-0000-0000-%04u-%012u",
                is_part ? "MIG" : "GPU", is_part ? device->part : 0, device->index);
  return uuid.data();
}

bool contains(const json& list, const json& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// A process of the scenario that names neither is a real one, and there while it runs.
bool is_there(const json& process) {
  if (process.contains("user") || process.contains("program")) return true;
  std::ifstream file("/proc/" + std::to_string(process["pid"].get<int>()) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos &&
         std::string("ZXx").find(stat[name_end + 2]) == std::string::npos;
}

unsigned part_of(const Device* device, const json& process) {
  if (parts_of(device).empty()) return kNoPart;
  const json parts = session()->standin.value("part_of_pids", json::object());
  return parts.value(std::to_string(process["pid"].get<int>()), 0U);
}

std::vector<json> processes_on(const Device* device) {
  std::vector<json> found;
  for (const json& process : gpu_of(device).value("processes", json::array())) {
    const bool is_here = device->part == kNoPart || part_of(device, process) == device->part;
    if (is_here && is_there(process)) found.push_back(process);
  }
  return found;
}

// What is used besides the listed processes, and by them; missing in the scenario: kNotTold.
unsigned long long used_bytes(const Device* device) {
  const json object = object_of(device);
  const json used = object.value("memory_used_mb", json(device->part == kNoPart ? 45 : 9));
  if (used.is_null()) return kNotTold;
  auto mib = used.get<unsigned long long>();
  if (device->part != kNoPart) return mib * kMib;
  for (const json& process : processes_on(device)) {
    const json memory = process.value("memory_mb", json());
    if (!memory.is_null()) mib += memory.get<unsigned long long>();
  }
  return mib * kMib;
}

unsigned long long total_bytes(const Device* device) {
  const json total =
      object_of(device).value("memory_total_mb", json(device->part == kNoPart ? 81920 : 9984));
  return total.is_null() ? kNotTold : total.get<unsigned long long>() * kMib;
}

unsigned long long reserved_bytes() {
  return session()->standin.value("memory_reserved_mb", 500ULL) * kMib;
}

enum class List { Compute, Graphics, Mps };

bool is_on(List list, const json& process) {
  const json& standin = session()->standin;
  const json pid = process["pid"];
  const bool is_mps = contains(standin.value("mps_pids", json::array()), pid);
  if (contains(standin.value("compute_and_graphics_pids", json::array()), pid)) {
    return list != List::Mps;
  }
  if (process.value("type", "compute") == "graphics") return list == List::Graphics;
  return list == (is_mps ? List::Mps : List::Compute);
}

// The records of processes: each version has the fields of the one before it, and more.
struct RecordV1 {
  unsigned pid;
  unsigned long long memory;
};
struct RecordV2 {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance;
  unsigned compute_instance;
};
struct RecordLong {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance;
  unsigned compute_instance;
  unsigned long long protected_memory;
};

template <typename Record>
Record record_of(const Device* device, const json& process) {
  Record record{};
  record.pid = process["pid"].get<unsigned>();
  const json memory = process.value("memory_mb", json());
  record.memory = memory.is_null() ? kNotTold : memory.get<unsigned long long>() * kMib;
  if constexpr (sizeof(Record) > sizeof(RecordV1)) {
    record.gpu_instance = part_of(device, process);
    record.compute_instance = parts_of(device).empty() ? kNoPart : 0;
  }
  return record;
}

template <typename Record>
int give_list(const char* function, const Device* device, List list, unsigned* count,
              Record* records) {
  if (const int code = enter_working(function, device)) return code;
  if (list == List::Graphics && !parts_of(device).empty()) return kNotSupported;
  std::vector<Record> found;
  for (const json& process : processes_on(device)) {
    if (is_on(list, process)) found.push_back(record_of<Record>(device, process));
  }
  const unsigned capacity = *count;
  *count = static_cast<unsigned>(found.size());
  if (found.size() > capacity) {
    *count = session()->standin.value("count_told", *count);
    return kInsufficientSize;
  }
  std::copy(found.begin(), found.end(), records);
  return kSuccess;
}

int begin_session(const char* function) {
  const char* const file = std::getenv("NVML_STANDIN_SCENARIO");
  if (file == nullptr) return kDriverNotLoaded;
  try {
    std::ifstream stream(file);
    const json scenario = json::parse(stream);
    const json standin = scenario.value("standin", json::object());
    if (const int code = happen(function, standin)) return code;
    if (const int code = standin.value("init", kSuccess)) return code;
    std::this_thread::sleep_for(std::chrono::milliseconds(scenario.value("delay_ms", 0)));
    if (!scenario.value("error", "").empty()) return kUnknown;
    session() = std::make_unique<Session>(Session{scenario.at("gpus"), standin, {}});
  } catch (const std::exception&) {
    return kInvalidArgument;
  }
  return kSuccess;
}

[[maybe_unused]] const bool is_loaded = [] {
  const char* const wanted = std::getenv("NVML_STANDIN_LOAD");
  const std::string what = wanted != nullptr ? wanted : "";
  if (what == "crash") std::raise(SIGSEGV);
  while (what == "hang") ::pause();
  return true;
}();

}  // namespace

NVML nvmlInit_v2() { return begin_session(__func__); }

NVML nvmlInit() { return begin_session(__func__); }

NVML nvmlShutdown() {
  if (const int code = enter(__func__)) return code;
  session().reset();
  return kSuccess;
}

NVML nvmlSystemGetDriverVersion(char* text, unsigned size) {
  if (const int code = enter(__func__)) return code;
  return give(session()->standin.value("driver_version", "590.48.01"), text, size);
}

NVML nvmlDeviceGetCount_v2(unsigned* count) {
  if (const int code = enter(__func__)) return code;
  *count = session()->standin.value("gpu_count", static_cast<unsigned>(session()->gpus.size()));
  return kSuccess;
}

NVML nvmlDeviceGetHandleByIndex_v2(unsigned index, Device** device) {
  if (const int code = enter(__func__)) return code;
  if (index >= session()->gpus.size()) return kInvalidArgument;
  *device = hand_out(index, kNoPart);
  return code_of_gpu(__func__, *device);
}

#ifndef STANDIN_BARE
NVML nvmlDeviceGetUUID(const Device* device, char* text, unsigned size) {
  if (const int code = enter(__func__, device)) return code;
  return give(object_of(device).value("uuid", default_uuid(device)), text, size);
}
#endif

NVML nvmlDeviceGetName(const Device* device, char* text, unsigned size) {
  if (const int code = enter(__func__, device)) return code;
  const std::string model = gpu_of(device).value("model", "Simulated H100 80GB");
  const std::string default_model = device->part == kNoPart ? model : model + " MIG 1g.10gb";
  return give(object_of(device).value("model", default_model), text, size);
}

// nvmlPciInfo_t; the versions before _v3 end with four reserved numbers in place of `bus_id`.
struct PciInfo {
  char legacy_bus_id[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  char bus_id[32];
};

int give_pci_info(const char* function, const Device* device, PciInfo* info, bool with_bus_id) {
  if (const int code = enter(function, device)) return code;
  const std::string address = gpu_of(device).value("pci_bus_id", "");
  PciInfo told{};
  const int found =
      std::sscanf(address.c_str(), "%x:%x:%x.", &told.domain, &told.bus, &told.device);
  if (found != 3) return kNotSupported;
  std::snprintf(told.legacy_bus_id, sizeof told.legacy_bus_id, "%04X:%02X:%02X.0",
                told.domain & 0xFFFF, told.bus & 0xFF, told.device & 0xFF);
  std::snprintf(told.bus_id, sizeof told.bus_id, "%08X:%02X:%02X.0", told.domain, told.bus & 0xFF,
                told.device & 0xFF);
  std::memcpy(info, &told, with_bus_id ? sizeof told : sizeof told - sizeof told.bus_id);
  return kSuccess;
}

NVML nvmlDeviceGetPciInfo_v2(const Device* device, PciInfo* info) {
  return give_pci_info(__func__, device, info, false);
}

struct MemoryV1 {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

NVML nvmlDeviceGetMemoryInfo(const Device* device, MemoryV1* memory) {
  if (const int code = enter_working(__func__, device)) return code;
  const unsigned long long total = total_bytes(device);
  const unsigned long long used = used_bytes(device);
  if (total == kNotTold || used == kNotTold) return kNotSupported;
  const unsigned long long all_used = used + reserved_bytes();
  *memory = {total, total - std::min(total, all_used), all_used};
  return kSuccess;
}

struct Utilization {
  unsigned gpu;
  unsigned memory;
};

NVML nvmlDeviceGetUtilizationRates(const Device* device, Utilization* utilization) {
  if (const int code = enter_working(__func__, device)) return code;
  const json percent = gpu_of(device).value("utilization_percent", json(0));
  if (percent.is_null() || device->part != kNoPart) return kNotSupported;
  *utilization = {percent.get<unsigned>(), 0};
  return kSuccess;
}

NVML nvmlDeviceGetTemperature(const Device* device, unsigned sensor, unsigned* celsius) {
  if (const int code = enter_working(__func__, device)) return code;
  if (sensor != 0) return kInvalidArgument;
  return give_number(device, "temperature_c", 1, celsius);
}

NVML nvmlDeviceGetPowerUsage(const Device* device, unsigned* milliwatts) {
  if (const int code = enter_working(__func__, device)) return code;
  return give_number(device, "power_w", 1000, milliwatts);
}

LIST(nvmlDeviceGetComputeRunningProcesses, List::Compute, RecordV1)
LIST(nvmlDeviceGetGraphicsRunningProcesses, List::Graphics, RecordV1)

#if defined(STANDIN_FULL) || defined(STANDIN_R535)

#ifdef STANDIN_R535
using RecordV3 = RecordLong;
#else
using RecordV3 = RecordV2;
NVML nvmlDeviceGetRunningProcessDetailList(const Device* device, void*) {
  const int code = enter(__func__, device);
  return code != kSuccess ? code : kNotSupported;
}
#endif

NVML nvmlDeviceGetConfComputeMemSizeInfo(const Device* device, void*) {
  const int code = enter(__func__, device);
  return code != kSuccess ? code : kNotSupported;
}

NVML nvmlDeviceGetPciInfo_v3(const Device* device, PciInfo* info) {
  return give_pci_info(__func__, device, info, true);
}

struct MemoryV2 {
  unsigned version;
  unsigned long long total;
  unsigned long long reserved;
  unsigned long long free;
  unsigned long long used;
};

NVML nvmlDeviceGetMemoryInfo_v2(const Device* device, MemoryV2* memory) {
  if (const int code = enter_working(__func__, device)) return code;
  if (memory->version != (sizeof(MemoryV2) | 2U << 24)) return kArgumentVersionMismatch;
  const unsigned long long total = total_bytes(device);
  const unsigned long long used = used_bytes(device);
  if (total == kNotTold || used == kNotTold) return kNotSupported;
  const unsigned long long taken = used + reserved_bytes();
  *memory = {memory->version, total, reserved_bytes(), total - std::min(total, taken), used};
  return kSuccess;
}

LIST(nvmlDeviceGetComputeRunningProcesses_v2, List::Compute, RecordV2)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, List::Compute, RecordV3)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, List::Graphics, RecordV2)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, List::Graphics, RecordV3)
LIST(nvmlDeviceGetMPSComputeRunningProcesses, List::Mps, RecordV1)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, List::Mps, RecordV2)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, List::Mps, RecordV3)

NVML nvmlSystemGetProcessName(unsigned pid, char* name, unsigned size) {
  if (const int code = enter(__func__)) return code;
  const json names = session()->standin.value("process_names", json::object());
  if (!names.contains(std::to_string(pid))) return kNotFound;
  return give(names[std::to_string(pid)].get<std::string>(), name, size);
}

struct FieldValue {
  unsigned field;
  unsigned scope;
  long long timestamp;
  long long latency;
  int type;
  int code;
  unsigned long long value;
};

NVML nvmlDeviceGetFieldValues(const Device* device, int count, FieldValue* fields) {
  if (const int code = enter(__func__, device)) return code;
  const json actions = session()->standin.value("recovery_actions", json::object());
  for (int i = 0; i < count; ++i) {
    fields[i].code = fields[i].field == 230 ? kSuccess : kNotSupported;
    fields[i].value = actions.value(std::to_string(device->index), 0U);
  }
  return kSuccess;
}

NVML nvmlDeviceGetRemappedRows(const Device* device, unsigned* corrected, unsigned* uncorrected,
                               unsigned* pending, unsigned* failed) {
  if (const int code = enter(__func__, device)) return code;
  *corrected = *uncorrected = *failed = 0;
  *pending = contains(session()->standin.value("faulty_memory", json::array()), device->index);
  return kSuccess;
}

NVML nvmlDeviceGetMigMode(const Device* device, unsigned* current, unsigned* pending) {
  if (const int code = enter_working(__func__, device)) return code;
  *current = *pending = parts_of(device).empty() ? 0 : 1;
  return kSuccess;
}

NVML nvmlDeviceGetMaxMigDeviceCount(const Device* device, unsigned* count) {
  if (const int code = enter_working(__func__, device)) return code;
  *count = 7;
  return kSuccess;
}

NVML nvmlDeviceGetMigDeviceHandleByIndex(const Device* device, unsigned place, Device** part) {
  if (const int code = enter_working(__func__, device)) return code;
  const unsigned gap = session()->standin.value("part_gap", 0U);
  if (place < gap || place - gap >= parts_of(device).size()) return kNotFound;
  *part = hand_out(device->index, place - gap);
  return kSuccess;
}

#endif
