#include "probe/amd/amd_visibility.h"

#include <gtest/gtest.h>

#include "probe/amd/amd_identity.h"
#include "support/expect_error.h"

namespace chg {
namespace {

GpuReading gpu(int index, const std::string& bus_id, std::uint64_t unique_id) {
  GpuReading reading;
  reading.index = index;
  reading.pci_bus_id = bus_id;
  reading.uuid = amd_uuid(unique_id, bus_id);
  return reading;
}

KfdNode node(int node_id, const std::string& bus_id, std::uint64_t unique_id) {
  KfdNode made;
  made.node_id = node_id;
  made.gpu_id = static_cast<std::uint32_t>(node_id + 1000);
  made.pci_bus_id = bus_id;
  made.unique_id = unique_id;
  return made;
}

std::string shown(const std::vector<GpuReading>& granted, const std::vector<KfdNode>& nodes) {
  const AmdVisibility visibility = amd_visibility(granted, nodes);
  return visibility.rocr + " " + visibility.hip;
}

const std::string kFirst = "0000:03:00.0";
const std::string kSecond = "0000:43:00.0";
const std::string kThird = "0000:83:00.0";

// Node ids in another order than the addresses.
const std::vector<KfdNode>& nodes_without_ids() {
  static const std::vector<KfdNode> nodes = {node(3, kFirst, 0), node(1, kThird, 0),
                                             node(2, kSecond, 0)};
  return nodes;
}

TEST(AmdVisibility, NamesGpusByTheirUuidsAndNumbersWhatIsLeft) {
  const std::vector<KfdNode> nodes = {node(1, kThird, 3), node(2, kSecond, 2), node(3, kFirst, 1)};
  EXPECT_EQ(shown({gpu(0, kFirst, 1), gpu(2, kThird, 3)}, nodes),
            "GPU-0000000000000001,GPU-0000000000000003 0,1");
}

TEST(AmdVisibility, NeedsNoNodesWhereThereAreUuids) {
  EXPECT_EQ(shown({gpu(2, kThird, 3)}, {}), "GPU-0000000000000003 0");
}

TEST(AmdVisibility, KeepsTheOrderInWhichGpusAreGiven) {
  EXPECT_EQ(shown({gpu(2, kThird, 3), gpu(0, kFirst, 1)}, {}),
            "GPU-0000000000000003,GPU-0000000000000001 0,1");
}

TEST(AmdVisibility, CountsGpusWithoutUuidAsTheRuntimeDoes) {
  EXPECT_EQ(shown({gpu(0, kFirst, 0)}, nodes_without_ids()), "2 0");
  EXPECT_EQ(shown({gpu(1, kSecond, 0), gpu(2, kThird, 0)}, nodes_without_ids()), "1,0 0,1");
}

TEST(AmdVisibility, MixesUuidsAndPlaces) {
  const std::vector<KfdNode> nodes = {node(1, kThird, 0), node(2, kFirst, 1)};
  EXPECT_EQ(shown({gpu(0, kFirst, 1), gpu(1, kThird, 0)}, nodes), "GPU-0000000000000001,0 0,1");
}

TEST(AmdVisibility, CountsPartitionsOfACardWhichShareItsUuid) {
  const std::vector<KfdNode> nodes = {node(1, "0000:03:00.0", 7), node(2, "0000:03:00.1", 7)};
  EXPECT_EQ(shown({gpu(1, "0000:03:00.1", 0)}, nodes), "1 0");
  EXPECT_EQ(shown({gpu(1, "0000:03:00.1", 7)}, nodes), "1 0");
}

TEST(AmdVisibility, ShowsNoGpuWhereNoneIsGranted) {
  EXPECT_EQ(shown({}, nodes_without_ids()), " ");
}

TEST(AmdVisibility, FailsWhereAGpuCannotBeNamed) {
  const std::string message = "cannot tell how the ROCm runtime counts GPU 0";
  const auto expect_failure = [&](const GpuReading& granted, const std::vector<KfdNode>& nodes) {
    expect_error(ErrorKind::Failed, message, [&] { amd_visibility({granted}, nodes); });
  };
  expect_failure(gpu(0, kFirst, 0), {});
  expect_failure(gpu(0, "0000:99:00.0", 0), nodes_without_ids());
  expect_failure(gpu(0, "", 0), {node(1, "", 0)});
  expect_failure(gpu(0, kFirst, 0), {node(1, kFirst, 0), node(2, kFirst, 0)});
}

}  // namespace
}  // namespace chg
