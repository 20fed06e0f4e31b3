#include "probe/inventory.h"

#include <gtest/gtest.h>

#include "support/path_variable.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

class TakeInventory : public ::testing::Test {
 protected:
  Inventory taken() {
    const PathVariable path(folder_.path("bin"));
    return take_inventory(std::chrono::seconds(30), folder_.path());
  }

  TemporaryFolder folder_;
};

TEST_F(TakeInventory, FindsNothingWhereThereIsNothing) {
  const Inventory inventory = taken();
  EXPECT_EQ(inventory.nvidia_driver, std::nullopt);
  EXPECT_EQ(inventory.nvidia_smi, std::nullopt);
  EXPECT_EQ(inventory.amd_smi, std::nullopt);
  EXPECT_FALSE(inventory.has_kfd);
  EXPECT_TRUE(inventory.devices.empty());
}

TEST_F(TakeInventory, KnowsTheVersionOfTheDriver) {
  const auto version = [&](const std::string& text) {
    folder_.write("proc/driver/nvidia/version", text);
    return taken().nvidia_driver;
  };
  EXPECT_EQ(version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\n"),
            "550.54.14");
  EXPECT_EQ(version("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.126  Release\n"),
            "580.126");
  EXPECT_EQ(version("something else\n"), "of unknown version");
  EXPECT_EQ(version(""), std::nullopt);
}

TEST_F(TakeInventory, FindsTools) {
  folder_.write_script("bin/nvidia-smi", "exit 0\n");
  folder_.write("bin/amd-smi", "not executable");
  const Inventory inventory = taken();
  EXPECT_EQ(inventory.nvidia_smi, folder_.path("bin/nvidia-smi"));
  EXPECT_EQ(inventory.amd_smi, std::nullopt);
  folder_.write_script("bin/amd-smi", "exit 0\n");
  EXPECT_EQ(taken().amd_smi, folder_.path("bin/amd-smi"));
}

TEST_F(TakeInventory, ListsTheDevicesOfGpusAlone) {
  for (const char* name :
       {"dev/nvidia0", "dev/nvidia12", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-modeset",
        "dev/nvidiax", "dev/null", "dev/kfd", "dev/dri/renderD128", "dev/dri/card0"}) {
    folder_.write(name, "");
  }
  std::vector<std::string> paths;
  for (const DeviceFile& device : taken().devices) {
    paths.push_back(device.path);
    EXPECT_TRUE(device.is_usable) << device.path;
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"/dev/dri/renderD128", "/dev/kfd", "/dev/nvidia-uvm",
                                             "/dev/nvidia0", "/dev/nvidia12", "/dev/nvidiactl"}));
}

TEST_F(TakeInventory, TellsWhichGpusCanBeSeen) {
  EXPECT_EQ(view_of_gpus(1000, folder_.path()), "uid 1000");
  folder_.write("dev/nvidia1", "");
  folder_.write("dev/dri/renderD128", "");
  EXPECT_EQ(view_of_gpus(1000, folder_.path()), "/dev/dri/renderD128 /dev/nvidia1");
}

TEST(ProviderOf, IsWhoseSignsThereAre) {
  Inventory none;
  none.nvml_failure = "no such file";
  EXPECT_EQ(provider_of(none), "");
  Inventory some = none;
  some.nvidia_driver = "550";
  EXPECT_EQ(provider_of(some), "nvidia");
  some = none;
  some.nvml_failure.reset();
  EXPECT_EQ(provider_of(some), "nvidia");
  some = none;
  some.nvidia_smi = "/usr/bin/nvidia-smi";
  EXPECT_EQ(provider_of(some), "nvidia");
  some = none;
  some.has_kfd = true;
  EXPECT_EQ(provider_of(some), "amd");
  some.nvidia_smi = "/usr/bin/nvidia-smi";
  EXPECT_EQ(provider_of(some), "amd");
  some = none;
  some.amd_smi = "/opt/rocm/bin/amd-smi";
  EXPECT_EQ(provider_of(some), "amd");
}

}  // namespace
}  // namespace chg
