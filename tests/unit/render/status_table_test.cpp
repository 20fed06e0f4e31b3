#include "base/text.h"
#include "render/status.h"
#include "unit/render/samples.h"

namespace chg {
namespace {

using namespace samples;

TEST(StatusTable, ShowsAllColumnsWithinItsOwnWidth) {
  Overview overview = contract();
  overview.gpus[1].reservation->note = "paper";
  overview.gpus[1].reading->processes[0].command_line = "vllm serve Qwen/Qwen3-8B";
  EXPECT_EQ(status_table(status_rows(overview), {}),
            "GPU  STATUS      USER     DURATION    TYPE    DETAILS                              "
            "                    VALIDATION                MODEL          NOTE\n"
            "  0  AVAILABLE   -        -           -       last released 0h 30m 15s ago         "
            "                    45MB used                 -              -\n"
            "  1  IN USE      alice    0h 15m 30s  RUN     last heartbeat 0h 0m 5s ago          "
            "                    8452MB, 1 processes       Qwen/Qwen3-8B  paper\n"
            "  2  UNRESERVED  bob      -           -       1024MB used by PID 12345 (python3), P"
            "ID 67890 (jupyter)  -                         -              -\n"
            "  3  IN USE      charlie  1h 2m 15s   MANUAL  expires in 3h 15m 45s                "
            "                    no actual usage detected  -              -\n");
}

TEST(StatusTable, ShortensTheNoteBeforeTheRest) {
  Overview overview = contract();
  overview.gpus[1].reservation->note = std::string(70, 'n');
  const std::string table = status_table(status_rows(overview), {.columns = 180});
  EXPECT_NE(table.find("n…\n"), std::string::npos) << table;
  EXPECT_NE(table.find("PID 67890 (jupyter)"), std::string::npos) << table;
}

TEST(StatusTable, ShowsEveryColumnAtEightyColumns) {
  const std::string table = status_table(status_rows(contract()), {.columns = 80});
  EXPECT_EQ(lines_of(table).at(0).find("GPU  STATUS"), 0U);
  for (const char* title : {"USER", "DURATION", "TYPE", "DETAILS", "VALIDATION", "MODEL", "NOTE"}) {
    EXPECT_NE(lines_of(table).at(0).find(title), std::string::npos) << table;
  }
}

TEST(StatusTable, PutsTheUnusualFirst) {
  GpuOverview gpu = with_use(run(1), {process(7, "python3", "alice", 8452)}, 9500);
  gpu.foreign = {process(8, "python3", "bob", 1024)};
  gpu.leftovers = gpu.users;
  gpu.command_ended = true;
  EXPECT_NE(status_table(status_rows(of(gpu)), {})
                .find("  also used by user bob - 1024MB used by PID 8 (python3), leftover PID 7 "
                      "(python3), command ended, last heartbeat 0h 0m 5s ago  "),
            std::string::npos);
}

TEST(StatusTable, TellsForWhomAGpuIsHeld) {
  GpuOverview gpu = available(0);
  gpu.held_for = "dora";
  gpu.held_position = 3;
  EXPECT_NE(
      status_table(status_rows(of(gpu)), {}).find("  held for dora, 3rd in queue, never used  "),
      std::string::npos);
}

TEST(StatusTable, TellsTemperatureAndPower) {
  GpuOverview gpu = available(0);
  gpu.reading->utilization_percent = 87;
  gpu.reading->temperature_c = 64;
  gpu.reading->power_w = 310;
  EXPECT_NE(status_table(status_rows(samples::of(gpu)), {}).find("45MB used, 87%, 64C, 310W"),
            std::string::npos);
}

TEST(StatusTable, ReadsNoModelFromGraphicsProcesses) {
  GpuOverview gpu = with_use(run(1), {process(7, "x", "alice", 1)}, 1);
  gpu.reading->processes[0].command_line = "vllm serve Qwen/Qwen3-8B";
  gpu.reading->processes[0].type = GpuProcess::Type::Graphics;
  EXPECT_EQ(status_table(status_rows(of(gpu)), {}).find("Qwen3"), std::string::npos);
}

TEST(StatusTable, PaintsWithoutMovingColumns) {
  std::string table = status_table(status_rows(contract()), {.color = true, .columns = 100});
  for (const char* sequence : {"\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[0m"}) {
    const std::string found = sequence;
    for (std::size_t at = table.find(found); at != std::string::npos; at = table.find(found)) {
      table.erase(at, found.size());
    }
  }
  EXPECT_EQ(table, status_table(status_rows(contract()), {.columns = 100}));
}

TEST(StatusTable, FitsEveryWidth) {
  for (std::size_t columns = 40; columns <= 200; ++columns) {
    for (const std::string& line :
         lines_of(status_table(status_rows(contract()), {.columns = columns}))) {
      ASSERT_LE(display_width(line), columns) << line;
    }
  }
}

TEST(StatusTable, FitsWhateverPeopleWrite) {
  for (const std::string& text : nasty_texts()) {
    const Overview overview = everywhere(text);
    for (std::size_t columns = 40; columns <= 200; columns += 4) {
      const auto lines = lines_of(status_table(status_rows(overview), {.columns = columns}));
      ASSERT_EQ(lines.size(), overview.gpus.size() + 1);
      for (const std::string& line : lines) {
        ASSERT_LE(display_width(line), columns) << line;
        ASSERT_FALSE(has_control(line)) << line;
        ASSERT_FALSE(line.ends_with(' ')) << line;
      }
    }
  }
}

}  // namespace
}  // namespace chg
