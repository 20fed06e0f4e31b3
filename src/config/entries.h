// What a configuration file says, as a flat list: the same for YAML and JSON.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace chg {

struct FileEntry {
  std::string key;  ///< sections and names joined by dots, dashes turned into underscores
  RawValue value;
  int line = 0;  ///< of the key, counted from 1; 0 where the format's reader doesn't say
};

/// A list that is still open.
struct OpenList {
  std::vector<std::string> texts;
  int depth = 1;  ///< lists and sections that are open, from this list on
  bool is_nested = false;
};

/// Turns the events of a reader, which come in the order of the file, into entries. Refuses what no
/// sane file holds: deep nesting, endless names, a key that is set twice.
class EntryCollector {
 public:
  /// `file` names the file in messages.
  explicit EntryCollector(std::string file) : file_(std::move(file)) {}

  void open_section(int line);
  void close_section();
  void open_list(int line);
  void close_list();

  /// The name of what comes next in the section that is open. It may hold dots: "run.timeout".
  void key(std::string_view name, int line);
  void text(std::string_view value, int line);
  void nothing(int line);

  /// Throws Error(Failed) that says that the file can't be understood, where, and why.
  [[noreturn]] void refuse(int line, std::string_view problem) const;

  /// The entries, after the last event.
  std::vector<FileEntry> take() { return std::move(entries_); }

 private:
  void check_depth(int line) const;
  void nest(int line);
  void add(RawValue value);

  std::string file_;
  std::string path_;                   ///< the last key, in full
  int line_ = 0;                       ///< and its line
  std::vector<std::size_t> sections_;  ///< for each open one, how much of path_ is its name
  std::optional<OpenList> list_;       ///< the open one
  std::map<std::string, int> lines_;   ///< of the keys that have a value
  std::vector<FileEntry> entries_;
};

}  // namespace chg
