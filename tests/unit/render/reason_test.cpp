#include "render/reason.h"

#include "render/words.h"
#include "unit/render/samples.h"

namespace chg {
namespace {

using namespace samples;

class ReasonText : public InUtc {};

const WallTime kNow = noon().wall;

Blocker reserved(std::vector<int> gpus, const std::string& who,
                 std::optional<WallTime> until = {}) {
  return {Blocker::Kind::Reserved, std::move(gpus), who, until};
}

TEST_F(ReasonText, OfOneNamedGpuIsOneClause) {
  EXPECT_EQ(sentence({1, {3}, 0, {reserved({3}, "alice", in(hms(1, 20, 0)))}}, kNow),
            "waiting for GPU 3, reserved by alice until 14:20");
  EXPECT_EQ(sentence({1, {3}, 0, {reserved({3}, "alice")}}, kNow),
            "waiting for GPU 3, reserved by alice");
}

TEST_F(ReasonText, NamesTheDayWhereItIsNotToday) {
  EXPECT_EQ(sentence({1, {3}, 0, {reserved({3}, "alice", in(hms(24, 0, 0)))}}, kNow),
            "waiting for GPU 3, reserved by alice until 2026-11-25 13:00");
}

TEST_F(ReasonText, OfSeveralNamedGpusTellsEach) {
  const Blocker use{Blocker::Kind::UnreservedUse, {5}, "by bob", {}};
  EXPECT_EQ(
      sentence({2, {3, 5}, 0, {reserved({3}, "alice", in(hms(1, 20, 0))), use}}, kNow),
      "waiting for GPUs 3 and 5: GPU 3 reserved by alice until 14:20, GPU 5 in unreserved use "
      "by bob");
}

TEST_F(ReasonText, OfSeveralNamedGpusBlockedAlikeIsOneClause) {
  EXPECT_EQ(sentence({2, {3, 5}, 0, {reserved({3, 5}, "alice")}}, kNow),
            "waiting for GPUs 3 and 5, reserved by alice");
}

TEST_F(ReasonText, OfPartlyBlockedNamedGpusTellsWhichOne) {
  EXPECT_EQ(sentence({2, {3, 5}, 1, {reserved({3}, "alice")}}, kNow),
            "waiting for GPUs 3 and 5: GPU 3 reserved by alice");
}

TEST_F(ReasonText, OfACountTellsHowManyAreAvailable) {
  const Reason reason{2,
                      {},
                      1,
                      {reserved({0}, "alice", in(hms(1, 20, 0))),
                       {Blocker::Kind::Held, {1, 2, 3}, "carol", {}},
                       {Blocker::Kind::OutOfService, {4}, "note", {}}}};
  EXPECT_EQ(
      sentence(reason, kNow),
      "waiting for 2 GPUs, 1 available: GPU 0 reserved by alice until 14:20, GPUs 1-3 held for "
      "carol, GPU 4 out of service (note)");
}

TEST_F(ReasonText, SaysNoneRatherThanZero) {
  EXPECT_EQ(sentence({1, {}, 0, {reserved({0}, "alice")}}, kNow),
            "waiting for 1 GPU, none available: GPU 0 reserved by alice");
}

TEST_F(ReasonText, NeedsNoBlocker) {
  EXPECT_EQ(sentence({2, {}, 2, {}}, kNow), "waiting for 2 GPUs, 2 available");
  EXPECT_EQ(sentence({1, {3}, 1, {}}, kNow), "waiting for GPU 3");
}

TEST_F(ReasonText, OfOneThatWasPassedOverSaysWhy) {
  EXPECT_EQ(sentence({1, {}, 0, {}, {}, true}, kNow),
            "granted, but not taken: its process is stopped or does not answer");
}

TEST_F(ReasonText, LeavesOutWhatNobodySaid) {
  const auto only = [](Blocker::Kind kind) {
    return sentence({1, {3}, 0, {{kind, {3}, "", {}}}}, kNow);
  };
  EXPECT_EQ(only(Blocker::Kind::OutOfService), "waiting for GPU 3, out of service");
  EXPECT_EQ(only(Blocker::Kind::Error), "waiting for GPU 3, in error");
  EXPECT_EQ(only(Blocker::Kind::Held), "waiting for GPU 3, held for another");
  EXPECT_EQ(only(Blocker::Kind::UnreservedUse), "waiting for GPU 3, in unreserved use");
  EXPECT_EQ(only(Blocker::Kind::Invisible), "waiting for GPU 3, invisible to the waiter");
  EXPECT_EQ(only(Blocker::Kind::Avoided),
            "waiting for GPU 3, in use by the waiter's own memory thresholds");
}

TEST_F(ReasonText, SaysWhichError) {
  EXPECT_EQ(sentence({1, {3}, 0, {{Blocker::Kind::Error, {3}, "GPU is lost", {}}}}, kNow),
            "waiting for GPU 3, in error (GPU is lost)");
}

TEST_F(ReasonText, CountsTheRestAfterFourReasons) {
  Reason reason{8, {}, 0, {}};
  for (int i = 0; i < 8; ++i) reason.blockers.push_back(reserved({i}, "u" + std::to_string(i)));
  EXPECT_EQ(sentence(reason, kNow),
            "waiting for 8 GPUs, none available: GPU 0 reserved by u0, GPU 1 reserved by u1, GPU 2 "
            "reserved by u2, GPU 3 reserved by u3 and 4 more GPUs");
  reason.blockers.resize(5);
  EXPECT_TRUE(sentence(reason, kNow).ends_with("u3 and 1 more GPU"));
  reason.blockers.resize(4);
  EXPECT_TRUE(sentence(reason, kNow).ends_with("GPU 3 reserved by u3"));
}

TEST_F(ReasonText, StaysOneHarmlessLineWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    Reason reason{8, {}, 0, {}};
    for (int i = 0; i < 6; ++i) {
      reason.blockers.push_back({static_cast<Blocker::Kind>(i), {i}, text, in(hms(30, 0, 0))});
    }
    EXPECT_FALSE(has_control(sentence(reason, kNow))) << sentence(reason, kNow);
    EXPECT_LT(sentence(reason, kNow).size(), 2000U);
  }
}

TEST_F(ReasonText, EstimatesOnlyWhatIsKnown) {
  EXPECT_EQ(estimate_text(in(hms(1, 20, 0)), kNow), "estimated start 14:20");
  EXPECT_EQ(estimate_text(in(hms(12, 0, 0)), kNow), "estimated start 2026-11-25 01:00");
  EXPECT_EQ(estimate_text({}, kNow), "start unknown");
}

TEST_F(ReasonText, NeverEstimatesThePast) {
  EXPECT_EQ(estimate_text(in(-hms(0, 1, 0)), kNow), "estimated start now");
  EXPECT_EQ(estimate_text(kNow, kNow), "estimated start now");
}

TEST_F(ReasonText, TellsAWaiterPositionReasonAndEstimate) {
  const Decision decision{
      "id", 2, {}, {1, {3}, 0, {reserved({3}, "alice", in(hms(1, 20, 0)))}}, in(hms(1, 20, 0))};
  EXPECT_EQ(
      waiting_line(decision, kNow),
      "2nd in queue, waiting for GPU 3, reserved by alice until 14:20; estimated start 14:20");
}

TEST_F(ReasonText, TellsAWaiterThatTheStartIsUnknown) {
  const Decision decision{"id", 1, {0}, {2, {}, 1, {reserved({1}, "alice")}}, {}};
  EXPECT_EQ(
      waiting_line(decision, kNow),
      "1st in queue, waiting for 2 GPUs, 1 available: GPU 1 reserved by alice; start unknown");
}

TEST(Ordinal, FollowsEnglish) {
  const std::vector<std::pair<int, std::string>> cases = {
      {1, "1st"},   {2, "2nd"},     {3, "3rd"},     {4, "4th"},     {10, "10th"},
      {11, "11th"}, {12, "12th"},   {13, "13th"},   {21, "21st"},   {22, "22nd"},
      {23, "23rd"}, {101, "101st"}, {111, "111th"}, {112, "112th"}, {113, "113th"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(ordinal(number), text);
}

TEST(GpuCount, KnowsSingularAndPlural) {
  EXPECT_EQ(count_of(0, "GPU"), "0 GPUs");
  EXPECT_EQ(count_of(1, "GPU"), "1 GPU");
  EXPECT_EQ(count_of(2, "GPU"), "2 GPUs");
}

}  // namespace
}  // namespace chg
