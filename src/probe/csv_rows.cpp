#include "probe/csv_rows.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace chg {
namespace {

using Cells = std::vector<std::string_view>;

constexpr std::string_view kBlanks = " \t\r\n\v\f";

// No tool writes such a row; a broken one must not cost a view for every comma of 16 MiB.
constexpr std::size_t kLineBytesMax = 64U << 10;

Cells split(std::string_view line) {
  Cells fields;
  while (true) {
    const std::size_t comma = line.find(',');
    fields.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

std::string_view without_unit(std::string_view name) { return name.substr(0, name.find(" [")); }

bool is_identifier(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_';
         });
}

// No row can pass for a header: it has a number, a bus id or a UUID somewhere.
bool is_header(const Cells& names) {
  static constexpr std::array<std::string_view, 10> kKnown = {
      "index",    "uuid", "name",         "memory.used", "memory.total",
      "gpu_uuid", "pid",  "process_name", "used_memory", "used_gpu_memory"};
  return std::all_of(names.begin(), names.end(), is_identifier) &&
         std::any_of(names.begin(), names.end(), [](std::string_view name) {
           return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
         });
}

Cells column_names(std::string_view line) {
  Cells names = split(line);
  for (std::string_view& name : names) name = without_unit(name);
  return names;
}

std::optional<std::size_t> find_any(const Cells& columns,
                                    std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found != columns.end()) return static_cast<std::size_t>(found - columns.begin());
  }
  return std::nullopt;
}

// The fields of a line, where those that are too many belong to the column of free text.
std::optional<Cells> fit(std::string_view line, std::size_t count,
                         std::optional<std::size_t> free_text) {
  Cells fields = split(line);
  if (fields.size() == count) return fields;
  if (fields.size() < count || !free_text) return std::nullopt;
  const std::size_t first = *free_text;
  const std::size_t last = first + fields.size() - count;
  const char* const begin = fields[first].data();
  const char* const end = fields[last].data() + fields[last].size();
  fields[first] = std::string_view(begin, static_cast<std::size_t>(end - begin));
  fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(first) + 1,
               fields.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  return fields;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return text.substr(0, 0);
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view CsvRow::field(std::initializer_list<std::string_view> names) const {
  const std::optional<std::size_t> found = find_any(columns, names);
  return found ? fields[*found] : std::string_view();
}

bool CsvRow::has_column(std::string_view name) const {
  return find_any(columns, {name}).has_value();
}

CsvRows read_csv(std::string_view text, std::string_view columns,
                 std::initializer_list<std::string_view> free_text_columns,
                 const std::function<bool(const CsvRow&)>& is_row) {
  CsvRows result;
  Cells names = column_names(columns);
  std::optional<std::size_t> free_text = find_any(names, free_text_columns);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    if (line.size() > kLineBytesMax) {
      result.others.push_back(line);
      continue;
    }
    if (Cells header = column_names(line); is_header(header)) {
      names = std::move(header);
      free_text = find_any(names, free_text_columns);
      continue;
    }
    std::optional<Cells> fields = fit(line, names.size(), free_text);
    CsvRow row{names, fields ? std::move(*fields) : Cells()};
    if (fields && is_row(row)) {
      result.rows.push_back(std::move(row));
    } else {
      result.others.push_back(line);
    }
  }
  return result;
}

}  // namespace chg
