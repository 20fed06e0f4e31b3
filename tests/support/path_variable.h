#pragma once

#include <cstdlib>
#include <string>

#include <stdlib.h>

namespace chg {

/// Sets PATH for the time of its life.
class PathVariable {
 public:
  explicit PathVariable(const std::string& value) : before_(std::getenv("PATH")) {
    ::setenv("PATH", value.c_str(), 1);
  }
  ~PathVariable() { ::setenv("PATH", before_.c_str(), 1); }
  PathVariable(const PathVariable&) = delete;
  PathVariable& operator=(const PathVariable&) = delete;

  const std::string& before() const { return before_; }

 private:
  std::string before_;
};

}  // namespace chg
