#include "config/entries.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

// Our keys need two levels. Nobody's file needs more than these.
constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kKeyLengthMax = 200;

}  // namespace

std::string with_underscores(std::string key) {
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

void EntryCollector::refuse(int line, std::string_view problem) const {
  const std::string place = line > 0 ? fmt::format(":{}", line) : "";
  throw Error(ErrorKind::Failed, fmt::format("cannot understand '{}{}': {}", printable(file_),
                                             place, printable(problem)));
}

void EntryCollector::check_depth(int line) const {
  const auto list_depth = list_ ? static_cast<std::size_t>(list_->depth) : 0;
  if (sections_.size() + list_depth >= kDepthMax) {
    refuse(line, fmt::format("nested deeper than {} levels", kDepthMax));
  }
}

// A list or section in a list: noted, and its content passed over. Whether that is an error depends
// on the key, which is not known here.
void EntryCollector::nest(int line) {
  check_depth(line);
  list_->is_nested = true;
  ++list_->depth;
}

void EntryCollector::open_section(int line) {
  if (list_) return nest(line);
  check_depth(line);
  sections_.push_back(sections_.empty() ? 0 : path_.size());
}

void EntryCollector::close_section() {
  if (list_) {
    --list_->depth;
  } else {
    sections_.pop_back();
  }
}

void EntryCollector::open_list(int line) {
  if (list_) return nest(line);
  if (sections_.empty()) refuse(line, "expected keys with values, found a list");
  check_depth(line);
  list_.emplace();
}

void EntryCollector::close_list() {
  if (--list_->depth > 0) return;
  RawValue value = std::move(list_->texts);
  if (list_->is_nested) value = NestedList{};
  list_.reset();
  add(std::move(value));
}

void EntryCollector::key(std::string_view name, int line) {
  if (list_) return;
  if (name.empty()) refuse(line, "a key is empty");
  path_.resize(sections_.back());
  if (path_.size() + name.size() > kKeyLengthMax) {
    refuse(line, fmt::format("a key is longer than {} characters", kKeyLengthMax));
  }
  if (!path_.empty()) path_ += '.';
  path_ += name;
  line_ = line;
}

void EntryCollector::text(std::string_view value, int line) {
  if (list_) {
    list_->texts.emplace_back(value);
  } else if (sections_.empty()) {
    refuse(line, fmt::format("expected keys with values, found '{}'", printable(value)));
  } else {
    add(std::string(value));
  }
}

void EntryCollector::nothing(int /*line*/) {
  // An item that is nothing is kept as an empty text, which no list takes. A file that is nothing
  // is an empty one.
  if (list_) {
    list_->texts.emplace_back();
  } else if (!sections_.empty()) {
    entries_.push_back({path_, {}, line_});
  }
}

void EntryCollector::add(RawValue value) {
  const auto [first, is_new] = lines_.emplace(with_underscores(path_), line_);
  if (!is_new) {
    refuse(line_, fmt::format("'{}' is set twice, first in line {}", path_, first->second));
  }
  entries_.push_back({path_, std::move(value), line_});
}

}  // namespace chg
