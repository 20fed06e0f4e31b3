#include <cstddef>
#include <iterator>

#include <nlohmann/json.hpp>

#include "config/formats.h"

namespace chg {
namespace {

using nlohmann::json;

// Reads the text for the parser and counts lines on the way: the library says the line of an error,
// but not of a value.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, int& line) : at_(at), line_(&line) {}

  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_++ == '\n') ++*line_;
    return *this;
  }
  CountingIterator operator++(int) {
    const CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  int* line_;
};

// Events instead of a tree: a tree forgets the first of two values of one key.
class JsonEvents final : public nlohmann::json_sax<json> {
 public:
  JsonEvents(EntryCollector& collector, const int& line) : collector_(collector), line_(line) {}

  bool null() override {
    collector_.nothing(line_);
    return true;
  }
  bool boolean(bool value) override { return text(value ? "true" : "false"); }
  bool number_integer(json::number_integer_t value) override { return text(std::to_string(value)); }
  bool number_unsigned(json::number_unsigned_t value) override {
    return text(std::to_string(value));
  }
  bool number_float(json::number_float_t, const std::string& written) override {
    return text(written);
  }
  bool string(std::string& value) override { return text(value); }
  bool binary(json::binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    collector_.open_section(line_);
    return true;
  }
  bool key(std::string& name) override {
    // The parser has read up to the closing quote, and no string goes over the end of a line.
    collector_.key(name, line_);
    return true;
  }
  bool end_object() override {
    collector_.close_section();
    return true;
  }
  bool start_array(std::size_t) override {
    collector_.open_list(line_);
    return true;
  }
  bool end_array() override {
    collector_.close_list();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: " is not for people.
    const std::string what = error.what();
    const std::size_t column = what.find("column ");
    const std::size_t colon = column == std::string::npos ? column : what.find(": ", column);
    collector_.refuse(line_, colon == std::string::npos ? what : what.substr(colon + 2));
  }

 private:
  bool text(const std::string& value) {
    collector_.text(value, line_);
    return true;
  }

  EntryCollector& collector_;
  const int& line_;
};

}  // namespace

void read_json(const std::string& text, EntryCollector& collector) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return;
  int line = 1;
  JsonEvents events(collector, line);
  const char* end = text.data() + text.size();
  json::sax_parse(CountingIterator(text.data(), line), CountingIterator(end, line), &events);
}

}  // namespace chg
