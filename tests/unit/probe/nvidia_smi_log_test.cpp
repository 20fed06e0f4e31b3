#include <gtest/gtest.h>

#include "probe/nvidia/nvidia_smi_log_text.h"
#include "unit/probe/fixture.h"
#include "unit/probe/nvidia_uuid.h"

namespace chg {
namespace {

GpuReading gpu_at(int index, const std::string& bus_id) {
  GpuReading gpu;
  gpu.index = index;
  gpu.uuid = uuid(index);
  gpu.model = "NVIDIA Example 80GB";
  gpu.pci_bus_id = bus_id;
  return gpu;
}

std::vector<GpuReading> two_gpus() {
  return {gpu_at(0, "0000:1a:00.0"), gpu_at(1, "0000:3b:00.0")};
}

TEST(AddMigDevices, PutsThemOnTheirGpus) {
  std::vector<GpuReading> gpus = two_gpus();
  add_mig_devices(gpus, fixture("nvidia_list.txt"));
  ASSERT_EQ(gpus[0].mig_devices.size(), 2U);
  EXPECT_EQ(gpus[0].mig_devices[0].uuid, "MIG-5f3a0c1e-0000-4b00-8000-0000000000a0");
  EXPECT_EQ(gpus[0].mig_devices[0].model, "NVIDIA Example 80GB MIG 2g.20gb");
  EXPECT_EQ(gpus[0].mig_devices[1].model, "NVIDIA Example 80GB MIG 1g.10gb");
  EXPECT_EQ(gpus[0].mig_devices[0].memory_used_mib, std::nullopt);
  EXPECT_TRUE(gpus[1].mig_devices.empty());
}

TEST(AddMigDevices, PassesOverWhatItDoesNotUnderstand) {
  for (const std::string text :
       {"", "No devices were found\n", "MIG 1g.10gb Device 0: (UUID: MIG-a)\n",
        "GPU 0: X (UUID: GPU-of-another)\n  MIG 1g.10gb Device 0: (UUID: MIG-a)\n"}) {
    std::vector<GpuReading> gpus = two_gpus();
    add_mig_devices(gpus, text);
    EXPECT_TRUE(gpus[0].mig_devices.empty() && gpus[1].mig_devices.empty()) << text;
  }
}

std::string entry(int pid, const std::string& type, const std::string& memory) {
  return "        GPU instance ID                   : N/A\n        Process ID                      "
         "  : " +
         std::to_string(pid) + "\n            Type                          : " + type +
         "\n            Name                          : /usr/lib/xorg/Xorg :0\n"
         "            Used GPU Memory               : " +
         memory + "\n";
}

TEST(AddGraphicsProcesses, PutsThoseThatOnlyDrawOnTheirGpus) {
  std::vector<GpuReading> gpus = two_gpus();
  gpus[1].processes.emplace_back().pid = 13;
  add_graphics_processes(gpus, "GPU 00000000:1A:00.0\n    Processes\n" + entry(11, "G", "600 MiB") +
                                   entry(12, "C", "700 MiB") + entry(14, "C+G", "800 MiB") +
                                   "GPU 00000000:3B:00.0\n    Processes\n" +
                                   entry(13, "G", "5 MiB") + entry(15, "G", "N/A"));
  ASSERT_EQ(gpus[0].processes.size(), 1U);
  const GpuProcess& process = gpus[0].processes[0];
  EXPECT_EQ(process.pid, 11);
  EXPECT_EQ(process.program, "Xorg");
  EXPECT_EQ(process.memory_mib, 600U);
  EXPECT_EQ(process.type, GpuProcess::Type::Graphics);
  ASSERT_EQ(gpus[1].processes.size(), 2U);
  EXPECT_EQ(gpus[1].processes[0].type, GpuProcess::Type::Compute);
  EXPECT_EQ(gpus[1].processes[1].memory_mib, std::nullopt);
}

TEST(AddGraphicsProcesses, PassesOverWhatItDoesNotUnderstand) {
  for (const std::string& text : std::vector<std::string>{
           "", fixture("nvidia_log.txt"), fixture("nvidia_list.txt"), entry(1, "G", "5 MiB"),
           "GPU 00000000:FF:00.0\n" + entry(1, "G", "5 MiB"),
           "GPU 00000000:1A:00.0\nProcess ID : -5\nType : G\n"}) {
    std::vector<GpuReading> gpus = two_gpus();
    add_graphics_processes(gpus, text);
    EXPECT_TRUE(gpus[0].processes.empty() && gpus[1].processes.empty()) << text;
  }
}

}  // namespace
}  // namespace chg
