// The rows of a tool's CSV answer, found by the names of their columns.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// One row. Everything it gives is a view into the text that was read.
struct CsvRow {
  std::vector<std::string_view> columns;  ///< names, without units
  std::vector<std::string_view> fields;   ///< as many as columns, trimmed

  /// The field of the first of these columns that the row has, or "": drivers differ in the names.
  std::string_view field(std::initializer_list<std::string_view> names) const;
  bool has_column(std::string_view name) const;
};

struct CsvRows {
  std::vector<CsvRow> rows;
  std::vector<std::string_view> others;  ///< lines that are neither row, header nor blank; trimmed
};

/// Reads `text` line by line. `columns`, comma-separated, names the fields until a header line
/// does. Commas inside of a field are accepted in the first of `free_text_columns` that there is. A
/// line with another number of fields, or one that `is_row` refuses, is no row.
CsvRows read_csv(std::string_view text, std::string_view columns,
                 std::initializer_list<std::string_view> free_text_columns,
                 const std::function<bool(const CsvRow&)>& is_row);

}  // namespace chg
