// Whole answers of the tools, in the shape that several versions of them have: what is read in them
// by each who might be given them.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "probe/amd/amd_smi_text.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

std::string said(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "?";
}

std::string said(const std::optional<int>& value) { return value ? std::to_string(*value) : "?"; }

// "[INDEX:UUID USED/TOTAL@UTILIZATION TEMPERATURE POWER PID=MEMORY…]"
std::string shown(const std::optional<std::vector<GpuReading>>& gpus) {
  if (!gpus) return "none";
  std::string text;
  for (const GpuReading& gpu : *gpus) {
    text += "[" + std::to_string(gpu.index) + ":" + gpu.uuid + " " + said(gpu.memory_used_mib) +
            "/" + said(gpu.memory_total_mib) + "@" + said(gpu.utilization_percent) + " " +
            said(gpu.temperature_c) + " " + said(gpu.power_w);
    for (const GpuProcess& process : gpu.processes) {
      text += " " + std::to_string(process.pid) + "=" + said(process.memory_mib);
    }
    text += "]";
  }
  return text;
}

std::string amd_smi_metrics(const std::string& answer) {
  std::vector<GpuReading> gpus(2);
  gpus[1].index = 1;
  return add_amd_smi_metrics(gpus, answer) ? shown(gpus) : "none";
}

std::string amd_smi_processes(const std::string& answer) {
  const auto processes = parse_amd_smi_processes(answer);
  if (!processes) return "none";
  std::string text;
  for (const auto& [gpu, list] : *processes) {
    text += "[" + std::to_string(gpu) + ":" + std::to_string(list.size()) + "]";
  }
  return text;
}

TEST(WholeAnswers, OfAmdSmiTellTheMemoryInAListAndInAWrapper) {
  EXPECT_EQ(amd_smi_metrics(fixture("amd_smi_metric_list.json")),
            "[0: 210/8176@? ? ?][1: ?/?@? ? ?]");
  EXPECT_EQ(amd_smi_metrics(fixture("amd_smi_metric_wrapped.json")),
            "[0: 20450/30576@91 ? ?][1: ?/?@? ? ?]");
}

TEST(WholeAnswers, OfAmdSmiTellOfIdleGpusInTwoWays) {
  EXPECT_EQ(amd_smi_processes(fixture("amd_smi_process_old.json")), "[0:0][1:0]");
}

// What is answered to a question that the program never asks must not pass for a reading.
class Unasked : public ::testing::TestWithParam<const char*> {};

TEST_P(Unasked, IsNoReadingOfNvidiaSmi) {
  const std::string text = fixture(GetParam());
  EXPECT_EQ(shown(parse_gpus(text)), "");
  EXPECT_TRUE(parse_processes(text).processes.empty());
  EXPECT_TRUE(parse_processes(text).has_stray_text);
  const std::string message = nvidia_smi_error(text, "", 0).what();
  EXPECT_TRUE(message.starts_with("nvidia-smi gave no readings: '")) << message;
}

TEST_P(Unasked, IsNoReadingOfAmdSmi) {
  const std::string text = fixture(GetParam());
  EXPECT_EQ(shown(parse_amd_smi_gpus(text)), "none");
  EXPECT_EQ(amd_smi_metrics(text), "none");
  EXPECT_EQ(amd_smi_processes(text), "none");
  EXPECT_EQ(parse_amd_smi_version(text), "");
}

INSTANTIATE_TEST_SUITE_P(Answers, Unasked,
                         ::testing::Values("nvidia_list.txt", "nvidia_topology.txt",
                                           "nvidia_monitor.txt", "nvidia_accounted.csv",
                                           "nvidia_log.txt", "amd_smi_process_table.txt"));

}  // namespace
}  // namespace chg
