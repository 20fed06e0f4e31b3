#include "store/import/first_version.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

namespace chg::first_version {
namespace {

using nlohmann::json;

// Takes the text up to the next `separator`, or all of it.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

template <typename Number>
Number number(std::string_view text) {
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("no number");
  }
  return value;
}

// A whole number in the range of Number: nlohmann would cut it to size.
template <typename Number>
Number number(const json& value) {
  if (!value.is_number_integer()) throw std::invalid_argument("no number");
  return number<Number>(std::string_view(value.dump()));
}

template <typename Number>
std::vector<Number> numbers(const json& value) {
  std::vector<Number> all;
  for (const json& one : value) all.push_back(number<Number>(one));
  return all;
}

std::vector<int> indices(const json& value) {
  std::vector<int> all = numbers<int>(value);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::string bytes(const json& record, const char* name) { return read_bytes(record.at(name)); }

std::string optional_bytes(const json& record, const char* name) {
  return record.contains(name) ? bytes(record, name) : "";
}

WallTime wall_time(std::int64_t nanoseconds) { return WallTime(Duration(nanoseconds)); }

// "WALL BOOT BOOT_ID"
Instant instant(std::string_view text) {
  Instant moment;
  moment.wall = wall_time(number<std::int64_t>(take(text, ' ')));
  moment.boot = BootTime(number<std::int64_t>(take(text, ' ')));
  moment.boot_id = text;
  return moment;
}

// "PID START_TICKS NAMESPACE BOOT_ID HOST"
ProcessIdentity process(std::string_view text) {
  ProcessIdentity one;
  one.pid = number<int>(take(text, ' '));
  one.start_ticks = number<std::uint64_t>(take(text, ' '));
  one.pid_namespace = number<std::uint64_t>(take(text, ' '));
  one.boot_id = take(text, ' ');
  one.host = text;
  return one;
}

// A line for each.
std::vector<ProcessIdentity> processes(std::string_view text) {
  std::vector<ProcessIdentity> all;
  while (!text.empty()) all.push_back(process(take(text, '\n')));
  return all;
}

// "UID:TIME UID:TIME"
std::map<std::uint32_t, WallTime> last_used(std::string_view text) {
  std::map<std::uint32_t, WallTime> all;
  while (!text.empty()) {
    std::string_view entry = take(text, ' ');
    const auto uid = number<std::uint32_t>(take(entry, ':'));
    all[uid] = wall_time(number<std::int64_t>(entry));
  }
  return all;
}

template <typename Value, std::size_t size>
Value word(const std::pair<Value, std::string_view> (&words)[size], const std::string& text) {
  for (const auto& [value, known] : words) {
    if (known == text) return value;
  }
  throw std::invalid_argument("unknown word");
}

Kind kind(const std::string& text) {
  constexpr std::pair<Kind, std::string_view> kWords[] = {{Kind::Run, "run"},
                                                          {Kind::Manual, "manual"}};
  return word(kWords, text);
}

End end(const std::string& text) {
  constexpr std::pair<End, std::string_view> kWords[] = {
      {End::Finished, "finished"},  {End::Released, "released"}, {End::Expired, "expired"},
      {End::TimedOut, "timed_out"}, {End::Killed, "killed"},     {End::Lost, "lost"},
      {End::Cleared, "cleared"}};
  return word(kWords, text);
}

Account account(const json& record) {
  return {number<std::uint32_t>(record.at("uid")), bytes(record, "account")};
}

template <typename Read>
auto optional(const json& record, const char* name, const Read& read)
    -> std::optional<decltype(read(std::string()))> {
  if (!record.contains(name)) return std::nullopt;
  return read(bytes(record, name));
}

}  // namespace

std::string read_bytes(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const auto hex = value.at("hex").get<std::string>();
  std::string all;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const char* const last = hex.data() + std::min(i + 2, hex.size());
    if (std::from_chars(hex.data() + i, last, byte, 16).ptr != last) {
      throw std::invalid_argument("no hexadecimal digits");
    }
    all += static_cast<char>(byte);
  }
  return all;
}

Settings read_settings(const std::string& record) {
  const json object = json::parse(record);
  if (number<int>(object.at("version")) != 1) throw std::invalid_argument("another version");
  return {bytes(object, "admin_group"), number<std::uint32_t>(object.at("creator_uid")),
          indices(object.at("gpus"))};
}

// "BOOT_ID NAME"
HostIdentity read_identity(const std::string& record) {
  std::string_view rest = record;
  HostIdentity host;
  host.boot_id = take(rest, ' ');
  host.name = rest;
  return host;
}

// What stood in its way was seen then; the next look tells what does now.
Gpu read_gpu(const std::string& record, int index) {
  const json object = json::parse(record);
  Gpu gpu;
  gpu.index = index;
  gpu.uuid = bytes(object, "uuid");
  gpu.model = bytes(object, "model");
  gpu.out_of_service =
      optional(object, "out_of_service", [](const std::string& text) { return text; });
  gpu.last_released = optional(object, "last_released", instant);
  gpu.last_used_by_uid = last_used(bytes(object, "last_used_by"));
  return gpu;
}

Reservation read_reservation(const std::string& record, const std::string& id) {
  const json object = json::parse(record);
  Reservation held;
  held.id = id;
  held.account = account(object);
  held.label = optional_bytes(object, "label");
  held.note = optional_bytes(object, "note");
  held.kind = kind(bytes(object, "kind"));
  held.gpus = indices(object.at("gpus"));
  held.started = instant(bytes(object, "started"));
  held.last_heartbeat = instant(bytes(object, "last_heartbeat"));
  if (object.contains("ends")) held.ends = wall_time(number<std::int64_t>(object.at("ends")));
  held.holder = optional(object, "holder", process);
  held.supervisor = optional(object, "supervisor", process);
  held.leftovers = processes(optional_bytes(object, "leftovers"));
  held.ending = optional(object, "ending", end);
  if (object.contains("lost")) held.lost = indices(object.at("lost"));
  return held;
}

Usage read_usage(const json& member) {
  Usage usage;
  UsageRecord& record = usage.record;
  record.reservation_id = bytes(member, "reservation");
  record.gpu = number<int>(member.at("gpu"));
  record.account = account(member);
  record.label = optional_bytes(member, "label");
  record.kind = kind(bytes(member, "kind"));
  record.started = wall_time(number<std::int64_t>(member.at("started")));
  record.ended = wall_time(number<std::int64_t>(member.at("ended")));
  record.end = end(bytes(member, "how"));
  usage.commit = number<std::int64_t>(member.at("commit"));
  usage.place = number<std::int64_t>(member.at("place"));
  return usage;
}

}  // namespace chg::first_version
