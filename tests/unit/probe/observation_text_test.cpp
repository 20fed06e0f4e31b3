#include "probe/observation_text.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace chg {
namespace {

GpuProcess full_process() {
  GpuProcess process;
  process.pid = 4711;
  process.start_ticks = std::numeric_limits<std::uint64_t>::max();
  process.uid = std::numeric_limits<std::uint32_t>::max();
  process.user = "bob";
  process.program = "python3";
  process.command_line = "python3 \"train\".py\n\x1b[31m \xC3\xBC \xF0\x9F\x9A\x80";
  process.memory_mib = 8000;
  process.type = GpuProcess::Type::Graphics;
  process.reservation_id = "r-1";
  return process;
}

Observation full_observation() {
  MigDevice part;
  part.uuid = "MIG-1";
  part.model = "Example MIG 1g.10gb";
  part.memory_used_mib = 9;
  part.memory_total_mib = 9984;
  GpuReading gpu;
  gpu.index = 3;
  gpu.uuid = "GPU-3";
  gpu.model = "Example";
  gpu.pci_bus_id = "0000:3b:00.0";
  gpu.memory_used_mib = 8045;
  gpu.memory_total_mib = 81559;
  gpu.utilization_percent = 99;
  gpu.temperature_c = -4;
  gpu.power_w = 700;
  gpu.processes = {full_process()};
  gpu.mig_devices = {part, MigDevice()};
  gpu.error = "GPU is lost";
  Observation observation;
  observation.taken.wall = WallTime(Duration(1'800'000'000'123'456'789));
  observation.taken.boot = Duration(987'654'321'012'345);
  observation.taken.boot_id = "a-boot";
  observation.gpus = {gpu, GpuReading()};
  observation.observer.host = "here";
  observation.observer.boot_id = "a-boot";
  observation.observer.pid_namespace = 4026531836;
  observation.observer.pid = 12;
  observation.observer.start_ticks = 34;
  observation.source = "NVML 590.48.01";
  return observation;
}

void expect_same(const Observation& found, const Observation& expected) {
  EXPECT_EQ(found.taken, expected.taken);
  EXPECT_EQ(found.gpus, expected.gpus);
  EXPECT_EQ(found.observer, expected.observer);
  EXPECT_EQ(found.source, expected.source);
}

GpuProcess returned(const GpuProcess& process) {
  Observation observation;
  observation.gpus.emplace_back();
  observation.gpus[0].processes = {process};
  return parse_observation(observation_text(observation)).gpus.at(0).processes.at(0);
}

// The text of full_observation with one piece of it replaced, which must be there.
std::string with(const std::string& piece, const std::string& other) {
  std::string text = observation_text(full_observation());
  const std::size_t place = text.find(piece);
  EXPECT_NE(place, std::string::npos) << piece << " is not in " << text;
  return text.replace(std::min(place, text.size()), piece.size(), other);
}

void expect_damaged(const std::string& text, const std::string& part = "") {
  expect_error(ErrorKind::Failed, "the text of a reading of the GPUs is damaged",
               [&] { parse_observation(text); });
  expect_error(ErrorKind::Failed, part, [&] { parse_observation(text); });
}

TEST(ObservationText, GivesEveryFieldBack) {
  const Observation observation = full_observation();
  expect_same(parse_observation(observation_text(observation)), observation);
}

TEST(ObservationText, GivesAnEmptyObservationBack) {
  expect_same(parse_observation(observation_text(Observation())), Observation());
}

TEST(ObservationText, LeavesMissingValuesMissing) {
  Observation observation;
  observation.gpus.emplace_back();
  GpuProcess process;
  process.pid = 1;
  observation.gpus[0].processes = {process};
  observation.gpus[0].mig_devices.emplace_back();
  const Observation found = parse_observation(observation_text(observation));
  EXPECT_EQ(found.gpus, observation.gpus);
  EXPECT_EQ(found.gpus.at(0).memory_used_mib, std::nullopt);
  EXPECT_EQ(found.gpus.at(0).processes.at(0).memory_mib, std::nullopt);
  EXPECT_EQ(found.gpus.at(0).processes.at(0).reservation_id, std::nullopt);
}

TEST(ObservationText, KeepsZeroAndEmptyApartFromMissing) {
  GpuProcess process;
  process.pid = 1;
  process.memory_mib = 0;
  process.uid = 0;
  process.reservation_id = "";
  EXPECT_EQ(returned(process), process);
}

TEST(ObservationText, IsOneLineOfUtf8WhateverACommandLineHolds) {
  GpuProcess process = full_process();
  process.command_line = std::string("caf\xE9 \xFF\0\r\n", 9);
  const std::string expected = std::string("caf\xEF\xBF\xBD \xEF\xBF\xBD\0\r\n", 13);
  EXPECT_EQ(returned(process).command_line, expected);
  Observation observation = full_observation();
  observation.gpus[0].processes = {process};
  EXPECT_EQ(observation_text(observation).find('\n'), std::string::npos);
}

TEST(ObservationText, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "nonsense", "\xFF\xFE", "{\"format\":1", "1e999"}) {
    expect_damaged(text, "it is no JSON");
  }
  expect_damaged(std::string(2'000'000, '['), "it is no JSON");
}

TEST(ObservationText, RefusesEveryTextThatBreaksOff) {
  const std::string text = observation_text(full_observation());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THROW(parse_observation(text.substr(0, size)), Error) << size;
  }
}

TEST(ObservationText, RefusesAnotherFormat) {
  expect_damaged(with("\"format\":1", "\"format\":2"), "unknown format");
  expect_damaged(with("\"format\":1", "\"format\":\"1\""), "'format' is no number");
  expect_damaged("[]", "'' is no object");
  expect_damaged("{}", "'format' is missing");
  expect_damaged("{\"format\":1}", "'observation' is missing");
}

TEST(ObservationText, RefusesAListThatIsMissing) {
  expect_damaged(with("\"processes\"", "\"others\""), "'observation.gpus[0].processes' is missing");
  expect_damaged(with("\"parts\"", "\"others\""), "'observation.gpus[0].parts' is missing");
  expect_damaged(with("\"gpus\"", "\"others\""), "'observation.gpus' is missing");
  expect_damaged(with("\"gpus\":[", "\"gpus\":{},\"others\":["), "'observation.gpus' is no list");
  expect_damaged(with("\"gpus\":[", "\"gpus\":[null,"), "'observation.gpus[0]' is no object");
}

TEST(ObservationText, RefusesValuesOfOtherTypes) {
  for (const auto& [piece, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"\"bob\"", "7"},
           {"4711", "\"4711\""},
           {"4711", "4711.5"},
           {"8000", "-1"},
           {"8000", "null"},
           {"\"temperature_c\":-4", "\"temperature_c\":\"hot\""},
           {"\"graphics\"", "\"both\""},
           {"\"uuid\":\"GPU-3\"", "\"uuid\":[\"GPU-3\"]"},
           {"\"taken\":{", "\"taken\":[],\"other\":{"}}) {
    expect_damaged(with(piece, other));
  }
}

TEST(ObservationText, RefusesNumbersThatAreTooLarge) {
  for (const auto& [piece, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"4711", "2147483648"},
           {"4711", "0"},
           {"\"index\":3", "\"index\":-1"},
           {"\"uid\":4294967295", "\"uid\":4294967296"},
           {"8000", "17592186044417"},
           {"81559", "18446744073709551616"},
           {"\"temperature_c\":-4", "\"temperature_c\":-2147483649"},
           {"\"temperature_c\":-4", "\"temperature_c\":9223372036854775808"},
           {"1800000000123456789", "4611686018427387905"},
           {"987654321012345", "-4611686018427387905"}}) {
    expect_damaged(with(piece, other));
  }
}

TEST(ObservationText, AcceptsTheLargestNumbers) {
  const std::string text = with("8000", "17592186044416");
  EXPECT_EQ(parse_observation(text).gpus.at(0).processes.at(0).memory_mib, 1ULL << 44);
  const std::string early = with("1800000000123456789", "-4611686018427387904");
  EXPECT_EQ(parse_observation(early).taken.wall.time_since_epoch().count(), -(1LL << 62));
}

TEST(ObservationText, PassesOverWhatALaterProgramAdds) {
  expect_same(parse_observation(with("\"gpus\"", "\"later\":[1],\"gpus\"")), full_observation());
}

}  // namespace
}  // namespace chg
