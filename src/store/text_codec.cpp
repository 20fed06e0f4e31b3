#include "store/text_codec.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace chg::text_codec {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorKind::Failed,
              fmt::format("the store is damaged: it holds '{}'", printable(text, 60)),
              "move it aside and set the pool up again with: canhazgpu admin");
}

// Takes the text up to the next `separator`, or all of it.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

template <typename Number>
Number read_number(std::string_view text) {
  Number value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) refuse(text);
  return value;
}

constexpr std::pair<ReservationKind, std::string_view> kKinds[] = {
    {ReservationKind::Run, "run"}, {ReservationKind::Manual, "manual"}};

constexpr std::pair<EndReason, std::string_view> kEnds[] = {
    {EndReason::Finished, "finished"}, {EndReason::Released, "released"},
    {EndReason::Expired, "expired"},   {EndReason::TimedOut, "timed_out"},
    {EndReason::Killed, "killed"},     {EndReason::Lost, "lost"},
    {EndReason::Cleared, "cleared"}};

constexpr std::pair<Unavailability::Kind, std::string_view> kUnavailabilities[] = {
    {Unavailability::Kind::UnreservedUse, "unreserved_use"},
    {Unavailability::Kind::Error, "error"}};

template <typename Value, std::size_t size>
std::string write_word(const std::pair<Value, std::string_view> (&words)[size], Value value) {
  for (const auto& [known, word] : words) {
    if (known == value) return std::string(word);
  }
  return {};
}

template <typename Value, std::size_t size>
Value read_word(const std::pair<Value, std::string_view> (&words)[size], std::string_view text) {
  for (const auto& [value, word] : words) {
    if (word == text) return value;
  }
  refuse(text);
}

}  // namespace

std::string write(const Instant& instant) {
  return fmt::format("{} {} {}", instant.wall.time_since_epoch().count(), instant.boot.count(),
                     instant.boot_id);
}

Instant read_instant(std::string_view text) {
  Instant instant;
  instant.wall = read_wall_time(read_number<std::int64_t>(take(text, ' ')));
  instant.boot = BootTime(read_number<std::int64_t>(take(text, ' ')));
  instant.boot_id = text;
  return instant;
}

std::string write(const ProcessIdentity& process) {
  return fmt::format("{} {} {} {} {}", process.pid, process.start_ticks, process.pid_namespace,
                     process.boot_id, process.host);
}

ProcessIdentity read_process(std::string_view text) {
  ProcessIdentity process;
  process.pid = read_number<int>(take(text, ' '));
  process.start_ticks = read_number<std::uint64_t>(take(text, ' '));
  process.pid_namespace = read_number<std::uint64_t>(take(text, ' '));
  process.boot_id = take(text, ' ');
  process.host = text;
  return process;
}

std::string write(const HostIdentity& host) {
  return fmt::format("{} {}", host.boot_id, host.name);
}

HostIdentity read_host(std::string_view text) {
  HostIdentity host;
  host.boot_id = take(text, ' ');
  host.name = text;
  return host;
}

std::string write(const std::vector<ProcessIdentity>& processes) {
  std::string text;
  for (const ProcessIdentity& process : processes) text += write(process) + "\n";
  return text;
}

std::vector<ProcessIdentity> read_processes(std::string_view text) {
  std::vector<ProcessIdentity> processes;
  while (!text.empty()) processes.push_back(read_process(take(text, '\n')));
  return processes;
}

template <typename Number>
std::string write_numbers(const std::vector<Number>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ","));
}

template <typename Number>
std::vector<Number> read_numbers(std::string_view text) {
  std::vector<Number> numbers;
  while (!text.empty()) numbers.push_back(read_number<Number>(take(text, ',')));
  return numbers;
}

template std::string write_numbers(const std::vector<int>&);
template std::string write_numbers(const std::vector<std::uint32_t>&);
template std::vector<int> read_numbers(std::string_view);
template std::vector<std::uint32_t> read_numbers(std::string_view);

std::string write(const std::map<std::uint32_t, WallTime>& last_used) {
  std::string text;
  for (const auto& [uid, time] : last_used) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", uid, write(time));
  }
  return text;
}

std::map<std::uint32_t, WallTime> read_last_used(std::string_view text) {
  std::map<std::uint32_t, WallTime> last_used;
  while (!text.empty()) {
    std::string_view entry = take(text, ' ');
    const auto uid = read_number<std::uint32_t>(take(entry, ':'));
    last_used[uid] = read_wall_time(read_number<std::int64_t>(entry));
  }
  return last_used;
}

std::string write(ReservationKind kind) { return write_word(kKinds, kind); }
ReservationKind read_kind(std::string_view text) { return read_word(kKinds, text); }

std::string write(EndReason end) { return write_word(kEnds, end); }
EndReason read_end(std::string_view text) { return read_word(kEnds, text); }

std::string write(Unavailability::Kind kind) { return write_word(kUnavailabilities, kind); }
Unavailability::Kind read_unavailability_kind(std::string_view text) {
  return read_word(kUnavailabilities, text);
}

std::int64_t write(WallTime time) { return time.time_since_epoch().count(); }
WallTime read_wall_time(std::int64_t nanoseconds) {
  return WallTime(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace chg::text_codec
