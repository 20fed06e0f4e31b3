#include "base/process_stat.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace chg {
namespace {

// The numbers of the fields in proc(5).
constexpr int kState = 3;
constexpr int kParent = 4;
constexpr int kSession = 6;
constexpr int kStartTicks = 22;

std::string_view cut_word(std::string_view& rest) {
  const std::size_t length = std::min(rest.find_first_of(" \n"), rest.size());
  const std::string_view word = rest.substr(0, length);
  rest.remove_prefix(std::min(length + 1, rest.size()));
  return word;
}

template <typename Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // "PID (NAME) STATE PPID …". The name may contain anything, ") " included; what follows may not.
  const std::size_t open = text.find(" (");
  const std::size_t close = text.rfind(") ");
  if (close == std::string_view::npos || open >= close) return std::nullopt;
  ProcessStat stat;
  if (!read_number(text.substr(0, open), stat.pid)) return std::nullopt;
  stat.name = text.substr(open + 2, close - open - 2);
  std::string_view rest = text.substr(close + 2);
  bool is_sound = true;
  for (int field = kState; field <= kStartTicks && is_sound; ++field) {
    const std::string_view word = cut_word(rest);
    if (field == kState && word.size() == 1) stat.state = word.front();
    if (field == kState) is_sound = word.size() == 1;
    if (field == kParent) is_sound = read_number(word, stat.parent);
    if (field == kSession) is_sound = read_number(word, stat.session);
    if (field == kStartTicks) is_sound = read_number(word, stat.start_ticks);
  }
  return is_sound ? std::optional(stat) : std::nullopt;
}

std::optional<ProcessStat> read_stat(int pid) {
  const UniqueFd file(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, 1024> buffer{};
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  return parse_process_stat({buffer.data(), static_cast<std::size_t>(size)});
}

}  // namespace chg
