#include "render/table.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace chg {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kCellColumnsMax = 1000;
// The width down to which columns are shortened in each round, so that wide ones shrink first.
constexpr std::size_t kRounds[] = {32, 16, 0};

class Table {
 public:
  Table(std::vector<Column> columns, std::vector<Row> rows)
      : columns_(std::move(columns)), rows_(std::move(rows)) {
    for (const Column& column : columns_) widths_.push_back(display_width(column.title));
    for (Row& row : rows_) {
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        row[i].text = row[i].text.empty() ? "-" : printable(row[i].text, kCellColumnsMax);
        widths_[i] = std::max(widths_[i], display_width(row[i].text));
      }
    }
  }

  void fit(std::size_t limit) {
    while (least_width() > limit && drop_one()) {
    }
    for (const std::size_t enough : kRounds) {
      for (const std::size_t i : in_order_of_giving_way()) {
        shorten(i, std::max(enough, least(i)), limit);
      }
    }
    // Even the columns that must stay are too wide: cut from the right, so that no line wraps.
    for (std::size_t i = columns_.size(); i-- > 0;) shorten(i, 1, limit);
  }

  std::string text(const Style& style) const {
    Row titles;
    for (const Column& column : columns_) titles.emplace_back(column.title);
    std::string result = line(titles, style);
    for (const Row& row : rows_) result += line(row, style);
    return result;
  }

 private:
  std::size_t width() const {
    const std::size_t gaps = columns_.empty() ? 0 : kGap * (columns_.size() - 1);
    return std::accumulate(widths_.begin(), widths_.end(), gaps);
  }

  std::size_t least(std::size_t i) const {
    const bool shrinks = columns_[i].gives_way != 0 && !columns_[i].is_whole;
    return shrinks ? std::min(widths_[i], display_width(columns_[i].title)) : widths_[i];
  }

  std::size_t least_width() const {
    std::size_t sum = width();
    for (std::size_t i = 0; i < columns_.size(); ++i) sum -= widths_[i] - least(i);
    return sum;
  }

  std::vector<std::size_t> in_order_of_giving_way() const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].gives_way != 0) order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return columns_[a].gives_way < columns_[b].gives_way;
    });
    return order;
  }

  bool drop_one() {
    const std::vector<std::size_t> order = in_order_of_giving_way();
    if (order.empty()) return false;
    const auto place = static_cast<std::ptrdiff_t>(order.front());
    columns_.erase(columns_.begin() + place);
    widths_.erase(widths_.begin() + place);
    for (Row& row : rows_) row.erase(row.begin() + place);
    return true;
  }

  void shorten(std::size_t i, std::size_t least_allowed, std::size_t limit) {
    if (width() <= limit || widths_[i] <= least_allowed) return;
    widths_[i] -= std::min(width() - limit, widths_[i] - least_allowed);
  }

  std::string line(const Row& row, const Style& style) const {
    std::string result;
    std::size_t owed = 0;  // spaces, written only once something follows them
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string shown = printable(row[i].text, widths_[i]);
      const std::size_t free = widths_[i] - std::min(widths_[i], display_width(shown));
      result.append(owed + (columns_[i].is_number ? free : 0), ' ');
      result += painted(shown, row[i].color, style);
      owed = kGap + (columns_[i].is_number ? 0 : free);
    }
    return result + "\n";
  }

  std::vector<Column> columns_;
  std::vector<Row> rows_;
  std::vector<std::size_t> widths_;
};

}  // namespace

std::string table_text(std::vector<Column> columns, std::vector<Row> rows, const Style& style) {
  Table table(std::move(columns), std::move(rows));
  if (style.columns != 0) table.fit(style.columns);
  return table.text(style);
}

}  // namespace chg
