#include "base/process_stat.h"

#include <array>

#include <fmt/format.h>

#include "base/file_text.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

// The numbers of the fields in proc(5).
constexpr std::size_t kState = 3;
constexpr std::size_t kParent = 4;
constexpr std::size_t kSession = 6;
constexpr std::size_t kStartTicks = 22;

// What stands behind the label in the text of /proc/PID/status; "" when it has no such line.
std::string_view status_line(std::string_view status, std::string_view label) {
  while (!status.empty()) {
    std::string_view line = cut(status, '\n');
    if (cut(line, '\t') == label) return line;
  }
  return {};
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // "PID (NAME) STATE PPID …". The name may contain anything, ") " included; what follows may not.
  const std::size_t open = text.find(" (");
  const std::size_t close = text.rfind(") ");
  if (close == std::string_view::npos || open >= close) return std::nullopt;
  std::string_view rest = trimmed(text.substr(close + 2));
  std::array<std::string_view, kStartTicks + 1> fields;
  for (std::size_t field = kState; field <= kStartTicks; ++field) fields[field] = cut(rest, ' ');
  const auto pid = parse<int>(text.substr(0, open));
  const auto parent = parse<int>(fields[kParent]);
  const auto session = parse<int>(fields[kSession]);
  const auto start_ticks = parse<std::uint64_t>(fields[kStartTicks]);
  const bool is_sound = pid && fields[kState].size() == 1 && parent && session && start_ticks;
  if (!is_sound) return std::nullopt;
  const std::string name(text.substr(open + 2, close - open - 2));
  return ProcessStat{*pid, name, fields[kState].front(), *parent, *session, *start_ticks};
}

std::optional<ProcessStat> read_stat(int pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), 1024);
  return text ? parse_process_stat(*text) : std::nullopt;
}

std::optional<std::uint32_t> parse_real_uid(std::string_view status) {
  // The first number of the line "Uid:\t1000\t1000\t1000\t1000" is the real one.
  std::string_view numbers = status_line(status, "Uid:");
  return parse<std::uint32_t>(cut(numbers, '\t'));
}

std::optional<std::uint32_t> read_real_uid(int pid) {
  const auto text = read_file(fmt::format("/proc/{}/status", pid));
  return text ? parse_real_uid(*text) : std::nullopt;
}

std::optional<std::uint64_t> parse_lock_limit(std::string_view limits) {
  constexpr std::string_view kLabel = "\nMax file locks";
  const std::size_t found = limits.find(kLabel);
  if (found == std::string_view::npos) return std::nullopt;
  std::string_view rest = trimmed(limits.substr(found + kLabel.size()));
  return parse<std::uint64_t>(cut(rest, ' '));
}

std::optional<std::uint64_t> read_lock_limit(int pid) {
  const auto text = read_file(fmt::format("/proc/{}/limits", pid));
  return text ? parse_lock_limit(*text) : std::nullopt;
}

bool parse_ignores_signal(std::string_view status, int signal_number) {
  // "SigIgn:\t0000000000001000": signal 1 is the lowest bit.
  const auto mask = parse<std::uint64_t>(status_line(status, "SigIgn:"), 16);
  const bool is_signal = signal_number > 0 && signal_number <= 64;
  return mask && is_signal && (*mask >> (static_cast<unsigned>(signal_number) - 1U) & 1U) != 0;
}

bool ignores_signal(int pid, int signal_number) {
  const auto text = read_file(fmt::format("/proc/{}/status", pid));
  return text && parse_ignores_signal(*text, signal_number);
}

}  // namespace chg
