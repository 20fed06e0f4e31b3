#include "render/status.h"
#include "render/summary.h"
#include "unit/render/samples.h"

namespace chg {
namespace {

using namespace samples;

std::string summary_text(const Overview& overview) { return summary_line(summary_of(overview)); }

std::string line(const GpuOverview& gpu) { return status_lines(status_rows(of(gpu)), {}); }

TEST(StatusLines, AreThoseOfTheContract) {
  EXPECT_EQ(status_lines(status_rows(contract()), {}),
            "GPU 0: AVAILABLE (last released 0h 30m 15s ago) [validated: 45MB used]\n"
            "GPU 1: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) "
            "[validated: 8452MB, 1 processes]\n"
            "GPU 2: IN USE WITHOUT RESERVATION by user bob - 1024MB used by PID 12345 (python3), "
            "PID 67890 (jupyter)\n"
            "GPU 3: IN USE by charlie for 1h 2m 15s (manual, expires in 3h 15m 45s) "
            "[validated: no actual usage detected]\n");
}

TEST(StatusLines, OfNoGpusAreEmpty) {
  EXPECT_EQ(status_lines(status_rows({noon(), {}, "", {}}), {}), "");
}

TEST(StatusLines, NeverDependOnTheWidth) {
  EXPECT_EQ(status_lines(status_rows(contract()), {.columns = 20}),
            status_lines(status_rows(contract()), {}));
}

TEST(StatusLineAvailable, SaysNeverUsed) {
  EXPECT_EQ(line(available(0)), "GPU 0: AVAILABLE (never used) [validated: 45MB used]\n");
}

TEST(StatusLineAvailable, IsNotValidatedWithoutReading) {
  GpuOverview gpu = available(0);
  gpu.reading.reset();
  EXPECT_EQ(line(gpu), "GPU 0: AVAILABLE (never used) [not validated]\n");
}

TEST(StatusLineAvailable, IsNotValidatedWithoutMemory) {
  GpuOverview gpu = available(0);
  gpu.reading->memory_used_mib.reset();
  EXPECT_EQ(line(gpu), "GPU 0: AVAILABLE (never used) [not validated: memory unknown]\n");
}

TEST(StatusLineAvailable, SaysForWhomItIsHeld) {
  GpuOverview gpu = available(0);
  gpu.held_for = "alice";
  gpu.held_position = 1;
  EXPECT_EQ(line(gpu),
            "GPU 0: AVAILABLE (never used) [validated: 45MB used] held for alice, 1st in queue\n");
}

TEST(StatusLineInUse, CountsMemoryOfProcessesOrElseAllMemory) {
  const auto known =
      with_use(run(1), {process(1, "a", "alice", 100), process(2, "b", "alice", 50)}, 400);
  EXPECT_NE(line(known).find("[validated: 150MB, 2 processes]"), std::string::npos);
  const auto hidden =
      with_use(run(1), {process(1, "a", "alice", 100), process(2, "b", "alice", {})}, 400);
  EXPECT_NE(line(hidden).find("[validated: 400MB, 2 processes]"), std::string::npos);
  const auto partly = with_use(run(1), {process(1, "a", "alice", 100)}, 5000);
  EXPECT_NE(line(partly).find("[validated: 100MB, 1 processes]"), std::string::npos);
  const auto unlisted = with_use(run(1), {}, 5000);
  EXPECT_NE(line(unlisted).find("[validated: 5000MB, 0 processes]"), std::string::npos);
  const auto unread = with_use(run(1), {process(1, "a", "alice", {})}, {});
  EXPECT_NE(line(unread).find("[validated: 1 processes]"), std::string::npos);
  const auto nothing = with_use(run(1), {}, {});
  EXPECT_NE(line(nothing).find("[not validated: memory unknown]"), std::string::npos);
}

TEST(StatusLineInUse, IsNotValidatedWithoutReading) {
  GpuOverview gpu = run(1);
  gpu.reading.reset();
  EXPECT_EQ(line(gpu),
            "GPU 1: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) "
            "[not validated]\n");
}

TEST(StatusLineInUse, IsNotValidatedByAnErroneousReading) {
  GpuOverview gpu = run(1);
  gpu.reading->error = "GPU is lost";
  EXPECT_EQ(line(gpu),
            "GPU 1: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) "
            "[not validated: GPU is lost]\n");
}

TEST(StatusLineInUse, KeepsItsWordingWithATimeout) {
  GpuOverview gpu = run(1);
  gpu.reservation->ends = in(hms(1, 0, 0));
  EXPECT_NE(line(gpu).find("(run, last heartbeat 0h 0m 5s ago)"), std::string::npos);
}

TEST(StatusLineInUse, ShowsLabelAndAccount) {
  GpuOverview gpu = run(1);
  gpu.reservation->label = "dora";
  EXPECT_NE(line(gpu).find("IN USE by dora (alice) for "), std::string::npos);
}

TEST(StatusLineInUse, NeverLetsALongLabelHideTheAccount) {
  GpuOverview gpu = run(1);
  gpu.reservation->label = std::string(10000, 'x');
  EXPECT_NE(line(gpu).find("… (alice) for "), std::string::npos);
}

TEST(StatusLineInUse, EndsWithTheNote) {
  GpuOverview gpu = manual(3);
  gpu.reservation->note = "night run";
  EXPECT_EQ(line(gpu),
            "GPU 3: IN USE by charlie for 1h 2m 15s (manual, expires in 3h 15m 45s) "
            "[validated: no actual usage detected] \"night run\"\n");
}

TEST(StatusLineInUse, CutsTheNoteAtEightyColumns) {
  GpuOverview gpu = manual(3);
  gpu.reservation->note = std::string(81, 'n');
  EXPECT_NE(line(gpu).find(" \"" + std::string(79, 'n') + "…\"\n"), std::string::npos);
  gpu.reservation->note = std::string(80, 'n');
  EXPECT_NE(line(gpu).find(" \"" + std::string(80, 'n') + "\"\n"), std::string::npos);
}

TEST(StatusLineInUse, TellsOfLeftoversWhenTheCommandHasEnded) {
  GpuOverview gpu = with_use(run(1), {process(7, "python3", "alice", 8452)}, 8500);
  gpu.command_ended = true;
  gpu.leftovers = gpu.users;
  EXPECT_EQ(line(gpu),
            "GPU 1: IN USE by alice for 0h 15m 30s (run, command ended, last heartbeat 0h 0m 5s "
            "ago) [validated: 8452MB, 1 processes] leftover PID 7 (python3)\n");
}

TEST(StatusLineInUse, TellsWhichRunsHaveLostIt) {
  GpuOverview gpu = manual(0);
  const std::string without = line(gpu);
  gpu.lost_by = {*run(1).reservation};
  gpu.lost_by[0].id = "abc12345";
  const std::string words = " lost by the run abc12345 of alice, which goes on";
  EXPECT_EQ(line(gpu), without.substr(0, without.size() - 1) + words + "\n");
}

TEST(StatusLineInUse, TellsOfForeignUse) {
  const GpuProcess foreign = process(12345, "python3", "bob", 1024);
  GpuOverview gpu = with_use(run(1), {process(7, "python3", "alice", 8452), foreign}, 9500);
  gpu.foreign = {foreign};
  gpu.reservation->note = "mine";
  EXPECT_EQ(line(gpu),
            "GPU 1: IN USE by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago) "
            "[validated: 9476MB, 2 processes] ALSO USED WITHOUT RESERVATION by user bob - 1024MB "
            "used by PID 12345 (python3) \"mine\"\n");
}

TEST(StatusLineInUse, SaysUnknownMemoryOfForeignUseThatHidesIt) {
  GpuOverview gpu = with_use(run(1), {process(8, "python3", "bob", {})}, 9500);
  gpu.foreign = gpu.users;
  EXPECT_NE(line(gpu).find("by user bob - unknown memory used by PID 8 (python3)"),
            std::string::npos);
}

TEST(StatusLineInUse, TellsThatItIsBeingDrained) {
  GpuOverview gpu = manual(3);
  gpu.gpu.out_of_service = "fan is loud";
  EXPECT_NE(line(gpu).find("detected] out of service when released (fan is loud)\n"),
            std::string::npos);
  gpu.gpu.out_of_service = "";
  EXPECT_NE(line(gpu).find("detected] out of service when released\n"), std::string::npos);
}

TEST(StatusLineInUse, SaysOfAManualOneWhetherItIsClaimedOrExpired) {
  GpuOverview gpu = manual(3);
  gpu.reservation->ends = in(-hms(0, 0, 7));
  EXPECT_NE(line(gpu).find("(manual, expired 0h 0m 7s ago)"), std::string::npos);
  gpu.reservation->ends.reset();
  EXPECT_NE(line(gpu).find("(manual, not yet claimed)"), std::string::npos);
  gpu.reservation->request = Request{};
  EXPECT_NE(line(gpu).find("(manual, granted, not taken yet)"), std::string::npos);
}

TEST(StatusLineUnreserved, NamesUsersAndAtMostThreeProcesses) {
  const auto gpu = unreserved(
      2,
      {process(1, "a", "alice", 10), process(2, "b", "bob", 10), process(7, "python3", "carol", 10),
       process(8, "d", "bob", 10), process(9, "e", "bob", 10)},
      90);
  EXPECT_EQ(line(gpu),
            "GPU 2: IN USE WITHOUT RESERVATION by users alice, bob and carol - 50MB used by "
            "PID 1 (a), PID 2 (b), PID 7 (python3) and 2 more\n");
}

TEST(StatusLineUnreserved, SaysUnknownProcessWhereMemoryHasNoOwner) {
  EXPECT_EQ(line(unreserved(2, {}, 5000)),
            "GPU 2: IN USE WITHOUT RESERVATION by unknown user - 5000MB used by unknown process\n");
}

TEST(StatusLineUnreserved, SaysUnknownUserWhereProcHidesIt) {
  EXPECT_EQ(line(unreserved(2, {process(7, "", "", 1024)}, 1100)),
            "GPU 2: IN USE WITHOUT RESERVATION by unknown user - 1024MB used by PID 7 (unknown)\n");
}

TEST(StatusLineUnreserved, AccusesNoListedProcessOfUnlistedMemory) {
  EXPECT_EQ(line(unreserved(2, {process(7, "python3", "bob", 10)}, 5010)),
            "GPU 2: IN USE WITHOUT RESERVATION by user bob and unknown user - 5010MB used by "
            "PID 7 (python3) and unknown process\n");
}

TEST(StatusLineUnreserved, TellsWhatTheStoreKnowsWithoutReading) {
  GpuOverview gpu = unreserved(2, {}, 0);
  gpu.reading.reset();
  gpu.gpu.unavailable =
      Unavailability{Unavailability::Kind::UnreservedUse, ago(hms(0, 5, 0)), "by bob", {1000}};
  EXPECT_EQ(line(gpu),
            "GPU 2: IN USE WITHOUT RESERVATION by bob (seen 0h 5m 0s ago) [not validated]\n");
}

TEST(StatusLineUnreserved, SaysForWhomItIsHeld) {
  GpuOverview gpu = unreserved(2, {process(7, "python3", "bob", 1024)}, 1024);
  gpu.held_for = "bob";
  gpu.held_position = 2;
  EXPECT_NE(line(gpu).find("PID 7 (python3) held for bob, 2nd in queue\n"), std::string::npos);
}

TEST(StatusLines, SayHowOldAReadingIsThatIsNotOfNow) {
  Overview stale = samples::contract();
  for (GpuOverview& gpu : stale.gpus) gpu.stale_for = hms(0, 0, 45);
  const auto lines = lines_of(status_lines(status_rows(stale), {}));
  EXPECT_TRUE(lines[0].ends_with("[validated 0h 0m 45s ago: 45MB used]")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("[validated 0h 0m 45s ago: 8452MB, 1 processes]")) << lines[1];
  EXPECT_NE(lines[2].find("[validated 0h 0m 45s ago]"), std::string::npos) << lines[2];
  EXPECT_TRUE(lines[3].ends_with("[validated 0h 0m 45s ago: no actual usage detected]"));
}

TEST(StatusLineError, SaysWhy) {
  EXPECT_EQ(line(failed(5, "GPU is lost")), "GPU 5: ERROR (GPU is lost)\n");
  EXPECT_EQ(line(failed(5, "")), "GPU 5: ERROR (unknown error)\n");
}

TEST(StatusLineOutOfService, SaysWhyWhereThatIsKnown) {
  EXPECT_EQ(line(out_of_service(6, "fan is loud")), "GPU 6: OUT OF SERVICE (fan is loud)\n");
  EXPECT_EQ(line(out_of_service(6, "")), "GPU 6: OUT OF SERVICE\n");
}

TEST(StatusLines, PaintTheStatusOnly) {
  const Style color{.color = true};
  const auto painted_line = [&](const GpuOverview& gpu) {
    return status_lines(status_rows(of(gpu)), color);
  };
  EXPECT_EQ(painted_line(available(0)),
            "GPU 0: \x1b[32mAVAILABLE\x1b[0m (never used) [validated: 45MB used]\n");
  EXPECT_EQ(painted_line(run(1)).find("GPU 1: \x1b[33mIN USE\x1b[0m by alice"), 0U);
  EXPECT_EQ(painted_line(unreserved(2, {}, 5000))
                .find("GPU 2: \x1b[31mIN USE WITHOUT RESERVATION\x1b[0m by unknown"),
            0U);
  EXPECT_EQ(painted_line(failed(5, "x")), "GPU 5: \x1b[31mERROR\x1b[0m (x)\n");
  EXPECT_EQ(painted_line(out_of_service(6, "")), "GPU 6: \x1b[2mOUT OF SERVICE\x1b[0m\n");
  GpuOverview gpu = run(1);
  gpu.foreign = {process(8, "x", "bob", 1)};
  EXPECT_NE(painted_line(gpu).find(" \x1b[31mALSO USED WITHOUT RESERVATION\x1b[0m by user bob"),
            std::string::npos);
}

TEST(StatusLines, StayOneHarmlessLineForEachGpuWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    const Overview overview = everywhere(text);
    const auto lines = lines_of(status_lines(status_rows(overview), {}));
    ASSERT_EQ(lines.size(), overview.gpus.size()) << text.substr(0, 100);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(lines[i].rfind("GPU " + std::to_string(i) + ": ", 0), 0U) << lines[i];
      EXPECT_FALSE(has_control(lines[i])) << lines[i];
      EXPECT_LT(lines[i].size(), 3000U);
    }
  }
}

TEST(StatusLines, KeepHarmlessForeignLettersAsTheyAre) {
  GpuOverview gpu = manual(3);
  gpu.reservation->note = "\xf0\x9f\x9a\x80 \xe6\xbc\xa2";
  EXPECT_NE(line(gpu).find(" \"\xf0\x9f\x9a\x80 \xe6\xbc\xa2\"\n"), std::string::npos);
}

TEST(StatusSummary, CountsEachStateOnOneLine) {
  EXPECT_EQ(summary_text(contract()),
            "4 GPUs (4x NVIDIA H100 80GB HBM3): 1 available, 2 in use, 1 in use without "
            "reservation, 0 in error; 0 waiting\n");
}

TEST(StatusSummary, TellsOfTheRareOnlyWhereItIs) {
  Overview overview = contract();
  overview.gpus[0].held_for = "dora";
  overview.gpus[1].foreign = {process(8, "x", "bob", 1)};
  overview.gpus.push_back(out_of_service(4, ""));
  overview.gpus.push_back(failed(5, "GPU is lost"));
  overview.gpus[5].reading->model = "NVIDIA L4";
  overview.waiting.resize(3);
  EXPECT_EQ(
      summary_text(overview),
      "6 GPUs (5x NVIDIA H100 80GB HBM3, 1x NVIDIA L4): 1 available (1 held), 2 in use (1 also "
      "used without reservation), 1 in use without reservation, 1 in error, 1 out of "
      "service; 3 waiting\n");
}

TEST(StatusSummary, SaysThatNothingIsValidatedWhenTheProbeFailed) {
  Overview overview = of(available(0));
  overview.gpus[0].reading.reset();
  overview.probe_failure = "nvidia-smi not found";
  EXPECT_EQ(
      summary_text(overview),
      "1 GPU (1x NVIDIA H100 80GB HBM3): 1 available, 0 in use, 0 in use without reservation, "
      "0 in error; 0 waiting [not validated]\n");
}

TEST(StatusSummary, SaysHowOldWhatItShowsIsWhenTheProbeFailed) {
  Overview stale = samples::contract();
  stale.probe_failure = "nvidia-smi hangs";
  stale.observed = samples::ago(hms(0, 1, 5));
  EXPECT_TRUE(summary_text(stale).ends_with(" [validated 0h 1m 5s ago]\n"));
}

TEST(StatusSummary, OfNoGpusNamesNoModel) {
  EXPECT_EQ(summary_text({noon(), {}, "", {}}),
            "0 GPUs: 0 available, 0 in use, 0 in use without reservation, 0 in error; 0 waiting\n");
}

TEST(StatusSummary, StaysOneHarmlessLineWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    const auto lines = lines_of(summary_text(everywhere(text)));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_FALSE(has_control(lines[0])) << lines[0];
  }
}

}  // namespace
}  // namespace chg
