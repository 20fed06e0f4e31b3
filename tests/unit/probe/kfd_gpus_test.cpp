#include "probe/amd/kfd_gpus.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "unit/probe/amd_tree.h"

namespace chg {
namespace {

class KfdGpus : public ::testing::Test {
 protected:
  std::vector<GpuReading> read() {
    return read_kfd_gpus(tree_.root(), read_kfd_topology(tree_.root()).value().nodes);
  }
  GpuReading only() {
    std::vector<GpuReading> gpus = read();
    EXPECT_EQ(gpus.size(), 1U);
    return gpus.at(0);
  }
  void metrics(char format_revision) {
    tree_.put(128, "gpu_metrics", std::string("\x80\x00", 2) + format_revision + "\x01");
  }

  AmdTree tree_;
};

TEST_F(KfdGpus, AreReadWhole) {
  tree_.add_gpu(1, 4711, 0x300, 128);
  tree_.put_memory(128, 1500, 16368);
  tree_.put(128, "gpu_busy_percent", "37\n");
  tree_.put(128, "hwmon/hwmon3/temp1_input", "51999\n");
  tree_.put(128, "hwmon/hwmon3/power1_average", "38999999\n");
  tree_.put(128, "product_name", "AMD INSTINCT MI210\n");
  const GpuReading gpu = only();
  EXPECT_EQ(gpu.index, 0);
  EXPECT_EQ(gpu.uuid, "GPU-64af1b0d2ab4bf5b");
  EXPECT_EQ(gpu.pci_bus_id, "0000:03:00.0");
  EXPECT_EQ(gpu.model, "AMD INSTINCT MI210");
  EXPECT_EQ(gpu.memory_used_mib, 1500U);
  EXPECT_EQ(gpu.memory_total_mib, 16368U);
  EXPECT_EQ(gpu.utilization_percent, 37);
  EXPECT_EQ(gpu.temperature_c, 51);
  EXPECT_EQ(gpu.power_w, 38);
  EXPECT_EQ(gpu.error, "");
}

TEST_F(KfdGpus, HaveNothingThatCannotBeRead) {
  tree_.add_gpu(1, 4711, 0x300, 128, "");
  const GpuReading gpu = only();
  EXPECT_EQ(gpu.uuid, "PCI-0000:03:00.0");
  EXPECT_EQ(gpu.model, "AMD GPU");
  EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.memory_total_mib, std::nullopt);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.power_w, std::nullopt);
}

TEST_F(KfdGpus, HaveNothingOfWhatIsNoNumberOrNoSensibleOne) {
  tree_.add_gpu(1, 4711, 0x300, 128);
  for (const char* text :
       {"", "N/A", "-1", "99999999999999999999", "1 2", "0x10", "18446744073709551615"}) {
    tree_.put(128, "gpu_busy_percent", text);
    tree_.put(128, "hwmon/hwmon3/temp1_input", text);
    tree_.put(128, "hwmon/hwmon3/power1_average", text);
    const GpuReading gpu = only();
    EXPECT_EQ(gpu.utilization_percent, std::nullopt) << text;
    EXPECT_EQ(gpu.temperature_c, std::nullopt) << text;
    EXPECT_EQ(gpu.power_w, std::nullopt) << text;
  }
}

TEST_F(KfdGpus, AreReadByTheirNewerSensors) {
  tree_.add_gpu(1, 4711, 0x300, 128);
  tree_.put(128, "hwmon/hwmon3/temp2_input", "44000\n");
  tree_.put(128, "hwmon/hwmon3/power1_input", "120000000\n");
  EXPECT_EQ(only().temperature_c, 44);
  EXPECT_EQ(only().power_w, 120);
}

TEST_F(KfdGpus, HoldSomethingWhereAByteIsUsed) {
  tree_.add_gpu(1, 4711, 0x300, 128);
  tree_.put(128, "mem_info_vram_used", "1\n");
  EXPECT_EQ(only().memory_used_mib, 1U);
  tree_.put(128, "mem_info_vram_used", "0\n");
  EXPECT_EQ(only().memory_used_mib, 0U);
}

TEST_F(KfdGpus, AreNumberedInBusOrderWhateverTheirNodes) {
  tree_.add_gpu(1, 1, 0x8300, 128, "unique_id 1\n");
  tree_.add_gpu(2, 2, 0x0300, 129, "unique_id 2\n");
  const auto gpus = read();
  EXPECT_EQ(gpus.at(0).uuid, "GPU-0000000000000002");
  EXPECT_EQ(gpus.at(1).uuid, "GPU-0000000000000001");
  EXPECT_EQ(gpus.at(1).index, 1);
  // HIP counts them in the order of their nodes.
  EXPECT_EQ(gpus.at(0).runtime_index, 1);
  EXPECT_EQ(gpus.at(1).runtime_index, 0);
}

TEST_F(KfdGpus, AreCountedAsHipDoesWhereADeviceFileIsMissing) {
  tree_.add_gpu(1, 1, 0x0300, 128, "unique_id 1\n");
  tree_.add_gpu(2, 2, 0x4300, 129, "unique_id 2\n");
  tree_.add_gpu(3, 3, 0x8300, 130, "unique_id 3\n");
  std::filesystem::remove(tree_.folder().path(AmdTree::render_node(128)));
  const auto gpus = read();
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].uuid, "GPU-0000000000000002");
  EXPECT_EQ(gpus[0].runtime_index, 0);
  EXPECT_EQ(gpus[1].runtime_index, 1);
}

TEST_F(KfdGpus, OfAProcessorUseItsMemoryToo) {
  tree_.add_gpu(1, 4711, 0x300, 128);
  tree_.put_memory(128, 100, 512);
  tree_.put(128, "mem_info_gtt_used", std::to_string(900ULL << 20));
  tree_.put(128, "mem_info_gtt_total", std::to_string(8000ULL << 20));
  metrics(2);
  EXPECT_EQ(only().memory_used_mib, 1000U);
  EXPECT_EQ(only().memory_total_mib, 8512U);
  metrics(1);  // a card
  EXPECT_EQ(only().memory_used_mib, 100U);
  metrics(3);
  tree_.put(128, "mem_info_gtt_total", std::to_string(500ULL << 20));  // most was set aside for it
  EXPECT_EQ(only().memory_total_mib, 512U);
}

TEST_F(KfdGpus, ThatArePartitionsAreReadByTheirNodes) {
  tree_.add_gpu(1, 4711, 0x301, 129);
  tree_.folder().write(AmdTree::nodes() + "1/mem_banks/0/used_memory", "10485760\n");
  tree_.folder().write(AmdTree::nodes() + "1/mem_banks/0/properties",
                       "heap_type 1\nsize_in_bytes 25769803776\n");
  EXPECT_EQ(only().pci_bus_id, "0000:03:00.1");
  EXPECT_EQ(only().memory_used_mib, 10U);
  EXPECT_EQ(only().memory_total_mib, 24576U);
}

TEST_F(KfdGpus, ThatArePartitionsWithOneIdAreToldApart) {
  tree_.add_gpu(1, 1, 2560, 128, "unique_id 7\n");
  tree_.add_gpu(2, 2, 2560 + (1U << 28), 129, "unique_id 7\n");
  tree_.add_gpu(3, 3, 0x300, 130, "unique_id 8\n");
  const auto gpus = read();
  ASSERT_EQ(gpus.size(), 3U);
  EXPECT_EQ(gpus[0].uuid, "GPU-0000000000000008");
  EXPECT_EQ(gpus[1].uuid, "PCI-0000:0a:00.0");
  EXPECT_EQ(gpus[2].uuid, "PCI-0000:0a:00.0-1");
  EXPECT_EQ(gpus[2].pci_bus_id, "0000:0a:00.0");
  EXPECT_EQ(gpus[2].runtime_index, 1);
  EXPECT_EQ(gpus[2].error, "");
  EXPECT_EQ(gpus[0].devices, std::vector<std::string>());
  EXPECT_EQ(gpus[2].devices, std::vector<std::string>{"/dev/dri/renderD129"});
}

TEST_F(KfdGpus, ThatArePartitionsWithIdsOfTheirOwnKeepThem) {
  tree_.add_gpu(1, 1, 2560, 128, "unique_id 7\n");
  tree_.add_gpu(2, 2, 2560 + (1U << 28), 129, "unique_id 8\n");
  EXPECT_EQ(read().at(0).uuid, "GPU-0000000000000007");
  EXPECT_EQ(read().at(1).uuid, "GPU-0000000000000008");
}

TEST_F(KfdGpus, ThatArePartitionsUseTheirOwnMemory) {
  for (const int node : {1, 2}) {
    tree_.add_gpu(node, static_cast<std::uint32_t>(node),
                  2560 + (static_cast<std::uint32_t>(node - 1) << 28), 127 + node);
    const std::string bank = AmdTree::nodes() + std::to_string(node) + "/mem_banks/0/";
    tree_.folder().write(bank + "used_memory", std::to_string(node * 10ULL << 20) + "\n");
    tree_.folder().write(bank + "properties", "size_in_bytes 25769803776\n");
  }
  tree_.put_memory(128, 9000, 196608);  // of the whole card
  EXPECT_EQ(read().at(0).memory_used_mib, 10U);
  EXPECT_EQ(read().at(0).memory_total_mib, 24576U);
  EXPECT_EQ(read().at(1).memory_used_mib, 20U);
}

TEST_F(KfdGpus, ThatArePartitionsNeedNoMemoryInUse) {
  for (const int node : {1, 2}) {
    tree_.add_gpu(node, static_cast<std::uint32_t>(node),
                  2560 + (static_cast<std::uint32_t>(node - 1) << 28), 127 + node);
    tree_.folder().write(AmdTree::nodes() + std::to_string(node) + "/mem_banks/0/properties",
                         "size_in_bytes 25769803776\n");
  }
  tree_.put_memory(128, 9000, 196608);  // of the whole card
  for (const GpuReading& gpu : read()) {
    EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
    EXPECT_EQ(gpu.memory_total_mib, 24576U);
    EXPECT_TRUE(gpu.memory_not_supported);
    EXPECT_EQ(obstacle_of(gpu, Policy()), std::nullopt);
    EXPECT_FALSE(is_in_use(gpu, Policy()));
  }
}

TEST_F(KfdGpus, ThatAreTheOnlyPartitionInSightNeedNoMemoryInUse) {
  tree_.add_gpu(1, 1, 2560, 129);  // The driver tells the number in neither place.
  tree_.put(129, "uevent", "DRIVER=amdgpu_xcp\n");
  tree_.folder().write(AmdTree::nodes() + "1/mem_banks/0/properties",
                       "size_in_bytes 25769803776\n");
  EXPECT_TRUE(only().memory_not_supported);
  EXPECT_EQ(only().memory_total_mib, 24576U);
}

TEST_F(KfdGpus, ThatShareAnIdOnlyAreReadByTheirDevices) {
  tree_.add_gpu(1, 1, 0x0300, 128, "unique_id 7\n");
  tree_.add_gpu(2, 2, 0x8300, 129, "unique_id 7\n");
  for (const int minor : {128, 129}) {
    tree_.folder().write(AmdTree::nodes() + std::to_string(minor - 127) + "/mem_banks/0/properties",
                         "size_in_bytes 17163091968\n");
    tree_.put_memory(minor, static_cast<std::uint64_t>(minor), 16368);
  }
  EXPECT_EQ(read().at(0).memory_used_mib, 128U);
  EXPECT_EQ(read().at(1).memory_used_mib, 129U);
  EXPECT_EQ(read().at(1).memory_total_mib, 16368U);
  EXPECT_FALSE(read().at(0).memory_not_supported);
}

TEST_F(KfdGpus, ThatHaveLeftTheBusAreErrors) {
  tree_.add_gpu(1, 1, 0x0300, 128);
  tree_.folder().write(AmdTree::nodes() + "1/mem_banks/0/properties",
                       "size_in_bytes 25769803776\n");
  EXPECT_FALSE(only().memory_not_supported);
  EXPECT_TRUE(obstacle_of(only(), Policy()).has_value());
}

TEST_F(KfdGpus, AreErrorsWithoutAnAddress) {
  tree_.folder().write(AmdTree::nodes() + "1/gpu_id", "5\n");
  EXPECT_EQ(only().error, "the driver does not tell its PCI address");
}

TEST_F(KfdGpus, AreCalledAsLibdrmCallsThem) {
  tree_.add_gpu(1, 4711, 0x300, 128, "gfx_target_version 110000\n");
  tree_.put(128, "device", "0x744c\n");
  tree_.put(128, "revision", "0xc8\n");
  EXPECT_EQ(only().model, "AMD gfx1100");
  tree_.folder().write("usr/share/libdrm/amdgpu.ids",
                       "1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n");
  EXPECT_EQ(only().model, "AMD Radeon RX 7900 XTX");
  tree_.put(128, "product_name", "0x1002\n");
  EXPECT_EQ(only().model, "AMD Radeon RX 7900 XTX");
}

TEST(MarketingName, IsOfTheDeviceAndItsRevision) {
  const char* table =
      "# A comment, 744C,\tC8,\tno\n1.0.0\n744C,\tC8,\tA, with comma\n744C,\tCC,\tB\n";
  EXPECT_EQ(marketing_name(table, "0x744c", "0xcc"), "B");
  EXPECT_EQ(marketing_name(table, "744C", "c8"), "A, with comma");
  EXPECT_EQ(marketing_name(table, "0x744c", "0x01"), std::nullopt);
  EXPECT_EQ(marketing_name(table, "0x744d", "0xc8"), std::nullopt);
}

TEST(MarketingName, IsMissingWhereNothingIsAsked) {
  EXPECT_EQ(marketing_name(",,x\n", "", ""), std::nullopt);
  EXPECT_EQ(marketing_name("1,1\n1,1,\n1", "1", "1"), std::nullopt);
}

}  // namespace
}  // namespace chg
