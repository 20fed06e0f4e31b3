#include "config/yaml_file.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

// Our keys need two levels. Nobody's file needs more than these.
constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kKeyLengthMax = 200;

// 0 where the library does not say.
int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

[[noreturn]] void refuse_file(const std::string& file, int line, std::string_view problem) {
  const std::string place = line > 0 ? fmt::format(":{}", line) : "";
  throw Error(ErrorKind::Failed,
              fmt::format("cannot understand '{}{}': {}", file, place, printable(problem)));
}

// Events instead of a tree: they have a line for everything, show a key that is set twice, and
// expand nothing.
class YamlEvents final : public YAML::EventHandler {
 public:
  explicit YamlEvents(const std::string& file) : file_(file) {}

  std::vector<FileEntry> take() { return std::move(entries_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "more than one document");
  }
  void OnDocumentEnd() override {}

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases are not supported");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (is_next(Next::Key)) refuse(mark, "a key is missing");
    // An item that is nothing is kept as an empty text, which no list takes. A file that is nothing
    // is an empty one.
    if (list_) {
      list_->emplace_back();
    } else if (!open_.empty()) {
      entries_.push_back({path_, {}, line_});
    }
    value_done();
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    if (is_next(Next::Key)) return begin_value(mark, value);
    if (open_.empty()) {
      refuse(mark, fmt::format("expected keys with values, found '{}'", printable(value)));
    }
    if (list_) {
      list_->push_back(value);
    } else {
      add(value);
    }
    value_done();
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (is_next(Next::Key)) refuse(mark, "a list cannot be a key");
    if (open_.empty()) refuse(mark, "expected keys with values, found a list");
    open(mark, Next::Item);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (is_next(Next::Key)) refuse(mark, "a section cannot be a key");
    open(mark, Next::Key);
  }
  void OnMapEnd() override { close(); }

 private:
  enum class Next { Key, Value, Item };

  // A section or list that is open.
  struct Open {
    Next next{};
    std::size_t name_size = 0;  ///< how much of path_ is its name
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view problem) const {
    refuse_file(file_, line_of(mark), problem);
  }

  bool is_next(Next next) const { return !open_.empty() && open_.back().next == next; }
  void value_done() {
    if (is_next(Next::Value)) open_.back().next = Next::Key;
  }

  void begin_value(const YAML::Mark& mark, const std::string& name) {
    open_.back().next = Next::Value;
    if (list_) return;
    if (name.empty()) refuse(mark, "a key is empty");
    path_.resize(open_.back().name_size);
    if (path_.size() + name.size() > kKeyLengthMax) {
      refuse(mark, fmt::format("a key is longer than {} characters", kKeyLengthMax));
    }
    if (!path_.empty()) path_ += '.';
    path_ += name;
    line_ = line_of(mark);
  }

  void open(const YAML::Mark& mark, Next next) {
    if (open_.size() >= kDepthMax) {
      refuse(mark, fmt::format("nested deeper than {} levels", kDepthMax));
    }
    if (list_) {
      is_nested_ = true;
    } else if (next == Next::Item) {
      list_.emplace();
      list_place_ = open_.size();
      is_nested_ = false;
    }
    open_.push_back({next, path_.size()});
  }

  void close() {
    open_.pop_back();
    if (list_ && open_.size() == list_place_) {
      // Whether a nested list is an error depends on the key.
      add(is_nested_ ? RawValue(NestedList{}) : RawValue(std::move(*list_)));
      list_.reset();
    }
    value_done();
  }

  void add(RawValue value) {
    const auto [first, is_new] = lines_.emplace(path_, line_);
    if (!is_new) {
      refuse_file(file_, line_,
                  fmt::format("'{}' is set twice, first in line {}", path_, first->second));
    }
    entries_.push_back({path_, std::move(value), line_});
  }

  const std::string& file_;
  int documents_ = 0;
  std::vector<Open> open_;
  std::string path_;                              // the last key, in full
  int line_ = 0;                                  // and its line
  std::optional<std::vector<std::string>> list_;  // the texts of the outermost open list
  std::size_t list_place_ = 0;                    // in open_
  bool is_nested_ = false;                        // lists or sections are in it
  std::map<std::string, int> lines_;              // of the keys that have a value
  std::vector<FileEntry> entries_;
};

}  // namespace

std::string with_underscores(std::string key) {
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::vector<FileEntry> read_yaml(const std::string& text, const std::string& file) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    YamlEvents events(file);
    while (parser.HandleNextDocument(events)) {
    }
    return events.take();
  } catch (const YAML::Exception& error) {
    refuse_file(file, line_of(error.mark), error.msg);
  }
}

}  // namespace chg
