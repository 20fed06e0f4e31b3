#include "probe/amd/kfd_topology.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "unit/probe/amd_tree.h"

namespace chg {
namespace {

TEST(KfdTopology, GivesGpusInTheOrderOfTheirNodes) {
  const AmdTree tree;
  tree.add_cpu(0);
  tree.add_gpu(10, 4711, 0x4300, 129);
  tree.add_gpu(2, 815, 0xc308, 128, "unique_id 0\ngfx_target_version 90010\ndomain 65536\n");
  const auto topology = read_kfd_topology(tree.root());
  ASSERT_TRUE(topology.has_value());
  const auto& nodes = topology->nodes;
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes.at(0).node_id, 2);
  EXPECT_EQ(nodes.at(0).gpu_id, 815U);
  EXPECT_EQ(nodes.at(0).pci_bus_id, "10000:c3:01.0");
  EXPECT_EQ(nodes.at(0).unique_id, 0U);
  EXPECT_EQ(nodes.at(0).architecture, "gfx90a");
  EXPECT_EQ(nodes.at(1).node_id, 10);
  EXPECT_EQ(nodes.at(1).pci_bus_id, "0000:43:00.0");
  EXPECT_EQ(nodes.at(1).unique_id, 0x64af1b0d2ab4bf5bULL);
  EXPECT_EQ(nodes.at(1).drm_minor, 129);
  EXPECT_EQ(nodes.at(1).architecture, "");
}

TEST(KfdTopology, ReadsThePartitionBesideTheAddress) {
  const AmdTree tree;
  tree.add_gpu(1, 1, 2560, 128);
  tree.add_gpu(2, 2, 268438016, 129);  // 2560 and 1 << 28
  tree.add_gpu(3, 3, 0xf0000a01, 130);
  const auto nodes = read_kfd_topology(tree.root()).value().nodes;
  EXPECT_EQ(nodes.at(0).pci_bus_id, "0000:0a:00.0");
  EXPECT_EQ(nodes.at(0).partition, 0);
  EXPECT_EQ(nodes.at(1).pci_bus_id, "0000:0a:00.0");
  EXPECT_EQ(nodes.at(1).partition, 1);
  EXPECT_EQ(nodes.at(2).pci_bus_id, "0000:0a:00.1");
  EXPECT_EQ(nodes.at(2).partition, 15);
}

TEST(KfdTopology, NamesArchitecturesAsTheCompilerDoes) {
  const AmdTree tree;
  tree.add_gpu(1, 1, 0x300, 128, "gfx_target_version 110000\n");
  tree.add_gpu(2, 2, 0x400, 129, "gfx_target_version 90402\n");
  const auto nodes = read_kfd_topology(tree.root()).value().nodes;
  EXPECT_EQ(nodes.at(0).architecture, "gfx1100");
  EXPECT_EQ(nodes.at(1).architecture, "gfx942");
}

TEST(KfdTopology, IsMissingWhereThereIsNone) { EXPECT_FALSE(read_kfd_topology(AmdTree().root())); }

TEST(KfdTopology, IsEmptyWhereThereAreOnlyCpus) {
  const AmdTree tree;
  tree.add_cpu(0);
  EXPECT_TRUE(read_kfd_topology(tree.root()).value().nodes.empty());
}

TEST(KfdTopology, LeavesOutWhatHasNoIdToRead) {
  const AmdTree tree;
  tree.add_gpu(1, 1, 0x300, 128);
  tree.folder().write(AmdTree::nodes() + "2/properties", "simd_count 256\n");
  tree.folder().write(AmdTree::nodes() + "3/gpu_id", "99999999999999999999\n");
  tree.folder().write(AmdTree::nodes() + "x/gpu_id", "5\n");
  EXPECT_EQ(read_kfd_topology(tree.root()).value().nodes.size(), 1U);
}

TEST(KfdTopology, LeavesOutWhatHasNoDeviceFile) {
  const AmdTree tree;
  tree.add_gpu(1, 1, 0x300, 128);
  tree.add_gpu(2, 2, 0x400, 129);
  std::filesystem::remove(tree.folder().path(AmdTree::render_node(128)));
  const auto nodes = read_kfd_topology(tree.root()).value().nodes;
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].node_id, 2);
}

TEST(KfdTopology, KeepsWhatTheCallerLacksTheRightsTo) {
  const AmdTree tree;
  tree.add_gpu(1, 1, 0x300, 128);
  // Root may read all files, so a loop of links stands for one that may not be read.
  const std::string file = tree.folder().path(AmdTree::render_node(128));
  std::filesystem::remove(file);
  std::filesystem::create_symlink(file, file);
  EXPECT_EQ(read_kfd_topology(tree.root()).value().nodes.size(), 1U);
}

TEST(KfdTopology, KnowsNothingOfAGpuFromGarbage) {
  const AmdTree tree;
  for (const char* garbage :
       {"", "location_id", "location_id x", "location_id 65536\ndrm_render_minor 4294967295",
        "location_id 99999999999999999999999\ndrm_render_minor -1", "\xff\xfe \x00 1"}) {
    tree.folder().write(AmdTree::nodes() + "1/gpu_id", "5\n");
    tree.folder().write(AmdTree::nodes() + "1/properties", garbage);
    const auto nodes = read_kfd_topology(tree.root()).value().nodes;
    ASSERT_EQ(nodes.size(), 1U) << garbage;
    EXPECT_EQ(nodes[0].pci_bus_id, "") << garbage;
    EXPECT_EQ(nodes[0].partition, 0) << garbage;
    EXPECT_EQ(nodes[0].drm_minor, std::nullopt) << garbage;
  }
}

TEST(KfdProperties, AreNumbersByName) {
  const auto properties = parse_kfd_properties("a 1\r\nb x\nc\n\nd 18446744073709551615\ne -1\n");
  EXPECT_EQ(properties.size(), 2U);
  EXPECT_EQ(properties.at("a"), 1U);
  EXPECT_EQ(properties.at("d"), 18446744073709551615ULL);
}

}  // namespace
}  // namespace chg
