// A promise that was broken.
#pragma once

#include <stdexcept>
#include <string>

namespace chg::sim {

class Violation : public std::runtime_error {
 public:
  /// `rule` names the promise in a word or two; it stays the same while a history is shortened.
  Violation(std::string rule, const std::string& details)
      : std::runtime_error(rule + ": " + details), rule_(std::move(rule)) {}

  const std::string& rule() const { return rule_; }

 private:
  std::string rule_;
};

}  // namespace chg::sim
