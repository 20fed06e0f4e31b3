// Outputs of tools for AMD GPUs that others recorded. They are not part of the project: where the
// folder is missing, the test says so and is skipped.
#include <filesystem>
#include <map>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "probe/amd/amd_smi_text.h"
#include "probe/amd/rocm_smi_text.h"
#include "unit/probe/fixture.h"
#include "unit/probe/said.h"

namespace chg {
namespace {

// "INDEX:UUID USED/TOTAL@UTILIZATION TEMPERATURE POWER"
std::string shown(const std::optional<std::vector<GpuReading>>& gpus) {
  if (!gpus) return "none";
  std::string text;
  for (const GpuReading& gpu : *gpus) {
    text += "[" + std::to_string(gpu.index) + ":" + gpu.uuid + " " + said(gpu.memory_used_mib) +
            "/" + said(gpu.memory_total_mib) + "@" + said(gpu.utilization_percent) + " " +
            said(gpu.temperature_c) + " " + said(gpu.power_w) + "]";
  }
  return text;
}

std::string shown_processes(const std::string& answer) {
  const auto processes = parse_amd_smi_processes(answer);
  if (!processes) return "none";
  std::string text;
  for (const auto& [gpu, list] : processes->by_gpu) {
    text += "[" + std::to_string(gpu) + ":";
    for (const GpuProcess& process : list) {
      text += " " + std::to_string(process.pid) + "(" + process.program +
              ")=" + said(process.memory_mib);
    }
    text += "]";
  }
  return text;
}

std::string shown_metrics(const std::string& answer) {
  std::vector<GpuReading> gpus(4);
  for (int i = 0; i < 4; ++i) gpus[static_cast<std::size_t>(i)].index = i;
  if (!add_amd_smi_metrics(gpus, answer)) return "none";
  std::erase_if(gpus, [](const GpuReading& gpu) { return !gpu.memory_used_mib; });
  return shown(gpus);
}

std::string shown_rocm_processes(const std::string& answer) {
  const auto processes = parse_rocm_smi_processes(answer);
  if (!processes) return "none";
  std::string text;
  for (const RocmSmiProcess& process : *processes) {
    text += "[" + std::to_string(process.pid) + "(" + process.program + ") " +
            said(process.gpu_count) + " " + said(process.vram_bytes) + "]";
  }
  return text;
}

// Answers to several questions, each in a line below a remark.
std::string shown_line_by_line(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) result += shown_processes(line) + ";";
  }
  return result;
}

enum class AmdSample { Gpus, Metrics, Processes, ManyProcesses, Cards, CardProcesses, Unasked };

std::string read_as(AmdSample kind, const std::string& text) {
  switch (kind) {
    case AmdSample::Gpus:
      return shown(parse_amd_smi_gpus(text));
    case AmdSample::Metrics:
      return shown_metrics(text);
    case AmdSample::Processes:
      return shown_processes(text);
    case AmdSample::ManyProcesses:
      return shown_line_by_line(text);
    case AmdSample::Cards:
      return shown(parse_rocm_smi_gpus(text));
    case AmdSample::CardProcesses:
      return shown_rocm_processes(text);
    case AmdSample::Unasked:
      return shown(parse_amd_smi_gpus(text)) + shown_metrics(text) + shown_processes(text) +
             shown(parse_rocm_smi_gpus(text)) + shown_rocm_processes(text) +
             parse_amd_smi_version(text);
  }
  return {};
}

struct AmdExpectation {
  AmdSample kind;
  std::string expected;
};

// The same processes under each of so many GPUs, as versions up to 26.2 list them.
std::string under_each(int gpus, const std::string& processes) {
  std::string text;
  for (int i = 0; i < gpus; ++i) text += "[" + std::to_string(i) + ":" + processes + "]";
  return text;
}

const std::multimap<std::string, AmdExpectation>& amd_expectations() {
  static const std::string two_cards =
      " 213534(python3.12)=1 213890(python3.12)=1 213952(python3.12)=20590"
      " 213953(python3.12)=19554";
  static const std::string four_cards =
      " 1882331(python3.12)=1 1883200(python3.12)=1 1883505(python3.12)=28803"
      " 1883506(python3.12)=27623 1883507(python3.12)=27623 1883508(python3.12)=27561";
  static const std::string unasked = "nonenonenonenonenone";
  static const std::multimap<std::string, AmdExpectation> table = {
      {"amd-smi_metric__navi23-rocm6.x-array__mem_usage-excerpt.json",
       {AmdSample::Metrics, "[0: 202/8176@? ? ?]"}},
      {"amd-smi_metric__rocm7.x-wrapped__gpu0-excerpt.json",
       {AmdSample::Metrics, "[0: 20450/30576@91 ? ?]"}},
      {"roctop__r9700-rocm7.2__amdsmi_metric_ecc.json", {AmdSample::Metrics, ""}},
      {"roctop__r9700-rocm7.2__amdsmi_static.json",
       {AmdSample::Gpus,
        "[0:GPU-64ac21a676f77a5b ?/?@? ? ?][1:GPU-10db7231938f80d6 ?/?@? ? ?]"
        "[2:GPU-e9ed4857e8792af2 ?/?@? ? ?][3:GPU-10c90cdc05825aae ?/?@? ? ?]"}},

      {"amd-smi_process__bulk-vs-per-gpu.txt",
       {AmdSample::ManyProcesses,
        "[0: 2828560()=0][1: 2828560()=0];[0: 2828560()=0];[1: 2828560()=258300];[7:];"}},
      {"amd-smi_process__idle-sentinel.json", {AmdSample::Processes, "[0:]"}},
      {"amd-smi_process__rocm5.7-6.1-style__none.json", {AmdSample::Processes, "[0:]"}},
      {"amd-smi_process__sort-by-pid__pr6396.json",
       {AmdSample::Processes, "[0: 2168274(python3.12)=6][1: 2168274(python3.12)=64]"}},
      {"rocm-issue5706__2xR9700-rocm7.2.0__amd-smi_process.json",
       {AmdSample::Processes, under_each(2, two_cards)}},
      {"roctop__r9700-rocm7.2__amdsmi_process.json",
       {AmdSample::Processes, under_each(4, four_cards)}},

      {"rocm-smi_use-meminfo__rx7900xt.json", {AmdSample::Cards, "[0: 27/20464@0 ? ?]"}},
      {"telegraf__amd_rocm_smi__mi100_rocm571.json",
       {AmdSample::Cards,
        "[0:PCI-0000:1e:00.0 7/32752@0 31 39][1:PCI-0000:22:00.0 7/32752@0 30 37]"
        "[2:PCI-0000:3f:00.0 7/32752@0 31 35][3:PCI-0000:43:00.0 7/32752@0 33 39]"
        "[4:PCI-0000:46:00.0 7/32752@0 32 39][5:PCI-0000:49:00.0 7/32752@0 33 40]"}},
      {"telegraf__amd_rocm_smi__mi100_rocm571.json",
       {AmdSample::CardProcesses, "[104225(mlir-cpu-runner) 0 0]"}},
      {"telegraf__amd_rocm_smi__mi100_rocm602.json",
       {AmdSample::Cards,
        "[0:GPU-79ccd55167a2124a 7/32752@0 53 36][1:GPU-04edfb117a17a07d 7/32752@0 55 44]"
        "[2:GPU-d4a9ec48d03d261d 7/32752@0 54 43][3:GPU-1b9dd972253c3736 7/32752@0 51 39]"}},
      {"telegraf__amd_rocm_smi__mi100_rocm602.json", {AmdSample::CardProcesses, ""}},
      {"telegraf__amd_rocm_smi__rx6700xt_rocm612.json",
       {AmdSample::Cards, "[0:PCI-0000:07:00.0 1500/12272@0 45 6]"}},
      {"rocm-smi_showpids__json-flat.json",
       {AmdSample::CardProcesses, "[710898(demo::schedul) 1 200145596416]"}},

      // Answers in forms that are not asked for must not pass for others.
      {"amd-smi_process__rocm6.4.0-nonroot.txt", {AmdSample::Unasked, unasked}},
      {"rocm-issue5706__2xR9700-rocm7.2.0__amd-smi_default.txt", {AmdSample::Unasked, unasked}},
      {"rocm-issue5706__amd-smi_--version_error.txt", {AmdSample::Unasked, unasked}},
      {"rocm-smi_showpids__2025-04__table.txt", {AmdSample::Unasked, unasked}},
      {"rocm-smi_showpids__UNKNOWN.txt", {AmdSample::Unasked, unasked}},
      {"rocm-smi_showpids__rocm6.4.2__details.txt", {AmdSample::Unasked, unasked}},
      {"rocm-smi_use-meminfo__rx7900xt.csv", {AmdSample::Unasked, unasked}},
  };
  return table;
}

bool is_amd(const std::string& name) {
  for (const char* prefix : {"amd-smi", "rocm-", "roctop", "telegraf__amd"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

TEST(RecordedAmdOutputs, AreReadAsTheyWereMeant) {
  const std::filesystem::path folder = std::string(FIXTURES) + "/../../../shared/samples";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "there are no recorded outputs in " << folder;
  }
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (!is_amd(name)) continue;
    SCOPED_TRACE(name);
    const auto [first, last] = amd_expectations().equal_range(name);
    EXPECT_TRUE(first != last) << "nobody has said what is in it";
    const std::string text = read_text(entry.path());
    for (auto known = first; known != last; ++known, ++checked) {
      EXPECT_EQ(read_as(known->second.kind, text), known->second.expected);
    }
  }
  EXPECT_EQ(checked, amd_expectations().size());
}

}  // namespace
}  // namespace chg
