#include "probe/fake_probe.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/file_text.h"
#include "base/pci_address.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "probe/processes/process_facts.h"

namespace chg {
namespace {

using nlohmann::json;

constexpr const char* kModel = "Simulated H100 80GB";
constexpr std::uint64_t kMemoryTotalMib = 81920;
constexpr std::uint64_t kMemoryUsedMib = 45;
constexpr std::uint64_t kMigMemoryTotalMib = 9984;
constexpr std::uint64_t kMigMemoryUsedMib = 9;
constexpr std::uint64_t kMeasureMax = 1'000'000;
constexpr std::uint64_t kMemoryMibMax = 1ULL << 40;
constexpr std::uint64_t kDelayMsMax = 3'600'000;
constexpr int kGpusMax = 1024;
constexpr std::size_t kFileBytesMax = 64U << 20;

const std::vector<std::string> kFileKeys = {"gpus", "error", "delay_ms", "standin"};
const std::vector<std::string> kGpuKeys = {
    "uuid",          "model",   "memory_total_mb", "memory_used_mb", "utilization_percent",
    "temperature_c", "power_w", "pci_bus_id",      "error",          "processes",
    "parts",         "device",  "seen_by"};
const std::vector<std::string> kMigKeys = {"uuid", "model", "memory_total_mb", "memory_used_mb"};
const std::vector<std::string> kProcessKeys = {
    "pid", "memory_mb", "type", "user", "uid", "program", "command_line", "reservation_id"};

// One JSON object of the file, which knows where it stands, so that a mistake can be pointed at.
class Object {
 public:
  Object(const std::string& file, std::string place, const json& value,
         std::span<const std::string> keys)
      : file_(file), place_(std::move(place)), value_(value) {
    if (!value.is_object()) throw Error(ErrorKind::Failed, unlike(place_, value, "an object"));
    for (const auto& [key, unused] : value.items()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      const std::string meant = nearest(key, keys);
      throw Error(
          ErrorKind::Failed, fmt::format("'{}': unknown key '{}'", file_, printable(place_of(key))),
          meant.empty() ? fmt::format("known are {}", join_names({keys.begin(), keys.end()}))
                        : fmt::format("did you mean '{}'?", meant));
    }
  }

  bool has(const char* key) const { return value_.contains(key); }

  std::optional<std::string> text(const char* key) const {
    if (!has(key)) return std::nullopt;
    if (!value_[key].is_string()) refuse(key, "a text");
    return value_[key].get<std::string>();
  }

  // Null, where the key is there, is a value that cannot be read; without the key it is
  // `otherwise`.
  std::optional<std::uint64_t> number(const char* key, std::uint64_t max,
                                      std::optional<std::uint64_t> otherwise) const {
    if (!has(key)) return otherwise;
    const json& value = value_[key];
    if (value.is_null()) return std::nullopt;
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
      refuse(key, fmt::format("a whole number up to {}, or null", max));
    }
    return value.get<std::uint64_t>();
  }

  // Whether the list `key` has the number; true where there is no such key.
  bool lists(const char* key, std::uint64_t number) const {
    if (!has(key)) return true;
    if (!value_[key].is_array()) refuse(key, "a list");
    return std::find(value_[key].begin(), value_[key].end(), number) != value_[key].end();
  }

  // The objects of the list `key`; none where there is no such key.
  std::vector<Object> objects(const char* key, std::span<const std::string> keys) const {
    std::vector<Object> result;
    if (!has(key)) return result;
    if (!value_[key].is_array()) refuse(key, "a list");
    for (const json& element : value_[key]) {
      result.emplace_back(file_, fmt::format("{}[{}]", place_of(key), result.size()), element,
                          keys);
    }
    return result;
  }

  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    const json value = has(key) ? value_[key] : json();
    throw Error(ErrorKind::Failed, unlike(place_of(key), value, expected));
  }

 private:
  std::string place_of(const std::string& key) const {
    return place_.empty() ? key : place_ + "." + key;
  }

  std::string unlike(const std::string& place, const json& value,
                     const std::string& expected) const {
    const std::string shown = value.dump(-1, ' ', false, json::error_handler_t::replace);
    return fmt::format("'{}': {} must be {}, not '{}'", file_, place.empty() ? "the file" : place,
                       expected, printable(shown, 60));
  }

  const std::string& file_;
  std::string place_;
  const json& value_;
};

// Somebody else may have put a pipe there, or a link to what only the caller may read.
std::string read_text(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  const bool is_read = fd && ::fstat(fd.get(), &status) == 0;
  if (is_read && !S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is not a regular file", file), "remove it");
  }
  const auto text = is_read ? read_to_end(fd.get(), kFileBytesMax) : std::nullopt;
  if (text) return *text;
  throw errno_error(fmt::format("cannot read '{}'", file), errno,
                    "make it: canhazgpu admin --provider fake --gpus 8");
}

json read_json(const std::string& file) {
  const std::string text = read_text(file);
  try {
    return json::parse(text);
  } catch (const json::parse_error& problem) {
    const auto bytes = static_cast<std::ptrdiff_t>(std::min(problem.byte, text.size()));
    const auto line = 1 + std::count(text.begin(), text.begin() + bytes, '\n');
    // The library's text begins with its own number for the error, and the place again.
    const std::string_view what = problem.what();
    const std::string reason =
        printable(what.substr(std::min(what.find("parse error"), what.size())));
    throw Error(ErrorKind::Failed, fmt::format("'{}' line {} is not valid JSON", file, line),
                reason);
  }
}

std::string made_uuid(std::size_t index) {
  return fmt::format("GPU-00000000-0000-0000-0000-{:012}", index);
}

std::string made_mig_uuid(std::size_t index, std::size_t place) {
  return fmt::format("MIG-00000000-0000-0000-{:04}-{:012}", place, index);
}

GpuProcess::Type type_of(const Object& entry) {
  const std::string type = entry.text("type").value_or("compute");
  if (type == "graphics") return GpuProcess::Type::Graphics;
  if (type != "compute") entry.refuse("type", "\"compute\" or \"graphics\"");
  return GpuProcess::Type::Compute;
}

// Any other is simulated.
bool is_real(const Object& entry) { return !entry.has("user") && !entry.has("program"); }

GpuProcess read_process(const Object& entry) {
  GpuProcess process;
  const auto pid = entry.number("pid", std::numeric_limits<int>::max(), std::nullopt);
  if (pid.value_or(0) == 0) entry.refuse("pid", "a process id");
  process.pid = static_cast<int>(*pid);
  process.memory_mib = entry.number("memory_mb", kMemoryMibMax, std::nullopt);
  process.type = type_of(entry);
  return process;
}

// Who it is, as far as the file says so.
void identify(GpuProcess& process, const Object& entry) {
  const std::optional<std::string> user = entry.text("user");
  const auto uid = entry.number("uid", std::numeric_limits<std::uint32_t>::max(), std::nullopt);
  if (uid) process.uid = static_cast<std::uint32_t>(*uid);
  if (user && !uid) process.uid = uid_of_account(*user);
  if (user) process.user = *user;
  if (const auto program = entry.text("program")) process.program = *program;
  if (const auto line = entry.text("command_line")) process.command_line = *line;
  if (const auto id = entry.text("reservation_id")) process.reservation_id = *id;
}

std::optional<int> measured(const Object& entry, const char* key) {
  const auto value = entry.number(key, kMeasureMax, std::nullopt);
  return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

// Domain, bus, device and function in hexadecimal digits.
std::string read_pci_bus_id(const Object& entry) {
  const std::string text = entry.text("pci_bus_id").value_or("");
  const auto address = parse_pci_address(text);
  if (!text.empty() && (!address || to_text(*address) != text)) {
    entry.refuse("pci_bus_id", "an address like \"0000:3b:00.0\", in lower case");
  }
  return text;
}

MigDevice read_mig_device(const Object& entry, const GpuReading& gpu) {
  MigDevice device;
  device.uuid = entry.text("uuid").value_or(
      made_mig_uuid(static_cast<std::size_t>(gpu.index), gpu.mig_devices.size()));
  device.model = entry.text("model").value_or(gpu.model + " MIG 1g.10gb");
  device.memory_total_mib = entry.number("memory_total_mb", kMemoryMibMax, kMigMemoryTotalMib);
  device.memory_used_mib = entry.number("memory_used_mb", kMemoryMibMax, kMigMemoryUsedMib);
  return device;
}

// Adds what the file says of its processes to `processes`.
GpuReading read_gpu(const Object& entry, std::size_t index, const ProcReader& proc,
                    std::vector<Object>& processes) {
  GpuReading reading;
  reading.index = static_cast<int>(index);
  reading.uuid = entry.text("uuid").value_or(made_uuid(index));
  reading.model = entry.text("model").value_or(kModel);
  reading.memory_total_mib = entry.number("memory_total_mb", kMemoryMibMax, kMemoryTotalMib);
  reading.memory_used_mib = entry.number("memory_used_mb", kMemoryMibMax, kMemoryUsedMib);
  if (const auto percent = entry.number("utilization_percent", 100, 0)) {
    reading.utilization_percent = static_cast<int>(*percent);
  }
  reading.temperature_c = measured(entry, "temperature_c");
  reading.power_w = measured(entry, "power_w");
  reading.pci_bus_id = read_pci_bus_id(entry);
  reading.error = entry.text("error").value_or("");
  if (const auto device = entry.text("device")) reading.devices = {*device};
  for (const Object& listed : entry.objects("processes", kProcessKeys)) {
    GpuProcess process = read_process(listed);
    if (is_real(listed) && !proc.is_running(process.pid)) continue;
    if (reading.memory_used_mib) *reading.memory_used_mib += process.memory_mib.value_or(0);
    reading.processes.push_back(std::move(process));
    processes.push_back(listed);
  }
  for (const Object& device : entry.objects("parts", kMigKeys)) {
    reading.mig_devices.push_back(read_mig_device(device, reading));
  }
  return reading;
}

std::string initial_text(int count) {
  nlohmann::ordered_json gpus = nlohmann::ordered_json::array();
  for (int index = 0; index < count; ++index) {
    gpus.push_back({{"uuid", made_uuid(static_cast<std::size_t>(index))},
                    {"model", kModel},
                    {"memory_total_mb", kMemoryTotalMib},
                    {"memory_used_mb", kMemoryUsedMib},
                    {"utilization_percent", 0},
                    {"processes", nlohmann::ordered_json::array()}});
  }
  return nlohmann::ordered_json{{"gpus", gpus}}.dump(2) + "\n";
}

}  // namespace

FakeProbe::FakeProbe(const Clock& clock, ProcReader proc, std::string file, Duration timeout,
                     std::uint32_t uid)
    : clock_(clock), proc_(std::move(proc)), file_(std::move(file)), timeout_(timeout), uid_(uid) {}

Observation FakeProbe::read_gpus() {
  Observation observation;
  observation.taken = clock_.now();
  observation.source = "fake";
  const json content = read_json(file_);
  const Object top(file_, "", content, kFileKeys);
  if (!top.has("gpus")) top.refuse("gpus", "a list");
  std::vector<Object> entries;
  std::size_t index = 0;
  for (const Object& entry : top.objects("gpus", kGpuKeys)) {
    if (entry.lists("seen_by", uid_)) {
      observation.gpus.push_back(read_gpu(entry, index, proc_, entries));
    }
    ++index;
  }
  const std::vector<GpuProcess*> listed = listed_processes(observation);
  std::vector<GpuProcess*> real;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (is_real(entries[i])) real.push_back(listed[i]);
  }
  fill_in_time(real, proc_, timeout_);
  for (std::size_t i = 0; i < listed.size(); ++i) identify(*listed[i], entries[i]);
  if (top.has("standin") && !content["standin"].is_object()) top.refuse("standin", "an object");
  const std::uint64_t delay_ms = top.number("delay_ms", kDelayMsMax, 0).value_or(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  const std::string error = top.text("error").value_or("");
  if (!error.empty()) {
    throw Error(ErrorKind::Failed, error, "the GPUs are simulated; edit " + shell_word(file_));
  }
  return observation;
}

void create_fake_gpus(const std::string& file, int count) {
  if (count < 1 || count > kGpusMax) {
    throw Error(ErrorKind::Usage, fmt::format("cannot simulate '{}' GPUs", count),
                fmt::format("choose 1 to {}", kGpusMax));
  }
  // One at a time, under one name: what somebody who was killed has left is removed by the next.
  const std::string folder = std::filesystem::path(file).parent_path() / ".";
  const FileLock lock(folder, "the folder of the simulated GPUs", std::chrono::seconds(10));
  const std::string unfinished = file + ".new";
  ::unlink(unfinished.c_str());
  const UniqueFd fd(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw_errno(fmt::format("cannot write '{}'", unfinished));
  struct Remover {
    const std::string& path;
    ~Remover() { ::unlink(path.c_str()); }
  } const remover{unfinished};
  if (!write_all(fd.get(), initial_text(count))) {
    throw_errno(fmt::format("cannot write '{}'", unfinished));
  }
  if (::fchmod(fd.get(), 0666) != 0) throw_errno(fmt::format("cannot open up '{}'", unfinished));
  // Not rename, which would put it over a file that somebody else has made meanwhile.
  if (::link(unfinished.c_str(), file.c_str()) != 0 && errno != EEXIST) {
    throw_errno(fmt::format("cannot make '{}'", file));
  }
}

}  // namespace chg
