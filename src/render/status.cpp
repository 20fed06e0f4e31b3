#include "render/status.h"

#include <fmt/format.h>

#include "render/gpu_phrases.h"
#include "render/table.h"
#include "render/words.h"

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
  add(row.inner);
  add(row.leftovers);
  if (!row.foreign.empty()) add(painted(kAlsoUsed, Color::Red, style) + " " + row.foreign);
  if (!row.notice.empty()) add(painted("NOTICE:", Color::Yellow, style) + " " + row.notice);
  add(row.lost_by);
  add(row.held_for);
  add(row.draining);
  add(enclosed('"', row.note, '"'));
  return line + "\n";
}

// Shorter than in a line: the title of the column says the rest.
std::string short_status(GpuStatus status) {
  return status == GpuStatus::Unreserved ? "UNRESERVED" : status_word(status);
}

// "expires in 3h 15m 45s": the kind of the reservation has a column of its own.
std::string details_without_kind(const GpuRow& row) {
  for (const ReservationKind kind : {ReservationKind::Run, ReservationKind::Manual}) {
    const std::string prefix = kind_word(kind) + ", ";
    if (row.type == kind_label(kind) && row.details.starts_with(prefix)) {
      return row.details.substr(prefix.size());
    }
  }
  return row.details;
}

// Warnings come first, since a narrow table cuts the end.
std::string all_details(const GpuRow& row) {
  std::vector<std::string> phrases;
  for (const std::string& phrase :
       {row.foreign.empty() ? "" : "also used " + row.foreign, row.notice, row.lost_by, row.inner,
        row.leftovers, row.held_for, row.draining,
        row.unreserved_use.empty() ? row.unreserved_by : row.unreserved_use,
        details_without_kind(row)}) {
    if (!phrase.empty()) phrases.push_back(phrase);
  }
  return fmt::format("{}", fmt::join(phrases, ", "));
}

// "45MB used, 30%, 41C, 120W": the brackets of a line without the word before, and the readings.
// They come last, since a narrow table cuts the end.
std::string short_validation(const GpuRow& row) {
  const std::string prefix = "validated: ";
  std::string text = row.validation;
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  const auto add = [&](const std::optional<int>& value, const char* unit) {
    if (value) text += fmt::format("{}{}{}", text.empty() ? "" : ", ", *value, unit);
  };
  add(row.utilization_percent, "%");
  add(row.temperature_c, "C");
  add(row.power_w, "W");
  if (row.mig_devices > 0) add(row.mig_devices, " parts");
  return text;
}

Row cells_of(const GpuRow& row) {
  return {fmt::to_string(row.gpu),
          Cell(short_status(row.status), status_color(row.status)),
          row.user,
          row.duration,
          row.type,
          Cell(all_details(row), row.foreign.empty() ? Color::None : Color::Red),
          short_validation(row),
          row.model,
          row.note};
}

}  // namespace

std::string status_lines(const std::vector<GpuRow>& rows, const Style& style) {
  std::string text;
  for (const GpuRow& row : rows) text += line_of(row, style);
  return text;
}

std::string status_table(const std::vector<GpuRow>& rows, const Style& style) {
  std::vector<Row> cells;
  for (const GpuRow& row : rows) cells.push_back(cells_of(row));
  return table_text({{.title = "GPU", .is_number = true},
                     {.title = "STATUS"},
                     {.title = "USER", .gives_way = 7},
                     {.title = "DURATION", .gives_way = 6, .is_whole = true},
                     {.title = "TYPE", .gives_way = 5, .is_whole = true},
                     {.title = "DETAILS", .gives_way = 4},
                     {.title = "VALIDATION", .gives_way = 3},
                     {.title = "MODEL", .gives_way = 2},
                     {.title = "NOTE", .gives_way = 1}},
                    std::move(cells), style);
}

}  // namespace chg
