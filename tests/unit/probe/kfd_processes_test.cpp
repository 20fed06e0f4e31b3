#include "probe/amd/kfd_processes.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "probe/processes/host_pids.h"
#include "support/child.h"
#include "unit/probe/amd_tree.h"

namespace chg {
namespace {

class DriverPids : public ::testing::Test {
 protected:
  void SetUp() override { tree_.add_gpu(1, 4711, 0x300, 128); }

  // Each use as "PID GPU BYTES", with a q behind it for a queue.
  std::string uses() {
    const auto list = read_driver_uses(tree_.root());
    if (!list) return "unknown";
    std::string text;
    for (const DriverUse& use : *list) {
      text += fmt::format("[{} {} {}{}]", use.pid, use.gpu_id,
                          use.vram_bytes ? std::to_string(*use.vram_bytes) : "?",
                          use.has_queue ? "q" : "");
    }
    return text;
  }

  AmdTree tree_;
};

TEST_F(DriverPids, AreThoseThatHoldMemory) {
  tree_.run(77, "python3");
  tree_.put_kfd(77, "pasid", "32770\n");
  tree_.put_kfd(77, "vram_4711", "8192\n");
  tree_.put_kfd(77, "vram_4712", "0\n");
  tree_.put_kfd(77, "sdma_4712", "5\n");
  EXPECT_EQ(uses(), "[77 4711 8192]");
}

TEST_F(DriverPids, AreThoseThatHaveAQueue) {
  tree_.run(77, "python3");
  tree_.put_kfd(77, "vram_4711", "0\n");
  tree_.put_kfd(77, "queues/0/gpuid", "4711\n");
  tree_.put_kfd(77, "queues/1/gpuid", "4711\n");
  tree_.put_kfd(77, "queues/2/gpuid", "garbage");
  EXPECT_EQ(uses(), "[77 4711 0q]");
}

TEST_F(DriverPids, AreThoseWhoseMemoryIsNotTold) {
  tree_.run(77, "python3");
  tree_.put_kfd(77, "vram_4711", "no number\n");
  std::filesystem::create_directories(
      tree_.folder().path(AmdTree::processes() + "77/vram_4712"));  // EISDIR when it is read
  EXPECT_EQ(uses(), "[77 4711 ?][77 4712 ?]");
}

TEST_F(DriverPids, AreCountedWithAllTheirContexts) {
  tree_.run(77, "python3");
  tree_.put_kfd(77, "vram_4711", "100\n");
  tree_.put_kfd(77, "context_1/vram_4711", "20\n");
  tree_.put_kfd(77, "context_1/queues/0/gpuid", "4712\n");
  EXPECT_EQ(uses(), "[77 4711 120][77 4712 0q]");
  tree_.put_kfd(77, "context_2/vram_4711", "18446744073709551615\n");
  EXPECT_EQ(uses(), "[77 4711 18446744073709551615][77 4712 0q]");
}

TEST_F(DriverPids, AreNotThoseOfProcessesThatHaveEnded) {
  tree_.put_kfd(kNoPid, "vram_4711", "8192\n");
  tree_.run(78, "zombie", 'Z');
  tree_.put_kfd(78, "vram_4711", "8192\n");
  EXPECT_EQ(uses(), "");
}

TEST_F(DriverPids, AreThoseThatProcHides) {
  const Child hidden(idle);
  tree_.put_kfd(hidden.pid(), "vram_4711", "8192\n");
  EXPECT_EQ(uses(), fmt::format("[{} 4711 8192]", hidden.pid()));
}

TEST_F(DriverPids, HaveNotEndedForAReaderThatSeesOtherPids) {
  tree_.put_kfd(kNoPid, "vram_4711", "8192\n");
  tree_.see_pids_of("pid:[4026532999]");
  EXPECT_FALSE(sees_host_pids(tree_.root()));
  EXPECT_EQ(uses(), "[2000000000 4711 8192]");
  tree_.see_pids_of("pid:[4026531836]");
  EXPECT_TRUE(sees_host_pids(tree_.root()));
  EXPECT_EQ(uses(), "");
}

TEST_F(DriverPids, AreUnknownWhereTheListCannotBeRead) {
  std::filesystem::remove(tree_.folder().path(AmdTree::processes()));
  EXPECT_EQ(uses(), "unknown");
}

TEST_F(DriverPids, AreUnknownWhereAProcessCannotBeLookedInto) {
  tree_.run(77, "python3");
  tree_.folder().write(AmdTree::processes() + "77", "not a folder");
  EXPECT_EQ(uses(), "unknown");
}

TEST_F(DriverPids, AreNoOtherNamesInTheList) {
  for (const char* name : {"0", "-5", "self", "99999999999999999999", "4294967297"}) {
    tree_.folder().write(AmdTree::processes() + name + "/vram_4711", "8192\n");
  }
  tree_.run(77, "python3");
  tree_.put_kfd(77, "vram_", "8192\n");
  tree_.put_kfd(77, "vram_x", "8192\n");
  tree_.put_kfd(77, "vram_99999999999999999999", "8192\n");
  EXPECT_EQ(uses(), "");
}

TEST(DriverUses, AreListedOnTheGpuOfTheirNode) {
  std::vector<KfdNode> nodes(2);
  nodes[0].gpu_id = 1;
  nodes[1].gpu_id = 2;
  // Partitions of one card.
  for (KfdNode& node : nodes) node.pci_bus_id = "0000:03:00.0";
  std::vector<GpuReading> gpus(2);
  gpus[0].runtime_index = 0;
  gpus[1].runtime_index = 1;
  add_driver_uses(gpus, nodes,
                  {{7, 2, 56000, false}, {8, 2, std::nullopt, true}, {9, 3, 1, false}});
  EXPECT_TRUE(gpus[0].processes.empty());
  ASSERT_EQ(gpus[1].processes.size(), 2U);
  EXPECT_EQ(gpus[1].processes[0].pid, 7);
  EXPECT_EQ(gpus[1].processes[0].memory_mib, 1U);
  EXPECT_EQ(gpus[1].processes[0].type, GpuProcess::Type::Compute);
  EXPECT_EQ(gpus[1].processes[1].memory_mib, std::nullopt);
}

}  // namespace
}  // namespace chg
