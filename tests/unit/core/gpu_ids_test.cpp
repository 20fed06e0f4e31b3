#include "core/gpu_ids.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace chg {
namespace {

using Numbers = std::vector<int>;

TEST(GpuIds, AreReadAsIdsAndRanges) {
  EXPECT_EQ(parse_gpu_ids("3"), (Numbers{3}));
  EXPECT_EQ(parse_gpu_ids("1,3"), (Numbers{1, 3}));
  EXPECT_EQ(parse_gpu_ids("0-3"), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(parse_gpu_ids("2-2"), (Numbers{2}));
  EXPECT_EQ(parse_gpu_ids(" 0, 2 - 4 ,7 "), (Numbers{0, 2, 3, 4, 7}));
}

TEST(GpuIds, AreSorted) { EXPECT_EQ(parse_gpu_ids("5,0-1,3"), (Numbers{0, 1, 3, 5})); }

TEST(GpuIds, AreNotReadFromAnythingElse) {
  for (const std::string text : {"",
                                 " ",
                                 ",",
                                 "1,",
                                 ",1",
                                 "1,,2",
                                 "a",
                                 "1a",
                                 "1;2",
                                 "1 2",
                                 "-1",
                                 "1-",
                                 "-",
                                 "3-1",
                                 "1--2",
                                 "+1",
                                 "0x1",
                                 "1.5",
                                 "1-2-3",
                                 "10000",
                                 "0-99999999999",
                                 "99999999999999999999",
                                 "1\n",
                                 "\t1",
                                 "all"}) {
    expect_error(ErrorKind::Usage, "invalid GPU list", [&] { parse_gpu_ids(text); });
  }
}

TEST(GpuIds, AreNotReadFromATextThatHoldsANul) {
  using namespace std::string_view_literals;
  expect_error(ErrorKind::Usage, "invalid GPU list", [] { parse_gpu_ids("1\0"sv); });
}

TEST(GpuIds, MayNotBeRepeated) {
  expect_error(ErrorKind::Usage, "GPU 2 is named twice in '0-3,2'", [] { parse_gpu_ids("0-3,2"); });
}

TEST(GpuIds, AreWrittenForPrograms) {
  EXPECT_EQ(to_id_list({}), "");
  EXPECT_EQ(to_id_list({0, 2, 3}), "0,2,3");
}

TEST(GpuIds, AreReadBackAsTheyWereWritten) {
  for (const Numbers& ids : {Numbers{0}, Numbers{1, 2, 3}, Numbers{0, 5, 9999}}) {
    EXPECT_EQ(parse_gpu_ids(to_id_list(ids)), ids);
  }
}

TEST(GpuIds, AreNamedForPeople) {
  EXPECT_EQ(to_gpu_names({3}), "GPU 3");
  EXPECT_EQ(to_gpu_names({0, 1}), "GPUs 0 and 1");
  EXPECT_EQ(to_gpu_names({0, 1, 2}), "GPUs 0-2");
  EXPECT_EQ(to_gpu_names({0, 1, 2, 5}), "GPUs 0-2 and 5");
  EXPECT_EQ(to_gpu_names({0, 2, 4}), "GPUs 0, 2 and 4");
}

}  // namespace
}  // namespace chg
