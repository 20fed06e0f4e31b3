// Tables of text, kept straight and within the terminal.
#pragma once

#include <string>
#include <vector>

#include "render/style.h"

namespace chg {

struct Column {
  std::string title;
  /// When the table is too wide: 0 stays, 1 gives way first. A column is first shortened, down to
  /// its title, and left out only when that is not enough for all.
  int gives_way = 0;
  bool is_whole = false;   ///< half of it says nothing: left out, never shortened
  bool is_number = false;  ///< aligned to the right
};

struct Cell {
  Cell(std::string content, Color paint = Color::None) : text(std::move(content)), color(paint) {}

  std::string text;  ///< made printable here; "" is shown as "-"
  Color color;
};

using Row = std::vector<Cell>;

/// A line of titles and one line for each row, two spaces between columns, none at the end. No line
/// is wider than style.columns; what does not fit ends in "…".
/// REQUIRES: each row has all columns.
std::string table_text(std::vector<Column> columns, std::vector<Row> rows, const Style& style);

}  // namespace chg
