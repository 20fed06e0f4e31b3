#include "probe/amd/rocm_smi_text.h"

#include <gtest/gtest.h>

#include "unit/probe/fixture.h"
#include "unit/probe/said.h"

namespace chg {
namespace {

std::string rocm_processes(const std::string& text) {
  const auto list = parse_rocm_smi_processes(text);
  if (!list) return "none";
  std::string result;
  for (const RocmSmiProcess& process : *list) {
    result += "[" + std::to_string(process.pid) + " " + process.program + " " +
              said(process.gpu_count) + " " + said(process.vram_bytes) + "]";
  }
  return result;
}

TEST(RocmSmiCards, AreReadInTheOrderOfTheirNumbers) {
  const auto cards = parse_rocm_smi_gpus(fixture("rocm_smi_cards.json"));
  ASSERT_TRUE(cards.has_value());
  ASSERT_EQ(cards->size(), 3U);
  EXPECT_EQ(cards->at(0).index, 0);
  EXPECT_EQ(cards->at(0).uuid, "GPU-04edfb117a17a07d");
  EXPECT_EQ(cards->at(0).pci_bus_id, "0000:a3:00.0");
  EXPECT_EQ(cards->at(0).model, "Example Instinct");
  EXPECT_EQ(cards->at(0).memory_used_mib, 7U);
  EXPECT_EQ(cards->at(0).memory_total_mib, 32752U);
  EXPECT_EQ(cards->at(0).utilization_percent, 12);
  EXPECT_EQ(cards->at(0).temperature_c, 53);
  EXPECT_EQ(cards->at(0).power_w, 36);
  EXPECT_EQ(cards->at(2).index, 10);
  EXPECT_EQ(cards->at(2).uuid, "PCI-0000:07:00.0");
  EXPECT_EQ(cards->at(2).model, "Example Radeon");
}

TEST(RocmSmiCards, HaveNothingThatIsNotTold) {
  const GpuReading card = parse_rocm_smi_gpus(fixture("rocm_smi_cards.json"))->at(1);
  EXPECT_EQ(card.index, 2);
  EXPECT_EQ(card.uuid + card.model + card.pci_bus_id, "");
  EXPECT_EQ(card.memory_used_mib, std::nullopt);
  EXPECT_EQ(card.memory_total_mib, std::nullopt);
  EXPECT_EQ(card.utilization_percent, std::nullopt);
  EXPECT_EQ(card.temperature_c, std::nullopt);
  EXPECT_EQ(card.power_w, std::nullopt);
}

TEST(RocmSmiCards, AreFoundBehindWarnings) {
  EXPECT_TRUE(parse_rocm_smi_gpus("WARNING: AMD GPU device(s) is/are in a low-power state.\n\n" +
                                  fixture("rocm_smi_cards.json"))
                  .has_value());
}

TEST(RocmSmiCards, AreMissingInOtherAnswers) {
  for (const char* text :
       {"", "WARNING: No JSON data to report", "[]", "{}", "{\"card0\": 5}", "{\"card\": {}}",
        "{\"cardx\": {}}", "{\"card-1\": {}}", "{\"card99999999999\": {}}", "{\"system\": {}}"}) {
    EXPECT_EQ(parse_rocm_smi_gpus(text), std::nullopt) << text;
  }
}

TEST(RocmSmiCards, AreReadInPartWhereTypesAreWrong) {
  const auto cards = parse_rocm_smi_gpus(
      R"x({"card0": {"Unique ID": 5, "PCI Bus": [], "VRAM Total Used Memory (B)": 5,
                     "GPU use (%)": "101", "Unique Id": "0xzz", "Card Series": {}}})x");
  ASSERT_TRUE(cards.has_value());
  EXPECT_EQ(cards->at(0).uuid, "");
  EXPECT_EQ(cards->at(0).memory_used_mib, std::nullopt);
  EXPECT_EQ(cards->at(0).utilization_percent, std::nullopt);
}

TEST(RocmSmiProcesses, AreReadFromTheRight) {
  EXPECT_EQ(rocm_processes(R"x({"system": {"Driver version": "6.2.4",
                          "PID77": "demo::schedul, 1, 200145596416, 2735289460695, 88",
                          "PID78": "a, b, c, 2, 5, 0, unknown", "(Topology) x": "40"}})x"),
            "[77 demo::schedul 1 200145596416][78 a, b, c 2 5]");
}

TEST(RocmSmiProcesses, HaveNothingThatIsNotTold) {
  EXPECT_EQ(
      rocm_processes(R"({"system": {"PID77": "UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN"}})"),
      "[77  ? ?]");
}

TEST(RocmSmiProcesses, AreNoneWhereThereIsNothingToReport) {
  EXPECT_EQ(rocm_processes("WARNING: No JSON data to report\n"), "");
  EXPECT_EQ(rocm_processes(R"({"system": {"Driver version": "6.2.4"}})"), "");
}

TEST(RocmSmiProcesses, AreMissingInOtherAnswers) {
  for (const char* text : {"", "[]", "{}", "{\"system\": 5}", "ERROR: x",
                           R"({"system": {"PID77": "too, few, commas"}})"}) {
    EXPECT_EQ(rocm_processes(text), "none") << text;
  }
}

TEST(RocmSmiProcesses, HaveSensiblePids) {
  EXPECT_EQ(rocm_processes(R"({"system": {"PID0": "a, 1, 1, 1, 1", "PID-1": "a, 1, 1, 1, 1",
                          "PID99999999999": "a, 1, 1, 1, 1", "PIDx": "a, 1, 1, 1, 1",
                          "PID5": 5}})"),
            "");
}

std::string pid_gpus(const std::string& text) {
  std::string result;
  for (const auto& [pid, cards] : parse_rocm_smi_pid_gpus(text)) {
    result += "[" + std::to_string(pid) + ":";
    for (const int card : cards) result += " " + std::to_string(card);
    result += "]";
  }
  return result;
}

TEST(RocmSmiPidGpus, AreTheNumbersBelowTheProcess) {
  EXPECT_EQ(pid_gpus("======= ROCm System Management Interface =======\n"
                     "====== GPUs Indexed by PID ======\n"
                     "PID 77 is using 1 DRM device(s):\n3 \n"
                     "PID 78 is using 3 DRM device(s):\n0 1 \n2 \n"
                     "PID 79 is using 0 DRM device(s)\n"
                     "=================================\n"),
            "[77: 3][78: 0 1 2][79:]");
}

TEST(RocmSmiPidGpus, AreLeftOutWhereTheyAreNotAsManyAsItSays) {
  EXPECT_EQ(pid_gpus("PID 77 is using 2 DRM device(s):\n3\n"), "");
  EXPECT_EQ(pid_gpus("PID 77 is using 1 DRM device(s):\n===\n3\n"), "");
  EXPECT_EQ(pid_gpus("PID 77 is using 1 DRM device(s):\n1 2\n"), "");
  EXPECT_EQ(pid_gpus("No KFD PIDs currently running\nPID x is using 1 DRM device(s):\n1\n"
                     "PID 5 is using x DRM device(s):\n1\nPID 5 is using GPUs\n1\n"),
            "");
}

class RocmSmiUses : public ::testing::Test {
 protected:
  RocmSmiUses() {
    cards_[0].index = 0;
    cards_[0].memory_used_mib = 20;
    cards_[1].index = 1;
    cards_[1].memory_used_mib = 5000;
  }

  // What is listed on each card, as "CARD:PID=MIB".
  std::string add(std::optional<std::uint64_t> gpu_count, std::optional<std::uint64_t> vram_mib,
                  const std::map<int, std::vector<int>>& pid_gpus) {
    RocmSmiProcess process;
    process.pid = 77;
    process.gpu_count = gpu_count;
    if (vram_mib) process.vram_bytes = *vram_mib << 20;
    std::vector<GpuReading> cards = cards_;
    add_rocm_smi_processes(cards, {process}, pid_gpus);
    std::string result;
    for (const GpuReading& card : cards) {
      for (const GpuProcess& listed : card.processes) {
        result += "[" + std::to_string(card.index) + ":" + std::to_string(listed.pid) + "=" +
                  said(listed.memory_mib) + "]";
      }
    }
    return result;
  }

  std::vector<GpuReading> cards_{2};
};

TEST_F(RocmSmiUses, AreOnTheCardThatIsTold) {
  EXPECT_EQ(add(1, 4000, {{77, {1}}}), "[1:77=4000]");
  EXPECT_EQ(add(1, std::nullopt, {{77, {0}}}), "[0:77=?]");
}

TEST_F(RocmSmiUses, HoldNoMoreThanIsUsedOnEachOfSeveralCards) {
  EXPECT_EQ(add(2, 4000, {{77, {0, 1}}}), "[0:77=20][1:77=4000]");
  cards_[0].memory_used_mib = std::nullopt;
  EXPECT_EQ(add(2, 4000, {{77, {0, 1}}}), "[0:77=?][1:77=4000]");
}

TEST_F(RocmSmiUses, AreWhereverTheyCouldBeWhenItIsNotTold) {
  EXPECT_EQ(add(1, 4000, {}), "[1:77=4000]");
  EXPECT_EQ(add(2, 4000, {}), "[0:77=20][1:77=4000]");
  EXPECT_EQ(add(std::nullopt, std::nullopt, {}), "[0:77=?][1:77=?]");
  EXPECT_EQ(add(1, std::nullopt, {{77, {}}}), "[0:77=?][1:77=?]");
}

TEST_F(RocmSmiUses, AreNoneWithoutGpuAndMemory) {
  EXPECT_EQ(add(0, 0, {}), "");
  EXPECT_EQ(add(0, 0, {{77, {}}}), "");
  EXPECT_EQ(add(0, 0, {{77, {1}}}), "[1:77=0]");
}

TEST_F(RocmSmiUses, AreOnTheOnlyCard) {
  cards_.pop_back();
  EXPECT_EQ(add(1, 10, {}), "[0:77=10]");
}

}  // namespace
}  // namespace chg
