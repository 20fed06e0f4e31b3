// A reading by read_nvml of what the stand-in library tells.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "probe/nvidia/nvml_probe.h"
#include "support/temporary_folder.h"
#include "unit/probe/fixed_clock.h"
#include "unit/probe/fixture.h"
#include "unit/probe/standin.h"

namespace chg {

class Nvml : public ::testing::Test {
 protected:
  ReadResult result(const std::string& generation = "full") {
    return read_nvml(clock_, standin_library(generation));
  }

  Observation look(const std::string& generation = "full") {
    return observation_or_throw(result(generation));
  }

  ReadFailure failure(const std::string& generation = "full") {
    const ReadResult found = result(generation);
    if (const auto* failed = std::get_if<ReadFailure>(&found)) return *failed;
    ADD_FAILURE() << "no failure";
    return {ReadFailure::Reason::Other, Error(ErrorKind::Failed, "")};
  }

  // What is told of a scenario's only GPU.
  GpuReading look_at(const std::string& gpu, const std::string& standin = "",
                     const std::string& generation = "full") {
    scenario_.put(gpu, standin);
    const Observation observation = look(generation);
    EXPECT_EQ(observation.gpus.size(), 1U);
    return observation.gpus.at(0);
  }

  std::string calls() { return read_text(log_); }
  std::string with_log() { return R"("log":")" + log_ + '"'; }
  std::ptrdiff_t count_of_calls(const std::string& function) {
    const std::string all = "\n" + calls();
    std::ptrdiff_t count = 0;
    const std::string line = "\n" + function + "\n";
    for (auto at = all.find(line); at != std::string::npos; at = all.find(line, at + 1)) ++count;
    return count;
  }

  FixedClock clock_;
  StandinScenario scenario_;
  TemporaryFolder folder_;
  std::string log_ = folder_.path("calls");
};

/// The scenario's text for a GPU with these processes.
inline std::string gpu_with(const std::string& processes) {
  return R"({"processes":[)" + processes + "]}";
}

}  // namespace chg
