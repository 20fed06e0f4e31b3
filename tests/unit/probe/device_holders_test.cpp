#include "probe/processes/device_holders.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "support/pool_builder.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

using Files = std::vector<std::string>;

TEST(DeviceFiles, OfAnNvidiaGpuGoByTheDriversMinorNumber) {
  const TemporaryFolder root;
  root.write("proc/driver/nvidia/gpus/0000:3b:00.0/information",
             "Model: \t\t NVIDIA H100\nIRQ:   \t\t 5\nDevice Minor: \t 6\n");
  EXPECT_EQ(device_files("0000:3b:00.0", root.path()), Files{"/dev/nvidia6"});
  EXPECT_EQ(device_files("0000:af:00.0", root.path()), Files{});
}

TEST(DeviceFiles, OfOtherGpusAreThoseOfDrm) {
  const TemporaryFolder root;
  for (const char* name : {"card1", "renderD129", "by-path"}) {
    root.write(std::string("sys/bus/pci/devices/0000:c1:00.0/drm/") + name + "/dev", "226:1\n");
  }
  EXPECT_EQ(device_files("0000:c1:00.0", root.path()),
            (Files{"/dev/dri/card1", "/dev/dri/renderD129"}));
}

TEST(DeviceFiles, AreLookedForInNoOtherFolderWhateverTheAddressSays) {
  const TemporaryFolder root;
  root.write("trap/information", "Device Minor: 5\n");
  EXPECT_EQ(device_files("../../../../trap", root.path()), Files{});
  EXPECT_EQ(device_files("0000:3b:00.0/../../../../../trap", root.path()), Files{});
}

TEST(DeviceFiles, AreUnknownWhereTheDriverSaysNothing) {
  const TemporaryFolder root;
  for (const char* text : {"", "Device Minor:", "Device Minor: none\n", "Device Minor: 9x\n",
                           "Device Minor: 99999999999999999999\n"}) {
    root.write("proc/driver/nvidia/gpus/0000:3b:00.0/information", text);
    EXPECT_EQ(device_files("0000:3b:00.0", root.path()), Files{}) << text;
  }
  EXPECT_EQ(device_files("", root.path()), Files{});
}

class MayUseAllDevices : public ::testing::Test {
 protected:
  void add_gpu(const std::string& address, int minor) {
    root_.write("sys/bus/pci/drivers/nvidia/" + address, "");
    root_.write("proc/driver/nvidia/gpus/" + address + "/information",
                "Device Minor: \t " + std::to_string(minor) + "\n");
  }
  bool may() const { return may_use_all_devices("nvidia", root_.path()); }

  TemporaryFolder root_;
};

TEST_F(MayUseAllDevices, WhereEachHasAFileThatCanBeUsed) {
  EXPECT_TRUE(may());
  root_.write("sys/bus/pci/drivers/nvidia/bind", "");
  add_gpu("0000:3b:00.0", 6);
  root_.write("dev/nvidia6", "");
  EXPECT_TRUE(may());
}

TEST_F(MayUseAllDevices, NotWhereAFileIsMissing) {
  add_gpu("0000:3b:00.0", 6);
  add_gpu("0000:af:00.0", 7);
  root_.write("dev/nvidia6", "");
  EXPECT_FALSE(may());
}

// The runtimes of containers hide these folders.
TEST_F(MayUseAllDevices, NotWhereTheDriverDoesNotTellWhichFileItIs) {
  root_.write("sys/bus/pci/drivers/nvidia/0000:3b:00.0", "");
  root_.write("dev/nvidia0", "");
  EXPECT_FALSE(may());
}

// A file that this process has open stands for a device.
class Holders : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string device_ = folder_.write("nvidia3", "");
  UniqueFd opened_{::open(device_.c_str(), O_RDONLY | O_CLOEXEC)};
};

TEST_F(Holders, AreThoseWhoHaveADeviceOpen) {
  EXPECT_EQ(holders_of({"/dev/nvidia77", device_}), Gpus{::getpid()});
  opened_.reset();
  EXPECT_EQ(holders_of({"/dev/nvidia77", device_}), Gpus{});
}

TEST_F(Holders, OfNothingAreNobody) { EXPECT_EQ(holders_of({}), Gpus{}); }

class Suspects : public Holders {
 protected:
  std::vector<GpuProcess> of(GpuReading reading) {
    reading.devices = {device_};
    Observation observation = Scene(1).observation({std::move(reading)});
    ProcReader proc;
    find_suspects(observation, Policy(), proc, std::chrono::seconds(30));
    return observation.gpus.at(0).suspects;
  }
};

TEST_F(Suspects, AreNamedWhereMemoryBelongsToNobody) {
  const auto suspects = of(reading(0, {}, 5000));
  ASSERT_EQ(suspects.size(), 1U);
  EXPECT_EQ(suspects[0].pid, ::getpid());
  EXPECT_EQ(suspects[0].uid, ::getuid());
  EXPECT_EQ(suspects[0].program, "unit_probe");
}

TEST_F(Suspects, AreNotLookedForWhereAllMemoryIsAccountedFor) {
  EXPECT_TRUE(of(reading(0, {{.pid = 1, .memory_mib = 5000}}, 45)).empty());
}

TEST_F(Suspects, AreNotThoseThatAreListedAnyway) {
  EXPECT_TRUE(of(reading(0, {{.pid = ::getpid(), .memory_mib = 50}}, 5000)).empty());
}

TEST_F(Suspects, AreNobodyWhereTheMemoryCannotBeRead) {
  EXPECT_TRUE(of(broken_reading(0, "GPU is lost")).empty());
}

}  // namespace
}  // namespace chg
