#include "probe/amd/amd_identity.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

GpuReading gpu(const std::string& bus_id, std::uint64_t unique_id) {
  GpuReading reading;
  reading.pci_bus_id = bus_id;
  reading.uuid = amd_uuid(unique_id, bus_id);
  return reading;
}

TEST(AmdUuid, IsTheOneOfTheRocmRuntime) {
  EXPECT_EQ(amd_uuid(0x4edfb117a17a07d, "0000:a3:00.0"), "GPU-04edfb117a17a07d");
  EXPECT_EQ(unique_id_of("GPU-04edfb117a17a07d"), 0x4edfb117a17a07dU);
}

TEST(AmdUuid, IsTheAddressOfACardWithoutUniqueId) {
  EXPECT_EQ(amd_uuid(0, "0000:a3:00.0"), "PCI-0000:a3:00.0");
  EXPECT_EQ(amd_uuid(0, "0000:a3:00.0", 1), "PCI-0000:a3:00.0-1");
  EXPECT_EQ(amd_uuid(0, "", 1), "");
  for (const char* uuid : {"PCI-0000:a3:00.0", "", "GPU-", "GPU-12", "GPU-04edfb117a17a07x",
                           "GPU-XX", "GPU-04edfb117a17a07d0"}) {
    EXPECT_EQ(unique_id_of(uuid), std::nullopt) << uuid;
  }
}

TEST(AmdModel, IsNoNumber) {
  EXPECT_EQ(readable_model("AMD Radeon AI PRO R9700"), "AMD Radeon AI PRO R9700");
  for (const char* number : {"0x1002", "0X744C", "4098", "", "N/A"}) {
    EXPECT_EQ(readable_model(number), "") << number;
  }
}

TEST(AmdGpus, AreNumberedInBusOrder) {
  std::vector<GpuReading> gpus = {gpu("", 9), gpu("10000:03:00.0", 1), gpu("0000:83:00.0", 2),
                                  gpu("0000:43:00.0", 3)};
  put_in_bus_order(gpus);
  EXPECT_EQ(gpus[0].uuid, "GPU-0000000000000003");
  EXPECT_EQ(gpus[1].uuid, "GPU-0000000000000002");
  EXPECT_EQ(gpus[2].uuid, "GPU-0000000000000001");
  EXPECT_EQ(gpus[3].uuid, "GPU-0000000000000009");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(gpus[static_cast<std::size_t>(i)].index, i);
}

TEST(AmdGpus, ThatShareAUniqueIdAreToldApartByTheirAddresses) {
  std::vector<GpuReading> gpus = {gpu("0000:83:00.1", 5), gpu("0000:83:00.0", 5),
                                  gpu("0000:84:00.0", 6)};
  put_in_bus_order(gpus);
  EXPECT_EQ(gpus[0].uuid, "PCI-0000:83:00.0");
  EXPECT_EQ(gpus[1].uuid, "PCI-0000:83:00.1");
  EXPECT_EQ(gpus[2].uuid, "GPU-0000000000000006");
}

}  // namespace
}  // namespace chg
