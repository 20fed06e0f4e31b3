// The stand-in for NVIDIA's library (tests/standin/nvml.cpp), and what it tells.
#pragma once

#include <cstdlib>
#include <string>

#include "support/temporary_folder.h"

namespace chg {

/// The library of one generation: "full", "r535", "old", "bare".
inline std::string standin_library(const std::string& generation = "full") {
  return std::string(STANDIN) + "/" + generation + "/libnvidia-ml.so.1";
}

/// The scenario that the stand-in reads, for the life of a test.
class StandinScenario {
 public:
  StandinScenario() { ::setenv(kVariable, file().c_str(), 1); }
  ~StandinScenario() { ::unsetenv(kVariable); }
  StandinScenario(const StandinScenario&) = delete;
  StandinScenario& operator=(const StandinScenario&) = delete;

  std::string file() const { return folder_.path("scenario.json"); }

  /// `gpus` and `standin`: the content of the list and of the object of that name.
  void put(const std::string& gpus, const std::string& standin = "") {
    folder_.write("scenario.json", R"({"gpus":[)" + gpus + R"(],"standin":{)" + standin + "}}");
  }

 private:
  static constexpr const char* kVariable = "NVML_STANDIN_SCENARIO";
  TemporaryFolder folder_;
};

}  // namespace chg
