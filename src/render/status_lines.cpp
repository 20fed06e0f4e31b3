#include <fmt/format.h>

#include "render/gpu_phrases.h"
#include "render/status.h"

namespace chg {
namespace {

constexpr char kAlsoUsed[] = "ALSO USED WITHOUT RESERVATION";

std::string enclosed(char left, const std::string& text, char right) {
  return text.empty() ? "" : left + text + right;
}

std::string with(const std::string& text, const char* separator, const std::string& more) {
  return more.empty() ? text : text + separator + more;
}

std::string by_whom(const GpuRow& row) {
  if (!row.unreserved_by.empty()) return with(row.unreserved_by, " - ", row.unreserved_use);
  return row.user.empty() ? "" : with("by " + row.user, " for ", row.duration);
}

std::string line_of(const GpuRow& row, const Style& style) {
  std::string line = fmt::format("GPU {}: {}", row.gpu,
                                 painted(status_word(row.status), status_color(row.status), style));
  const auto add = [&](const std::string& phrase) { line = with(line, " ", phrase); };
  add(by_whom(row));
  add(enclosed('(', row.details, ')'));
  add(enclosed('[', row.validation, ']'));
  add(row.leftovers);
  if (!row.foreign.empty()) add(painted(kAlsoUsed, Color::Red, style) + " " + row.foreign);
  add(row.lost_by);
  add(row.held_for);
  add(row.draining);
  add(enclosed('"', row.note, '"'));
  return line + "\n";
}

}  // namespace

std::string status_lines(const std::vector<GpuRow>& rows, const Style& style) {
  std::string text;
  for (const GpuRow& row : rows) text += line_of(row, style);
  return text;
}

}  // namespace chg
