#include "probe/observation_text.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace chg {
namespace {

using nlohmann::json;

// To be counted up whenever an older program would misread the text.
constexpr std::uint64_t kFormat = 1;

constexpr std::int64_t kNanosecondsMax = 1LL << 62;
constexpr std::uint64_t kMemoryMibMax = 1ULL << 44;
constexpr std::int64_t kIntMax = std::numeric_limits<int>::max();
constexpr std::int64_t kIntMin = std::numeric_limits<int>::min();

constexpr std::pair<GpuProcess::Type, const char*> kTypes[] = {
    {GpuProcess::Type::Compute, "compute"}, {GpuProcess::Type::Graphics, "graphics"}};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::Failed, "the text of a reading of the GPUs is damaged: " + what);
}

template <typename Value, std::size_t size>
const char* word_of(const std::pair<Value, const char*> (&words)[size], Value value) {
  for (const auto& [known, word] : words) {
    if (known == value) return word;
  }
  return "";
}

template <typename Value>
void put(json& object, const char* key, const std::optional<Value>& value) {
  if (value) object[key] = *value;
}

// One object of the text, which knows where it stands.
class Fields {
 public:
  Fields(const json& value, std::string place) : value_(value), place_(std::move(place)) {
    if (!value.is_object()) refuse(fmt::format("'{}' is no object", place_));
  }

  bool has(const char* key) const { return value_.contains(key); }

  const json& get(const char* key) const {
    if (!has(key)) refuse(fmt::format("'{}' is missing", place_of(key)));
    return value_[key];
  }

  std::string text(const char* key) const {
    if (!get(key).is_string()) refuse(fmt::format("'{}' is no text", place_of(key)));
    return get(key).get<std::string>();
  }

  std::uint64_t number(const char* key, std::uint64_t max) const {
    const json& value = get(key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
      refuse(fmt::format("'{}' is no number up to {}", place_of(key), max));
    }
    return value.get<std::uint64_t>();
  }

  std::int64_t signed_number(const char* key, std::int64_t min, std::int64_t max) const {
    const json& value = get(key);
    const bool is_small = value.is_number_unsigned() ? value.get<std::uint64_t>() <=
                                                           std::numeric_limits<std::int64_t>::max()
                                                     : value.is_number_integer();
    const std::int64_t number = is_small ? value.get<std::int64_t>() : 0;
    if (!is_small || number < min || number > max) {
      refuse(fmt::format("'{}' is no number from {} to {}", place_of(key), min, max));
    }
    return number;
  }

  int integer(const char* key, std::int64_t min) const {
    return static_cast<int>(signed_number(key, min, kIntMax));
  }

  template <typename Value, std::size_t size>
  Value word(const char* key, const std::pair<Value, const char*> (&words)[size]) const {
    const std::string found = text(key);
    for (const auto& [value, known] : words) {
      if (found == known) return value;
    }
    refuse(fmt::format("'{}' is no known word", place_of(key)));
  }

  Fields object(const char* key) const { return {get(key), place_of(key)}; }

  std::vector<Fields> objects(const char* key) const {
    if (!get(key).is_array()) refuse(fmt::format("'{}' is no list", place_of(key)));
    std::vector<Fields> result;
    for (const json& element : get(key)) {
      result.emplace_back(element, fmt::format("{}[{}]", place_of(key), result.size()));
    }
    return result;
  }

 private:
  std::string place_of(const char* key) const { return place_.empty() ? key : place_ + "." + key; }

  const json& value_;
  std::string place_;
};

std::optional<std::uint64_t> memory(const Fields& fields, const char* key) {
  if (!fields.has(key)) return std::nullopt;
  return fields.number(key, kMemoryMibMax);
}

std::optional<int> measured(const Fields& fields, const char* key) {
  if (!fields.has(key)) return std::nullopt;
  return fields.integer(key, kIntMin);
}

json json_of(const GpuProcess& process) {
  json object = {{"pid", process.pid},
                 {"user", process.user},
                 {"program", process.program},
                 {"command_line", process.command_line},
                 {"type", word_of(kTypes, process.type)}};
  put(object, "start_ticks", process.start_ticks);
  put(object, "uid", process.uid);
  put(object, "memory_mib", process.memory_mib);
  put(object, "reservation_id", process.reservation_id);
  return object;
}

GpuProcess process_of(const Fields& fields) {
  GpuProcess process;
  process.pid = fields.integer("pid", 1);
  process.user = fields.text("user");
  process.program = fields.text("program");
  process.command_line = fields.text("command_line");
  process.type = fields.word("type", kTypes);
  if (fields.has("start_ticks")) {
    process.start_ticks = fields.number("start_ticks", std::numeric_limits<std::uint64_t>::max());
  }
  if (fields.has("uid")) {
    process.uid =
        static_cast<std::uint32_t>(fields.number("uid", std::numeric_limits<std::uint32_t>::max()));
  }
  process.memory_mib = memory(fields, "memory_mib");
  if (fields.has("reservation_id")) process.reservation_id = fields.text("reservation_id");
  return process;
}

json json_of(const MigDevice& part) {
  json object = {{"uuid", part.uuid}, {"model", part.model}};
  put(object, "memory_used_mib", part.memory_used_mib);
  put(object, "memory_total_mib", part.memory_total_mib);
  return object;
}

MigDevice part_of(const Fields& fields) {
  MigDevice part;
  part.uuid = fields.text("uuid");
  part.model = fields.text("model");
  part.memory_used_mib = memory(fields, "memory_used_mib");
  part.memory_total_mib = memory(fields, "memory_total_mib");
  return part;
}

json json_of(const GpuReading& gpu) {
  json object = {{"index", gpu.index},         {"uuid", gpu.uuid},
                 {"model", gpu.model},         {"pci_bus_id", gpu.pci_bus_id},
                 {"processes", json::array()}, {"parts", json::array()},
                 {"error", gpu.error}};
  put(object, "memory_used_mib", gpu.memory_used_mib);
  put(object, "memory_total_mib", gpu.memory_total_mib);
  put(object, "utilization_percent", gpu.utilization_percent);
  put(object, "temperature_c", gpu.temperature_c);
  put(object, "power_w", gpu.power_w);
  for (const GpuProcess& process : gpu.processes) object["processes"].push_back(json_of(process));
  for (const MigDevice& part : gpu.mig_devices) object["parts"].push_back(json_of(part));
  return object;
}

GpuReading gpu_of(const Fields& fields) {
  GpuReading gpu;
  gpu.index = fields.integer("index", 0);
  gpu.uuid = fields.text("uuid");
  gpu.model = fields.text("model");
  gpu.pci_bus_id = fields.text("pci_bus_id");
  gpu.memory_used_mib = memory(fields, "memory_used_mib");
  gpu.memory_total_mib = memory(fields, "memory_total_mib");
  gpu.utilization_percent = measured(fields, "utilization_percent");
  gpu.temperature_c = measured(fields, "temperature_c");
  gpu.power_w = measured(fields, "power_w");
  for (const Fields& process : fields.objects("processes")) {
    gpu.processes.push_back(process_of(process));
  }
  for (const Fields& part : fields.objects("parts")) gpu.mig_devices.push_back(part_of(part));
  gpu.error = fields.text("error");
  return gpu;
}

json json_of(const Observation& observation) {
  const ProcessIdentity& observer = observation.observer;
  json object = {{"taken",
                  {{"wall_ns", observation.taken.wall.time_since_epoch().count()},
                   {"boot_ns", observation.taken.boot.count()},
                   {"boot_id", observation.taken.boot_id}}},
                 {"observer",
                  {{"host", observer.host},
                   {"boot_id", observer.boot_id},
                   {"pid_namespace", observer.pid_namespace},
                   {"pid", observer.pid},
                   {"start_ticks", observer.start_ticks}}},
                 {"source", observation.source},
                 {"gpus", json::array()}};
  for (const GpuReading& gpu : observation.gpus) object["gpus"].push_back(json_of(gpu));
  return object;
}

Observation observation_of(const Fields& fields) {
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  Observation observation;
  const Fields taken = fields.object("taken");
  const auto nanoseconds = [&](const char* key) {
    return Duration(taken.signed_number(key, -kNanosecondsMax, kNanosecondsMax));
  };
  observation.taken.wall = WallTime(nanoseconds("wall_ns"));
  observation.taken.boot = nanoseconds("boot_ns");
  observation.taken.boot_id = taken.text("boot_id");
  const Fields observer = fields.object("observer");
  observation.observer.host = observer.text("host");
  observation.observer.boot_id = observer.text("boot_id");
  observation.observer.pid_namespace = observer.number("pid_namespace", kAny);
  observation.observer.pid = observer.integer("pid", 0);
  observation.observer.start_ticks = observer.number("start_ticks", kAny);
  observation.source = fields.text("source");
  for (const Fields& gpu : fields.objects("gpus")) observation.gpus.push_back(gpu_of(gpu));
  return observation;
}

json parse(std::string_view text) {
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) refuse("it is no JSON");
  const Fields top(document, "");
  if (top.number("format", std::numeric_limits<std::uint64_t>::max()) != kFormat) {
    refuse("it has an unknown format");
  }
  return document;
}

}  // namespace

std::string observation_text(const Observation& observation) {
  const json document = {{"format", kFormat}, {"observation", json_of(observation)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

Observation parse_observation(std::string_view text) {
  const json document = parse(text);
  return observation_of(Fields(document, "").object("observation"));
}

}  // namespace chg
