// Outputs that others recorded. They are not part of the project: where the folder is missing, the
// test says so and is skipped.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "probe/nvidia/nvidia_smi_failure.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "probe/nvidia/nvidia_smi_xml.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

std::string said(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "?";
}

std::string shown(const std::vector<GpuReading>& gpus) {
  std::string text;
  for (const GpuReading& gpu : gpus) {
    text += " " + std::to_string(gpu.index) + ":" + said(gpu.memory_used_mib) + "/" +
            said(gpu.memory_total_mib) + "@" +
            (gpu.utilization_percent ? std::to_string(*gpu.utilization_percent) : "?") +
            (gpu.error.empty() ? "" : "!" + gpu.error);
  }
  return text;
}

std::string shown(const ProcessTable& table) {
  std::string text;
  for (const ListedProcess& listed : table.processes) {
    text += " " + std::to_string(listed.process.pid) + "(" + listed.process.program +
            "):" + said(listed.process.memory_mib);
  }
  return text + (table.has_stray_text ? " stray" : "");
}

// Other: the answer to a question that the program never asks. It is no reading, and what the
// program would say of it quotes the line by which people see what it is.
enum class Kind { Gpus, Processes, Failure, Other };

struct Expectation {
  Kind kind;
  std::string columns;   // where the file has no header
  std::string expected;  // readings as shown() has them, or what is said of the text
};

const std::map<std::string, Expectation>& expectations() {
  static const std::string h100 = "nvidia-h100-80gb-hbm3__590.48.01__";
  static const std::string h100_mig = "nvidia-h100-mig__590.48.01__";
  static const std::string h200_mig = "nvidia-h200-mig__590.48.01__";
  static const std::string query_gpu = "query-gpu-csv-what-the-exporter-parses.txt";
  static const std::string query_apps = "query-compute-apps-per-process.txt";
  // -L, topo -m, pmon, --query-accounted-apps (processes that have ended), -q
  static const std::string list = "capabilities-list-l.txt";
  static const std::string topology = "capabilities-topo-m.txt";
  static const std::string monitor = "pmon-per-process-monitor.txt";
  static const std::string accounted = "load-query-accounted-apps.txt";
  static const std::string log = "load-query-q.txt";
  static const std::string none = "nvidia-smi gave no readings: ";
  static const std::string is_list_of_h100 =
      none + "'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-00000000-0000-0000-0000-000000000000)'";
  static const std::string is_topology =
      none + R"('\x1b[4mGPU0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m')";
  static const std::string is_monitor =
      none + "'# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command'";
  static const std::string is_accounted =
      none +
      "'timestamp, gpu_name, gpu_bus_id, gpu_serial, gpu_uuid, pid, gpu_utilization [%], "
      "mem_utilization [%], max_memory_usage …'";
  static const std::string is_log = none + "'==============NVSMI LOG=============='";
  static const std::map<std::string, Expectation> table = {
      {"h200x8__query-gpu__before.csv",
       {Kind::Gpus, "",
        " 0:130013/143771@100 1:130053/143771@100 2:105851/143771@100 3:129993/143771@100"
        " 4:106091/143771@100 5:105851/143771@100 6:106139/143771@100 7:58071/143771@0"}},
      {"h200x8__query-gpu__after.csv",
       {Kind::Gpus, "",
        " 0:130013/143771@100 1:130053/143771@100 2:0/143771@0 3:129993/143771@100"
        " 4:244/143771@0 5:4/143771@0 6:292/143771@0 7:58071/143771@0"}},
      {"nvidia-smi__edge__err_field.csv",
       {Kind::Gpus, "index,memory.free,memory.total",
        " 0:?/?@?!nvidia-smi reports ERR! 1:?/24576@? 2:?/24576@?"}},
      {"nvidia-smi__edge__h100l-mig_query.csv",
       {Kind::Gpus, "name,memory.total,memory.used,memory.free,mig.mode.current", " 0:?/?@?"}},
      {"nvidia-smi__edge__mig-parent-no-permission_query-gpu.csv",
       {Kind::Gpus, "utilization.gpu,utilization.memory,memory.free,memory.used,memory.total",
        " 0:?/?@?"}},
      {"nvidia-smi__edge__power_na.csv",
       {Kind::Gpus, "index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw",
        " 0:20000/24564@87 1:1/24576@0"}},
      {h100 + "idle-" + query_gpu, {Kind::Gpus, "", " 0:0/81559@0"}},
      {h100 + "load-" + query_gpu, {Kind::Gpus, "", " 0:19818/81559@100"}},
      {h100_mig + "idle-" + query_gpu, {Kind::Gpus, "", " 0:59/81559@?"}},
      {h100_mig + "load-" + query_gpu, {Kind::Gpus, "", " 0:11125/81559@?"}},
      {h200_mig + "idle-" + query_gpu, {Kind::Gpus, "", " 0:55/143771@?"}},
      {h200_mig + "load-" + query_gpu, {Kind::Gpus, "", " 0:16959/143771@?"}},

      {"h200x8__query-compute-apps__before.csv",
       {Kind::Processes, "",
        " 1328667(python3.10):130004 1328668(python3.10):130044 1425258(python3):105842"
        " 1328669(python3.10):129984 1425259(python3):105842 1425260(python3):105842"
        " 1425261(python3):105842 1758887():58060"}},
      {"h200x8__query-compute-apps__after.csv",
       {Kind::Processes, "",
        " 1328667(python3.10):130004 1328668(python3.10):130044 1328669(python3.10):129984"
        " 1758887():58060"}},
      {"nvidia-smi__edge__mig-in-container_compute-apps.csv", {Kind::Processes, "", " 0():?"}},
      {"nvidia-smi__edge__wsl_compute-apps.csv", {Kind::Processes, "", " 1():? 104():?"}},
      {h100 + "idle-" + query_apps, {Kind::Processes, "", ""}},
      {h100 + "load-" + query_apps,
       {Kind::Processes, "", " 11327(memhog):2566 11328(memhog):1542 11345(gpu_burn):15690"}},
      {h100_mig + "idle-" + query_apps, {Kind::Processes, "", ""}},
      {h100_mig + "load-" + query_apps,
       {Kind::Processes, "", " 21180(memhog):2296 21181(memhog):1272 21198(gpu_burn):7484"}},
      {h200_mig + "idle-" + query_apps, {Kind::Processes, "", ""}},
      {h200_mig + "load-" + query_apps,
       {Kind::Processes, "", " 12249(memhog):2194 12250(memhog):1170 12267(gpu_burn):13526"}},

      {"nvidia-smi__error__driver_library_mismatch.txt",
       {Kind::Failure, "", "nvidia-smi failed: driver/library version mismatch"}},
      {"nvidia-smi__error__gpu_lost.txt", {Kind::Failure, "", "nvidia-smi failed: GPU is lost"}},
      {"nvidia-smi__error__no_devices.txt", {Kind::Failure, "", "nvidia-smi finds no GPU"}},
      {"nvidia-smi__error__no_driver.txt",
       {Kind::Failure, "", "nvidia-smi cannot reach the NVIDIA driver"}},
      {"nvidia-smi__error__no_supported_gpus.txt",
       {Kind::Failure, "", "nvidia-smi finds no GPU that this driver supports"}},
      {"nvidia-smi__error__unknown_error_container.txt",
       {Kind::Failure, "", "nvidia-smi failed to initialize NVML: unknown error"}},
      {"nvidia-smi__error__unknown_handle.txt",
       {Kind::Failure, "", "nvidia-smi cannot reach a GPU"}},

      {h100 + list, {Kind::Other, "", is_list_of_h100}},
      {h100_mig + list, {Kind::Other, "", is_list_of_h100}},
      {h200_mig + list,
       {Kind::Other, "",
        none + "'GPU 0: NVIDIA H200 (UUID: GPU-00000000-0000-0000-0000-000000000000)'"}},
      {h100 + topology, {Kind::Other, "", is_topology}},
      {h100_mig + topology, {Kind::Other, "", is_topology}},
      {h200_mig + topology, {Kind::Other, "", is_topology}},
      {"h200x8__pmon__after.txt", {Kind::Other, "", is_monitor}},
      {h100 + "idle-" + monitor, {Kind::Other, "", is_monitor}},
      {h100 + "load-" + monitor, {Kind::Other, "", is_monitor}},
      {h100_mig + "idle-" + monitor, {Kind::Other, "", is_monitor}},
      {h100_mig + "load-" + monitor, {Kind::Other, "", is_monitor}},
      {h200_mig + "idle-" + monitor, {Kind::Other, "", is_monitor}},
      {h200_mig + "load-" + monitor, {Kind::Other, "", is_monitor}},
      {h100 + accounted, {Kind::Other, "", is_accounted}},
      {h100_mig + accounted, {Kind::Other, "", is_accounted}},
      {h200_mig + accounted, {Kind::Other, "", is_accounted}},
      {h100 + log, {Kind::Other, "", is_log}},
      {h100_mig + log, {Kind::Other, "", is_log}},
      {h200_mig + log, {Kind::Other, "", is_log}},
      {"nvidia-smi__man__return_codes.txt", {Kind::Other, "", none + "'Return code 0 - Success'"}},
  };
  return table;
}

void expect_as_recorded(const std::string& text, const Expectation& expectation) {
  const std::string_view columns = expectation.columns;
  switch (expectation.kind) {
    case Kind::Gpus:
      EXPECT_EQ(shown(parse_gpus(text, columns.empty() ? kGpuColumns : columns)),
                expectation.expected);
      break;
    case Kind::Processes:
      EXPECT_EQ(shown(parse_processes(text)), expectation.expected);
      break;
    case Kind::Failure:
      EXPECT_EQ(shown(parse_gpus(text)), "");
      EXPECT_EQ(nvidia_smi_error(text, "", 0).what(), expectation.expected);
      break;
    case Kind::Other:
      EXPECT_EQ(shown(parse_gpus(text)), "");
      EXPECT_TRUE(parse_processes(text).processes.empty());
      EXPECT_THROW(parse_gpus_xml(text), Error);
      EXPECT_EQ(nvidia_smi_error(text, "", 0).what(), expectation.expected);
      break;
  }
}

// As a person reads the document: "0000:3b:00.0 used/total MiB @% °C W", the processes with their
// types, the parts.
std::string shown_whole(const GpuReading& gpu) {
  const auto number = [](const std::optional<int>& value) {
    return value ? std::to_string(*value) : "?";
  };
  std::string text = gpu.pci_bus_id + " " + gpu.uuid.substr(0, 8) + " " + gpu.model + " " +
                     said(gpu.memory_used_mib) + "/" + said(gpu.memory_total_mib) + " @" +
                     number(gpu.utilization_percent) + " " + number(gpu.temperature_c) + "C " +
                     number(gpu.power_w) + "W" + (gpu.error.empty() ? "" : "!" + gpu.error);
  for (const GpuProcess& process : gpu.processes) {
    text += " " + std::to_string(process.pid) +
            (process.type == GpuProcess::Type::Graphics ? "G" : "C") + "(" + process.program +
            "):" + said(process.memory_mib);
  }
  for (const MigDevice& part : gpu.mig_devices) {
    text += " [" + part.uuid + " " + part.model + " " + said(part.memory_used_mib) + "/" +
            said(part.memory_total_mib) + "]";
  }
  return text;
}

const std::map<std::string, std::vector<std::string>>& xml_expectations() {
  static const std::string v100s = " Tesla V100S-PCIE-32GB ";
  static const std::string a100 = "GPU-27b94a00-ed54-5c24-b1fd-1054085de32a";
  static const std::string half = " NVIDIA A100-SXM4-40GB MIG 42 SMs 19/19968]";
  static const std::map<std::string, std::vector<std::string>> table = {
      {"netdata__nvidia_smi__a100-sxm4-mig.xml",
       {"0000:00:04.0 GPU-27b9 NVIDIA A100-SXM4-40GB 38/40960 @? 36C 67W [MIG-" + a100 + "/1/0" +
        half + " [MIG-" + a100 + "/2/0" + half}},
      {"netdata__nvidia_smi__tesla-p100.xml",
       {"0000:00:04.0 GPU-d3da Tesla P100-PCIE-16GB 0/16384 @0 38C 26W"}},
      {"telegraf__nvidia_smi__rtx-4000-sff-ada-v13.xml",
       {"0000:06:00.0 GPU-3703 NVIDIA RTX 4000 SFF Ada Generation 3534/20475 @0 38C 9W"
        " 1842G(cosmic-comp):410 3190G(code):451 4937C(python):160 34626C(chromium):183"}},
      {"datakit__nvidia_smi__gtx-8card.xml",
       {"0000:00:0d.0 GPU-7609" + v100s + "31689/32510 @97 66C 233W 37305C(python):31683",
        "0000:00:0e.0 GPU-bbf7" + v100s + "29545/32510 @75 58C 152W 37305C(python):29539",
        "0000:00:0f.0 GPU-8f75" + v100s + "29539/32510 @80 57C 68W 37305C(python):29533",
        "0000:00:10.0 GPU-3181" + v100s + "32099/32510 @23 61C 198W 37305C(python):32093",
        "0000:00:11.0 GPU-2aa8" + v100s + "29517/32510 @98 59C 118W 37305C(python):29511",
        "0000:00:12.0 GPU-39c3" + v100s + "32141/32510 @98 64C 86W 37305C(python):32135",
        "0000:00:13.0 GPU-d244" + v100s + "32157/32510 @91 61C 68W 37305C(python):32151",
        "0000:00:14.0 GPU-1d95" + v100s + "29501/32510 @99 57C 61W 37305C(python):29495"}},
  };
  return table;
}

TEST(RecordedDocuments, AreReadAsTheyWereMeant) {
  const std::string folder = std::string(FIXTURES) + "/../../../shared/samples";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "there are no recorded outputs in " << folder;
  }
  for (const auto& [name, expected] : xml_expectations()) {
    SCOPED_TRACE(name);
    const std::vector<GpuReading> gpus = parse_gpus_xml(read_text(folder + "/" + name));
    ASSERT_EQ(gpus.size(), expected.size());
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      EXPECT_EQ(gpus[i].index, static_cast<int>(i));
      EXPECT_EQ(shown_whole(gpus[i]), expected[i]);
    }
  }
}

TEST(RecordedOutputs, AreReadAsTheyWereMeant) {
  const std::filesystem::path folder = std::string(FIXTURES) + "/../../../shared/samples";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "there are no recorded outputs in " << folder;
  }
  std::size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const std::string extension = entry.path().extension();
    const bool is_nvidia = name.starts_with("nvidia-") || name.starts_with("h200x8");
    if (!is_nvidia || (extension != ".csv" && extension != ".txt")) continue;
    SCOPED_TRACE(name);
    const auto known = expectations().find(name);
    ASSERT_NE(known, expectations().end()) << "nobody has said what people read in it";
    expect_as_recorded(read_text(entry.path()), known->second);
    ++checked;
  }
  EXPECT_EQ(checked, expectations().size());
}

}  // namespace
}  // namespace chg
