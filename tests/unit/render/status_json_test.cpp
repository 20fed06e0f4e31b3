#include "render/status.h"
#include "unit/render/samples.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using namespace samples;

json object(const GpuOverview& gpu) { return json::parse(status_json(of(gpu))).at(0); }

TEST(StatusJson, IsAnIndentedArrayWithOneNewlineAtTheEnd) {
  const std::string text = status_json(of(available(0)));
  EXPECT_EQ(text.rfind("[\n  {\n    \"gpu_id\": 0,\n    \"status\": \"AVAILABLE\",\n", 0), 0U)
      << text;
  EXPECT_TRUE(text.ends_with("\n]\n"));
  EXPECT_EQ(status_json({noon(), {}, "", {}}), "[]\n");
}

TEST(StatusJson, DescribesAnAvailableGpu) {
  GpuOverview gpu = available(0);
  gpu.available = true;
  gpu.gpu.last_released = ago(hms(0, 30, 15));
  gpu.reading->utilization_percent = 0;
  EXPECT_EQ(object(gpu), json({{"gpu_id", 0},
                               {"status", "AVAILABLE"},
                               {"available", true},
                               {"details", "last released 0h 30m 15s ago"},
                               {"validation", "validated: 45MB used"},
                               {"last_released", "2026-11-24T12:29:45Z"},
                               {"uuid", "GPU-0"},
                               {"gpu_model", "NVIDIA H100 80GB HBM3"},
                               {"memory_used_mb", 45},
                               {"memory_total_mb", 81559},
                               {"utilization_percent", 0},
                               {"processes", json::array()}}));
}

TEST(StatusJson, DescribesARun) {
  GpuOverview gpu = with_use(run(1), {process(7, "python3", "alice", 8452)}, 8500);
  gpu.reading->processes[0].command_line = "vllm serve Qwen/Qwen3-8B";
  gpu.reservation->label = "dora";
  gpu.reservation->note = "paper";
  const json process = {{"pid", 7},
                        {"user", "alice"},
                        {"program", "python3"},
                        {"command_line", "vllm serve Qwen/Qwen3-8B"},
                        {"memory_mb", 8452},
                        {"type", "COMPUTE"}};
  EXPECT_EQ(object(gpu), json({{"gpu_id", 1},
                               {"status", "IN_USE"},
                               {"available", false},
                               {"user", "dora (alice)"},
                               {"account", "alice"},
                               {"label", "dora"},
                               {"reservation_id", "r-1"},
                               {"type", "RUN"},
                               {"duration", "0h 15m 30s"},
                               {"duration_seconds", 930},
                               {"note", "paper"},
                               {"last_heartbeat", "2026-11-24T12:59:55Z"},
                               {"details", "run, last heartbeat 0h 0m 5s ago"},
                               {"validation", "validated: 8452MB, 1 processes"},
                               {"uuid", "GPU-1"},
                               {"gpu_model", "NVIDIA H100 80GB HBM3"},
                               {"memory_used_mb", 8500},
                               {"memory_total_mb", 81559},
                               {"process_info", "PID 7 (python3)"},
                               {"model", {{"provider", "Qwen"}, {"model", "Qwen/Qwen3-8B"}}},
                               {"process_memory_mb", 8452},
                               {"processes", json::array({process})}}));
}

TEST(StatusJson, DescribesAManualReservation) {
  const json gpu = object(manual(3));
  EXPECT_EQ(gpu["type"], "MANUAL");
  EXPECT_EQ(gpu["expiry_time"], "2026-11-24T16:15:45Z");
  EXPECT_EQ(gpu["expires_in_seconds"], 11745);
  EXPECT_EQ(gpu["details"], "manual, expires in 3h 15m 45s");
  EXPECT_FALSE(gpu.contains("last_heartbeat"));
  EXPECT_FALSE(gpu.contains("note"));
}

TEST(StatusJson, NeverExpiresInLessThanNothing) {
  GpuOverview gpu = manual(3);
  gpu.reservation->ends = in(-hms(0, 0, 7));
  EXPECT_EQ(object(gpu)["expires_in_seconds"], 0);
}

TEST(StatusJson, DescribesUnreservedUse) {
  const json gpu = object(unreserved(
      2, {process(12345, "python3", "bob", 1000), process(67890, "jupyter", "", {})}, 1100));
  EXPECT_EQ(gpu["status"], "UNRESERVED");
  EXPECT_EQ(gpu["unreserved_users"], json({"bob"}));
  EXPECT_EQ(gpu["unknown_user"], true);
  EXPECT_EQ(gpu["process_info"], "PID 12345 (python3), PID 67890 (jupyter)");
  EXPECT_EQ(gpu["processes"][1],
            json({{"pid", 67890}, {"program", "jupyter"}, {"type", "COMPUTE"}}));
  for (const char* absent : {"user", "type", "duration", "details", "validation", "error"}) {
    EXPECT_FALSE(gpu.contains(absent)) << absent;
  }
}

TEST(StatusJson, NamesNobodyWhoIsUnknown) {
  const json unknown = object(unreserved(2, {process(7, "jupyter", "", {})}, 1100));
  EXPECT_FALSE(unknown.contains("unreserved_users"));
  EXPECT_EQ(unknown["unknown_user"], true);
  const json known = object(unreserved(2, {process(7, "jupyter", "bob", 1000)}, 1010));
  EXPECT_FALSE(known.contains("unknown_user"));
}

TEST(StatusJson, DescribesTheRunsInsideAReservation) {
  GpuOverview gpu = manual(3);
  gpu.inner = {*run(3).reservation};
  expect_documented(status_json(of(gpu)), "status");
  EXPECT_EQ(object(gpu)["inner"][0]["reservation_id"], run(3).reservation->id);
  EXPECT_EQ(object(gpu)["inner"][0]["duration"], "0h 15m 30s");
}

TEST(StatusJson, CallsNothingAvailableThatCannotBeRead) {
  GpuOverview gpu = available(0);
  gpu.status = GpuStatus::NotReserved;
  gpu.reading.reset();
  EXPECT_EQ(object(gpu)["status"], "NOT_RESERVED");
  EXPECT_EQ(object(gpu)["available"], false);
}

TEST(StatusJson, DescribesErrorAndOutOfService) {
  const json lost = object(failed(5, "GPU is lost"));
  EXPECT_EQ(lost["status"], "ERROR");
  EXPECT_EQ(lost["error"], "GPU is lost");
  EXPECT_EQ(lost["details"], "GPU is lost");
  EXPECT_FALSE(lost.contains("validation"));
  EXPECT_FALSE(lost.contains("memory_used_mb"));
  const json drained = object(out_of_service(6, "fan is loud"));
  EXPECT_EQ(drained["status"], "OUT_OF_SERVICE");
  EXPECT_EQ(drained["out_of_service"], "fan is loud");
  EXPECT_EQ(drained["details"], "fan is loud");
}

TEST(StatusJson, TellsOfAReservedGpusErrorToo) {
  GpuOverview gpu = run(1);
  gpu.reading->error = "GPU is lost";
  EXPECT_EQ(object(gpu)["error"], "GPU is lost");
  EXPECT_EQ(object(gpu)["validation"], "not validated: GPU is lost");
}

TEST(StatusJson, TellsForWhomAGpuIsHeld) {
  GpuOverview gpu = available(0);
  gpu.held_for = "alice";
  gpu.held_position = 2;
  EXPECT_EQ(object(gpu)["held_for"], "alice");
  EXPECT_EQ(object(gpu)["held_position"], 2);
  EXPECT_FALSE(object(available(0)).contains("held_for"));
}

TEST(StatusJson, TellsWhichRunsHaveLostAGpu) {
  GpuOverview gpu = manual(0);
  gpu.lost_by = {*run(1).reservation};
  EXPECT_EQ(object(gpu)["lost_by"].size(), 1U);
  EXPECT_EQ(object(gpu)["lost_by"][0]["account"], "alice");
  EXPECT_FALSE(object(manual(0)).contains("lost_by"));
}

TEST(StatusJson, ListsForeignAndLeftoverProcesses) {
  GpuOverview gpu = with_use(run(1), {process(7, "python3", "alice", 8452)}, 9500);
  gpu.foreign = {process(8, "python3", "bob", 1024)};
  gpu.leftovers = gpu.users;
  gpu.command_ended = true;
  EXPECT_EQ(object(gpu)["foreign"][0]["user"], "bob");
  EXPECT_EQ(object(gpu)["leftovers"][0]["pid"], 7);
  EXPECT_EQ(object(gpu)["command_ended"], true);
  for (const char* absent : {"foreign", "leftovers", "command_ended"}) {
    EXPECT_FALSE(object(run(1)).contains(absent)) << absent;
  }
}

TEST(StatusJson, ClaimsNoReadingsThatThereAreNot) {
  GpuOverview gpu = run(1);
  gpu.reading.reset();
  const json described = object(gpu);
  EXPECT_EQ(described["validation"], "not validated");
  EXPECT_EQ(described["gpu_model"], "NVIDIA H100 80GB HBM3");
  for (const char* absent : {"processes", "memory_used_mb", "utilization_percent", "model"}) {
    EXPECT_FALSE(described.contains(absent)) << absent;
  }
}

TEST(StatusJson, TellsAllThatAGpuToolTells) {
  GpuOverview gpu = available(0);
  gpu.reading->pci_bus_id = "0000:3b:00.0";
  gpu.reading->temperature_c = 64;
  gpu.reading->power_w = 310;
  gpu.reading->mig_devices = {{"MIG-1", "H100 1g.10gb", 10, {}}};
  gpu.stale_for = hms(0, 0, 45);
  Overview overview = samples::of(gpu);
  overview.observed = samples::ago(hms(0, 0, 45));
  const json object = json::parse(status_json(overview)).at(0);
  expect_documented(object, schema("status")["items"], schema("status"), "status");
  EXPECT_EQ(object["pci_bus_id"], "0000:3b:00.0");
  EXPECT_EQ(object["temperature_c"], 64);
  EXPECT_EQ(object["power_w"], 310);
  EXPECT_EQ(object["parts"][0]["uuid"], "MIG-1");
  EXPECT_EQ(object["parts"][0]["memory_used_mb"], 10);
  EXPECT_FALSE(object["parts"][0].contains("memory_total_mb"));
  EXPECT_EQ(object["observed"], "2026-11-24T12:59:15Z");
  EXPECT_EQ(object["stale"], true);
  EXPECT_FALSE(json::parse(status_json(of(available(0)))).at(0).contains("stale"));
}

TEST(StatusJson, TellsWhereAProcessRuns) {
  GpuProcess known = process(7, "python3", "root", 9000);
  known.started = noon().boot - hms(0, 0, 90);
  known.container = Container{"docker", "c0ffee", "trainer"};
  known.unit = "ollama.service";
  known.session = "12";
  known.reservation_id = "r-1";
  GpuOverview gpu = unreserved(0, {known}, 9000);
  gpu.reading->suspects = {process(8, "vim", "bob", {})};
  const json object = json::parse(status_json(of(gpu))).at(0);
  expect_documented(object, schema("status")["items"], schema("status"), "status");
  const json& told = object["processes"][0];
  EXPECT_EQ(told["age_seconds"], 90);
  EXPECT_EQ(told["container"]["name"], "trainer");
  EXPECT_EQ(told["container"]["runtime"], "docker");
  EXPECT_EQ(told["unit"], "ollama.service");
  EXPECT_EQ(told["session"], "12");
  EXPECT_EQ(told["reservation_id"], "r-1");
  EXPECT_EQ(object["suspects"][0]["pid"], 8);
}

TEST(StatusJson, CarriesNotesAsTheyWereTyped) {
  for (const std::string& text : {std::string("two\nlines \x1b[31m"), std::string(10000, 'x'),
                                  std::string("\xf0\x9f\x9a\x80"), std::string("nul\0byte", 8)}) {
    GpuOverview gpu = run(1);
    gpu.reservation->note = text;
    EXPECT_EQ(object(gpu)["note"], text);
  }
}

TEST(StatusJson, ReplacesBytesThatAreNoUtf8) {
  GpuOverview gpu = run(1);
  gpu.reservation->note =
      "a\xff"
      "b";
  EXPECT_EQ(object(gpu)["note"],
            "a\xef\xbf\xbd"
            "b");
}

TEST(StatusJson, IsDocumentedAndHarmlessWhateverPeopleWrite) {
  expect_documented(status_json(contract()), "status");
  for (const std::string& text : nasty_texts()) {
    const std::string document = status_json(everywhere(text));
    expect_documented(document, "status");
    for (const std::string& line : lines_of(document)) {
      for (const char c : line) ASSERT_GE(static_cast<unsigned char>(c), 0x20) << line;
    }
  }
}

}  // namespace
}  // namespace chg
