#include "process/pid_mark.h"

#include <string>
#include <string_view>

#include "base/file_text.h"
#include "base/number.h"

namespace chg {
namespace {

// Of 32768 pids, the fewest that a kernel is built with but for tiny ones, while many of them are
// in use.
constexpr std::uint64_t kBegunMax = 10'000;

// The number behind `label` in the file.
template <typename Number>
bool read_number(const char* path, std::string_view label, Number& number) {
  const auto text = read_file(path);
  const std::size_t found = text ? text->find(label) : std::string::npos;
  if (found == std::string::npos) return false;
  std::string_view rest = std::string_view(*text).substr(found + label.size());
  const auto read = cut_number<Number>(rest);
  number = read.value_or(number);
  return read.has_value();
}

}  // namespace

std::optional<PidMark> mark_pids() {
  PidMark mark;
  // What begins between the two only makes the row seem to have moved too far.
  if (!read_number("/proc/stat", "\nprocesses ", mark.begun)) return std::nullopt;
  if (!read_number("/proc/sys/kernel/ns_last_pid", "", mark.last_pid)) return std::nullopt;
  return mark;
}

std::optional<int> last_pid_before(const PidMark& mark, const PidMark& now) {
  const std::uint64_t begun = now.begun - mark.begun;
  const bool is_of_one_row = now.begun >= mark.begun && begun <= kBegunMax &&
                             now.last_pid >= mark.last_pid &&
                             static_cast<std::uint64_t>(now.last_pid - mark.last_pid) <= begun;
  return is_of_one_row ? std::optional(mark.last_pid) : std::nullopt;
}

}  // namespace chg
