#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/formats.h"

namespace chg {
namespace {

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

// Events instead of a tree: they have a line for everything, show a key that is set twice, and
// expand nothing.
class YamlEvents final : public YAML::EventHandler {
 public:
  explicit YamlEvents(EntryCollector& collector) : collector_(collector) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) collector_.refuse(line_of(mark), "more than one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (is_key_next()) collector_.refuse(line_of(mark), "a key is missing");
    collector_.nothing(line_of(mark));
    value_done();
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    collector_.refuse(line_of(mark), "aliases are not supported");
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    if (is_key_next()) {
      collector_.key(value, line_of(mark));
      open_.back() = State::Value;
    } else {
      collector_.text(value, line_of(mark));
      value_done();
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (is_key_next()) collector_.refuse(line_of(mark), "a list cannot be a key");
    collector_.open_list(line_of(mark));
    open_.push_back(State::Item);
  }
  void OnSequenceEnd() override {
    collector_.close_list();
    open_.pop_back();
    value_done();
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (is_key_next()) collector_.refuse(line_of(mark), "a section cannot be a key");
    collector_.open_section(line_of(mark));
    open_.push_back(State::Key);
  }
  void OnMapEnd() override {
    collector_.close_section();
    open_.pop_back();
    value_done();
  }

 private:
  // What comes next in each section or list that is open.
  enum class State { Key, Value, Item };

  bool is_key_next() const { return !open_.empty() && open_.back() == State::Key; }
  void value_done() {
    if (!open_.empty() && open_.back() == State::Value) open_.back() = State::Key;
  }

  EntryCollector& collector_;
  std::vector<State> open_;
  int documents_ = 0;
};

}  // namespace

void read_yaml(const std::string& text, EntryCollector& collector) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    YamlEvents events(collector);
    while (parser.HandleNextDocument(events)) {
    }
  } catch (const YAML::Exception& error) {
    collector.refuse(line_of(error.mark), error.msg);
  }
}

}  // namespace chg
