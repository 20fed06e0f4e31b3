// What nvidia-smi answers to questions that the program never asks (-L, pmon, -q, the manual's
// table of exit statuses), as a person reads it: what the program reads in the answers to its own
// questions must agree with that. The answers are made up in the shape of real ones.
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"
#include "probe/nvidia/nvidia_failure.h"
#include "probe/nvidia/nvidia_smi_text.h"
#include "unit/probe/nvidia_uuid.h"

namespace chg {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// "  Used   : 5 MiB" is ("Used", "5 MiB").
std::pair<std::string, std::string> key_and_value(const std::string& line) {
  const std::size_t colon = line.find(" : ");
  if (colon == std::string::npos) return {std::string(trimmed(line)), ""};
  return {std::string(trimmed(line.substr(0, colon))),
          std::string(trimmed(line.substr(colon + 3)))};
}

using Programs = std::map<int, std::string>;                 // by pid
using Memory = std::map<int, std::optional<std::uint64_t>>;  // MiB by pid

// pmon: "    0      12249     C      -  …  memhog", several times over.
Programs programs_of_monitor(const std::string& text) {
  Programs programs;
  for (const std::string& line : lines_of(text)) {
    std::istringstream words(line);
    std::string gpu;
    std::string pid;
    std::string program;
    words >> gpu >> pid;
    for (std::string word; words >> word;) program = word;
    if (gpu != "#" && pid != "-") programs[std::stoi(pid)] = program;
  }
  return programs;
}

// -L: "GPU 0: NVIDIA H100 (UUID: GPU-…)", its parts below it.
std::set<std::string> gpus_of_list(const std::string& text) {
  std::set<std::string> gpus;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("GPU ")) gpus.insert(line);
  }
  return gpus;
}

// What -q tells of a host with one GPU.
struct Log {
  std::string model;
  std::string uuid;
  std::string used;  // "5 MiB"
  std::string mig;
  Memory memory;
};

Log read_log(const std::string& text) {
  Log log;
  std::string section;
  int pid = 0;
  for (const std::string& line : lines_of(text)) {
    const auto [key, value] = key_and_value(line);
    if (value.empty()) section = key;
    if (key == "Product Name") log.model = value;
    if (key == "GPU UUID") log.uuid = value;
    if (section == "FB Memory Usage" && key == "Used") log.used = value;
    if (section == "MIG Mode" && key == "Current") log.mig = value;
    if (key == "Process ID") pid = std::stoi(value);
    if (key == "Used GPU Memory") log.memory[pid] = std::stoull(value);
  }
  return log;
}

// The answers to the program's own questions and to others, at one moment.
struct Moment {
  std::string gpus;
  std::string processes;
  std::string list;
  std::string monitor;
  std::string log;
};

void expect_agreement(const Moment& moment) {
  const std::vector<GpuReading> gpus = parse_gpus(moment.gpus, kToMigMode);
  const ProcessTable table = parse_processes(moment.processes);
  std::set<std::string> listed;
  for (const GpuReading& gpu : gpus) {
    listed.insert("GPU " + std::to_string(gpu.index) + ": " + gpu.model + " (UUID: " + gpu.uuid +
                  ")");
  }
  EXPECT_EQ(listed, gpus_of_list(moment.list));
  Programs programs;
  Memory memory;
  for (const ListedProcess& found : table.processes) {
    programs[found.process.pid] = found.process.program;
    memory[found.process.pid] = found.process.memory_mib;
  }
  EXPECT_EQ(programs, programs_of_monitor(moment.monitor));
  if (moment.log.empty()) return;
  ASSERT_EQ(gpus.size(), 1U);
  const Log log = read_log(moment.log);
  EXPECT_EQ(gpus[0].model, log.model);
  EXPECT_EQ(gpus[0].uuid, log.uuid);
  EXPECT_EQ(std::to_string(gpus[0].memory_used_mib.value_or(0)) + " MiB", log.used);
  EXPECT_EQ(mig_gpus(moment.gpus, kToMigMode).size(), log.mig == "Enabled" ? 1U : 0U);
  EXPECT_EQ(memory, log.memory);
}

// "Return code 9 - NVIDIA driver is not loaded".
void expect_a_meaning_for_each(const std::string& manual) {
  std::set<std::string> messages;
  std::size_t codes = 0;
  for (const std::string& line : lines_of(manual)) {
    int code = -1;
    if (std::sscanf(line.c_str(), "Return code %d", &code) != 1 || code == 0) continue;
    ++codes;
    const std::string message = nvidia_smi_error("", "", code).what();
    messages.insert(message);
    // That one says no more than that it failed.
    const bool has_no_meaning = message.find("exit status") != std::string::npos;
    EXPECT_EQ(has_no_meaning, code == 255) << message;
  }
  EXPECT_EQ(messages.size(), codes);
  EXPECT_GT(codes, 0U);
}

TEST(OtherAnswers, AgreeWithWhatIsRead) {
  Moment moment;
  moment.gpus = "0, GPU-1, 00000000:1A:00.0, NVIDIA Example, 9018, 81559, [N/A], Enabled\n";
  moment.processes = "GPU-1, 21, /opt/train, 9000\n";
  moment.list =
      "GPU 0: NVIDIA Example (UUID: GPU-1)\n"
      "  MIG 1g.10gb     Device  0: (UUID: MIG-1)\n";
  moment.monitor =
      "# gpu         pid   type     sm    command \n# Idx           #    C/G      %    name \n"
      "    0         21     C      -    train          \n"
      "    0         21     C      3    train          \n";
  moment.log =
      "    Product Name      : NVIDIA Example\n    MIG Mode\n        Current       : Enabled\n"
      "    MIG Device\n        Shared FB Memory Usage\n            Used      : 1 MiB\n"
      "    GPU UUID          : GPU-1\n    FB Memory Usage\n        Used          : 9018 MiB\n"
      "    BAR1 Memory Usage\n        Used          : 2 MiB\n    Processes\n"
      "        Process ID    : 21\n            Used GPU Memory : 9000 MiB\n";
  expect_agreement(moment);
}

TEST(OtherAnswers, OfTheManualHaveMeanings) {
  expect_a_meaning_for_each(
      "Return code 0 - Success\nReturn code 9 - no driver\nReturn code 255 - ?\n");
}

}  // namespace
}  // namespace chg
