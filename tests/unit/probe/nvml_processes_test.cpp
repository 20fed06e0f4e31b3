#include "probe/nvidia/nvml_processes.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

using Type = GpuProcess::Type;

constexpr std::uint64_t kMib = 1ULL << 20;

NvmlProcess listed(std::uint32_t pid, std::optional<std::uint64_t> mib) {
  NvmlProcess process;
  process.pid = pid;
  if (mib) process.memory_bytes = *mib * kMib;
  return process;
}

GpuProcess merged(int pid, std::optional<std::uint64_t> mib, Type type = Type::Compute) {
  GpuProcess process;
  process.pid = pid;
  process.memory_mib = mib;
  process.type = type;
  return process;
}

using Merged = std::vector<GpuProcess>;

TEST(MibOf, RoundsToTheNearest) {
  EXPECT_EQ(mib_to_nearest(0), 0U);
  EXPECT_EQ(mib_to_nearest(kMib / 2 - 1), 0U);
  EXPECT_EQ(mib_to_nearest(kMib / 2), 1U);
  EXPECT_EQ(mib_to_nearest(8000 * kMib + 1), 8000U);
}

TEST(MibOf, DoesNotBelieveWhatNoMachineHas) {
  EXPECT_EQ(mib_to_nearest(~0ULL), std::nullopt);
  EXPECT_EQ(mib_to_nearest((1ULL << 36) * kMib), 1ULL << 36);
  EXPECT_EQ(mib_to_nearest((1ULL << 36) * kMib + kMib), std::nullopt);
}

TEST(MergeLists, JoinsTheListsInTheOrderOfPids) {
  EXPECT_EQ(merge_lists({{NvmlList::Compute, {listed(30, 5), listed(10, 6)}},
                         {NvmlList::Graphics, {listed(20, 7)}},
                         {NvmlList::Mps, {listed(5, 8)}}}),
            (Merged{merged(5, 8), merged(10, 6), merged(20, 7, Type::Graphics), merged(30, 5)}));
  EXPECT_EQ(merge_lists({}), Merged{});
}

TEST(MergeLists, CountsAProcessOfSeveralListsOnce) {
  EXPECT_EQ(merge_lists({{NvmlList::Compute, {listed(1, 300)}},
                         {NvmlList::Graphics, {listed(1, 310), listed(2, 5)}},
                         {NvmlList::Mps, {listed(2, 4)}}}),
            (Merged{merged(1, 310), merged(2, 5)}));
}

TEST(MergeLists, AddsUpWhatOneListSaysOfAProcess) {
  EXPECT_EQ(merge_lists({{NvmlList::Compute, {listed(1, 300), listed(1, 200)}}}),
            Merged{merged(1, 500)});
}

TEST(MergeLists, DoesNotKnowMemoryThatAListDoesNotTell) {
  EXPECT_EQ(merge_lists({{NvmlList::Compute, {listed(1, std::nullopt), listed(2, 3)}},
                         {NvmlList::Graphics, {listed(1, 310), listed(2, std::nullopt)}}}),
            (Merged{merged(1, std::nullopt), merged(2, std::nullopt)}));
  EXPECT_EQ(merge_lists({{NvmlList::Compute, {listed(1, 1), listed(1, std::nullopt)}}}),
            Merged{merged(1, std::nullopt)});
}

TEST(MergeLists, LeavesOutWhatIsNoPid) {
  const std::vector<NvmlListed> lists = {
      {NvmlList::Compute, {listed(0, 1), listed(4'000'000'000U, 1), listed(1, 1)}}};
  EXPECT_EQ(merge_lists(lists), Merged{merged(1, 1)});
}

TEST(HasUnknownProcess, IsTrueForWhatIsNoPid) {
  EXPECT_TRUE(has_unknown_process({{NvmlList::Compute, {listed(1, 1), listed(0, 1)}}}));
  EXPECT_TRUE(
      has_unknown_process({{NvmlList::Compute, {}}, {NvmlList::Mps, {listed(2'147'483'648U, 1)}}}));
  EXPECT_FALSE(has_unknown_process({{NvmlList::Compute, {listed(2'147'483'647U, 1)}}}));
  EXPECT_FALSE(has_unknown_process({}));
}

TEST(MergeParts, AddsUpWhatAProcessHoldsOnSeveralParts) {
  EXPECT_EQ(merge_mig_devices({{merged(2, 100), merged(3, 1)}, {merged(1, 50), merged(2, 10)}}, {}),
            (Merged{merged(1, 50), merged(2, 110), merged(3, 1)}));
  EXPECT_EQ(merge_mig_devices({{merged(2, 100)}, {merged(2, std::nullopt)}}, {}),
            Merged{merged(2, std::nullopt)});
}

TEST(MergeParts, TakesFromTheWholeWhatIsOnNoPart) {
  EXPECT_EQ(merge_mig_devices({{merged(1, 100)}}, {merged(1, std::nullopt), merged(2, 7)}),
            (Merged{merged(1, 100), merged(2, 7)}));
}

TEST(MergeParts, GivesTheWholeWhereThereAreNoParts) {
  EXPECT_EQ(merge_mig_devices({}, {merged(1, 100, Type::Graphics)}),
            Merged{merged(1, 100, Type::Graphics)});
}

}  // namespace
}  // namespace chg
