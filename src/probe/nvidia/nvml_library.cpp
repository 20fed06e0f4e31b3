#include "probe/nvidia/nvml_library.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

using namespace nvml_code;

// The longest texts are names and UUIDs, of 96 bytes (NVML_DEVICE_UUID_V2_BUFFER_SIZE).
constexpr unsigned kTextBytes = 96;
using Text = std::array<char, kTextBytes + 1>;

// nvmlMemory_t, and nvmlMemory_v2_t, which must be given its size and version.
struct MemoryV1 {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct MemoryV2 {
  unsigned version;
  unsigned long long total;
  unsigned long long reserved;
  unsigned long long free;
  unsigned long long used;
};
constexpr unsigned kMemoryV2Version = sizeof(MemoryV2) | 2U << 24;
static_assert(sizeof(MemoryV1) == 24 && sizeof(MemoryV2) == 40);

// nvmlUtilization_t.
struct Utilization {
  unsigned gpu;
  unsigned memory;
};

// nvmlPciInfo_t of every version begins like this; `rest` is more than any of them has.
struct PciInfo {
  char legacy_bus_id[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  char rest[100];
};

// nvmlProcessInfo_t of every version begins like this. Its versions differ in their size:
struct ProcessRecord {
  unsigned pid;
  unsigned long long memory_bytes;
};
static_assert(sizeof(ProcessRecord) == 16);
constexpr std::size_t kRecordBytes = 16;         // _v1, of the functions without suffix
constexpr std::size_t kRecordBytesWithMig = 24;  // _v2: two numbers of MIG devices more
constexpr std::size_t kRecordBytesLong = 32;     // and protected memory, see record_bytes
constexpr std::size_t kListedMax = 1U << 20;
constexpr int kListAttemptsMax = 8;

// nvmlFieldValue_t; the value is a union of numbers of up to 8 bytes.
struct FieldValue {
  unsigned field;
  unsigned scope;
  long long timestamp;
  long long latency;
  int type;
  int code;
  union {
    unsigned number;
    unsigned long long longest;
  } value;
};
static_assert(sizeof(FieldValue) == 40);
constexpr unsigned kRecoveryAction = 230;  // NVML_FI_DEV_GET_GPU_RECOVERY_ACTION

constexpr unsigned kTemperatureOfGpu = 0;  // NVML_TEMPERATURE_GPU
constexpr unsigned kMigEnabled = 1;        // NVML_DEVICE_MIG_ENABLE

using NoArguments = int();
using GetText = int(NvmlDevice, char*, unsigned);
using GetProcesses = int(NvmlDevice, unsigned*, void*);

std::string text_in(const Text& text) { return {text.data(), ::strnlen(text.data(), kTextBytes)}; }

// Without one of each of these a GPU cannot be told from a free one.
constexpr std::initializer_list<const char*> kNeeded[] = {
    {"nvmlInit_v2", "nvmlInit"},
    {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"},
    {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"},
    {"nvmlDeviceGetUUID"},
    {"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo"},
    {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
     "nvmlDeviceGetComputeRunningProcesses"}};

// In the order of NvmlList; each has versions with a suffix.
constexpr const char* kListFunctions[] = {"nvmlDeviceGetComputeRunningProcesses",
                                          "nvmlDeviceGetGraphicsRunningProcesses",
                                          "nvmlDeviceGetMPSComputeRunningProcesses"};

ReadFailure not_loaded(const std::string& name, const std::string& problem) {
  const bool is_missing = problem.starts_with(name + ":") &&
                          problem.find("No such file or directory") != std::string::npos;
  if (is_missing) {
    return {ReadFailure::Reason::LibraryMissing,
            Error(ErrorKind::Failed,
                  fmt::format("the NVIDIA driver's library '{}' was not found", printable(name)),
                  nvidia_hints::kInstallLibrary)};
  }
  return {ReadFailure::Reason::LibraryUnusable,
          Error(ErrorKind::Failed,
                fmt::format("cannot load the NVIDIA driver's library: '{}'", printable(problem)),
                nvidia_hints::kInstallLibrary)};
}

}  // namespace

void NvmlLibrary::Closer::operator()(void* handle) const { ::dlclose(handle); }

std::variant<NvmlLibrary, ReadFailure> NvmlLibrary::open(const std::string& name) {
  // Lazily: a function that is never called must not keep the library from being loaded.
  void* const handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const problem = ::dlerror();
    return not_loaded(name, problem != nullptr ? problem : "");
  }
  NvmlLibrary library(handle);
  for (const auto& functions : kNeeded) {
    const bool is_there = std::any_of(functions.begin(), functions.end(),
                                      [&](const char* function) { return library.has(function); });
    if (is_there) continue;
    return ReadFailure{ReadFailure::Reason::LibraryUnusable,
                       Error(ErrorKind::Failed,
                             fmt::format("the NVIDIA driver's library '{}' lacks '{}'",
                                         printable(name), *functions.begin()),
                             nvidia_hints::kUpdateDriver)};
  }
  return library;
}

bool NvmlLibrary::has(const std::string& function) const {
  return ::dlsym(handle_.get(), function.c_str()) != nullptr;
}

template <typename Function, typename... Arguments>
int NvmlLibrary::call(const std::string& function, Arguments... arguments) const {
  void* const symbol = ::dlsym(handle_.get(), function.c_str());
  if (symbol == nullptr) return kFunctionNotFound;
  return reinterpret_cast<Function*>(symbol)(arguments...);
}

template <typename Function, typename... Arguments>
int NvmlLibrary::call_first(std::initializer_list<const char*> functions,
                            Arguments... arguments) const {
  int code = kFunctionNotFound;
  for (const char* function : functions) {
    code = call<Function>(function, arguments...);
    if (code != kFunctionNotFound) break;
  }
  return code;
}

template <typename Value, typename... Arguments>
NvmlAnswer<Value> NvmlLibrary::ask(std::initializer_list<const char*> functions,
                                   Arguments... arguments) const {
  NvmlAnswer<Value> answer;
  answer.code = call_first<int(Arguments..., Value*)>(functions, arguments..., &answer.value);
  return answer;
}

std::optional<ReadFailure> NvmlLibrary::initialize() {
  const int code = call_first<NoArguments>({"nvmlInit_v2", "nvmlInit"});
  if (code == kSuccess) return std::nullopt;
  return nvml_failure(code);
}

void NvmlLibrary::shutdown() { call<NoArguments>("nvmlShutdown"); }

NvmlAnswer<std::string> NvmlLibrary::driver_version() const {
  Text text{};
  const int code =
      call<int(char*, unsigned)>("nvmlSystemGetDriverVersion", text.data(), kTextBytes);
  return {code, text_in(text)};
}

NvmlAnswer<unsigned> NvmlLibrary::device_count() const {
  return ask<unsigned>({"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"});
}

NvmlAnswer<NvmlDevice> NvmlLibrary::device(unsigned index) const {
  return ask<NvmlDevice>({"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}, index);
}

NvmlAnswer<std::string> NvmlLibrary::text(const char* function, NvmlDevice device) const {
  Text text{};
  const int code = call<GetText>(function, device, text.data(), kTextBytes);
  return {code, text_in(text)};
}

NvmlAnswer<std::string> NvmlLibrary::uuid(NvmlDevice device) const {
  return text("nvmlDeviceGetUUID", device);
}

NvmlAnswer<std::string> NvmlLibrary::model(NvmlDevice device) const {
  return text("nvmlDeviceGetName", device);
}

NvmlAnswer<std::string> NvmlLibrary::pci_bus_id(NvmlDevice device) const {
  const auto [code, info] = ask<PciInfo>(
      {"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"}, device);
  // A GPU is always function 0 of its device.
  return {code, fmt::format("{:04x}:{:02x}:{:02x}.0", info.domain, info.bus, info.device)};
}

NvmlAnswer<NvmlMemory> NvmlLibrary::memory(NvmlDevice device) const {
  MemoryV2 memory{};
  memory.version = kMemoryV2Version;
  const int code = call<int(NvmlDevice, MemoryV2*)>("nvmlDeviceGetMemoryInfo_v2", device, &memory);
  if (code == kSuccess) return {code, {memory.total, memory.used}};
  if (code != kFunctionNotFound && code != kNotSupported && code != kArgumentVersionMismatch) {
    return {code, {}};
  }
  const auto older = ask<MemoryV1>({"nvmlDeviceGetMemoryInfo"}, device);
  return {older.code, {older.value.total, older.value.used}};
}

NvmlAnswer<unsigned> NvmlLibrary::utilization_percent(NvmlDevice device) const {
  const auto answer = ask<Utilization>({"nvmlDeviceGetUtilizationRates"}, device);
  return {answer.code, answer.value.gpu};
}

NvmlAnswer<unsigned> NvmlLibrary::temperature_c(NvmlDevice device) const {
  return ask<unsigned>({"nvmlDeviceGetTemperature"}, device, kTemperatureOfGpu);
}

NvmlAnswer<unsigned> NvmlLibrary::power_milliwatts(NvmlDevice device) const {
  return ask<unsigned>({"nvmlDeviceGetPowerUsage"}, device);
}

NvmlAnswer<std::string> NvmlLibrary::process_name(int pid) const {
  std::array<char, 1024> name{};
  const int code =
      call<int(unsigned, char*, unsigned)>("nvmlSystemGetProcessName", static_cast<unsigned>(pid),
                                           name.data(), static_cast<unsigned>(name.size() - 1));
  return {code, name.data()};
}

NvmlAnswer<unsigned> NvmlLibrary::recovery_action(NvmlDevice device) const {
  FieldValue field{};
  field.field = kRecoveryAction;
  field.code = kNotSupported;
  const int code =
      call<int(NvmlDevice, int, FieldValue*)>("nvmlDeviceGetFieldValues", device, 1, &field);
  return {code == kSuccess ? field.code : code, field.value.number};
}

bool NvmlLibrary::has_faulty_memory(NvmlDevice device) const {
  std::array<unsigned, 4> rows{};  // corrected, uncorrected, pending, failed
  const int code = call<int(NvmlDevice, unsigned*, unsigned*, unsigned*, unsigned*)>(
      "nvmlDeviceGetRemappedRows", device, &rows[0], &rows[1], &rows[2], &rows[3]);
  if (code == kSuccess) return rows[2] != 0;
  // Cards before those that remap rows retire pages.
  return ask<unsigned>({"nvmlDeviceGetRetiredPagesPendingStatus"}, device).optional() == 1U;
}

NvmlAnswer<bool> NvmlLibrary::is_mig_enabled(NvmlDevice device) const {
  unsigned current = 0;
  unsigned pending = 0;
  const int code = call<int(NvmlDevice, unsigned*, unsigned*)>("nvmlDeviceGetMigMode", device,
                                                               &current, &pending);
  return {code, current == kMigEnabled};
}

NvmlAnswer<unsigned> NvmlLibrary::mig_device_count_max(NvmlDevice device) const {
  return ask<unsigned>({"nvmlDeviceGetMaxMigDeviceCount"}, device);
}

NvmlAnswer<NvmlDevice> NvmlLibrary::mig_device(NvmlDevice device, unsigned place) const {
  return ask<NvmlDevice>({"nvmlDeviceGetMigDeviceHandleByIndex"}, device, place);
}

NvmlAnswer<std::vector<NvmlProcess>> NvmlLibrary::processes(NvmlDevice device,
                                                            NvmlList list_asked) const {
  const std::string name = kListFunctions[static_cast<std::size_t>(list_asked)];
  // The first drivers of R535 have longer records in _v3; those before and after them don't. They
  // are known by their functions, as nvitop (its api/libnvml.py) does it.
  const bool is_long =
      has("nvmlDeviceGetConfComputeMemSizeInfo") && !has("nvmlDeviceGetRunningProcessDetailList");
  const std::pair<const char*, std::size_t> versions[] = {
      {"_v3", is_long ? kRecordBytesLong : kRecordBytesWithMig},
      {"_v2", kRecordBytesWithMig},
      {"", kRecordBytes}};
  NvmlAnswer<std::vector<NvmlProcess>> answer;
  for (const auto& [suffix, record_bytes] : versions) {
    answer = list(name + suffix, device, record_bytes);
    if (answer.code != kFunctionNotFound) break;
  }
  return answer;
}

NvmlAnswer<std::vector<NvmlProcess>> NvmlLibrary::list(const std::string& function,
                                                       NvmlDevice device,
                                                       std::size_t record_bytes) const {
  // Room for the longest records, whatever `record_bytes` is taken to be.
  std::vector<unsigned long long> room;
  std::size_t capacity = 0;
  unsigned count = 0;
  int code = kInsufficientSize;
  for (int attempt = 0; code == kInsufficientSize && attempt < kListAttemptsMax; ++attempt) {
    // Others start meanwhile.
    if (attempt > 0) capacity = 2 * std::max<std::size_t>(capacity, count) + 5;
    if (capacity > kListedMax) return {kUnknown, {}};
    room.assign(capacity * kRecordBytesLong / sizeof room[0], 0);
    count = static_cast<unsigned>(capacity);
    code = call<GetProcesses>(function, device, &count,
                              room.empty() ? nullptr : static_cast<void*>(room.data()));
  }
  if (code != kSuccess) return {code, {}};
  if (count > capacity) return {kUnknown, {}};
  NvmlAnswer<std::vector<NvmlProcess>> answer{kSuccess, {}};
  for (std::size_t i = 0; i < count; ++i) {
    ProcessRecord record{};
    std::memcpy(&record, reinterpret_cast<const char*>(room.data()) + i * record_bytes,
                sizeof record);
    NvmlProcess process;
    process.pid = record.pid;
    if (record.memory_bytes != ~0ULL) process.memory_bytes = record.memory_bytes;
    answer.value.push_back(process);
  }
  return answer;
}

}  // namespace chg
