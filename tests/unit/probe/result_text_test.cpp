#include "probe/result_text.h"

#include <limits>

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace chg {
namespace {

GpuProcess odd_process() {
  GpuProcess process;
  process.pid = 4711;
  process.start_ticks = std::numeric_limits<std::uint64_t>::max();
  process.uid = std::numeric_limits<std::uint32_t>::max();
  process.user = "bob";
  process.program = "python3";
  process.command_line = std::string("python3 \xFF\0x", 11);
  process.memory_mib = 8000;
  process.type = GpuProcess::Type::Graphics;
  process.reservation_id = "";
  process.started = Duration(5);
  process.container = Container{"docker", "id", "name"};
  process.unit = "a.service";
  process.session = "12";
  process.ancestors = {{1, 2}, {3, 4}};
  return process;
}

// Every field has a value that is not the one it begins with.
Observation odd_observation() {
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
  gpu.processes = {odd_process(), GpuProcess()};
  gpu.mig_devices = {{"MIG-1", "Example MIG", 9, 9984}, MigDevice()};
  gpu.error = "GPU is lost";
  gpu.devices = {"/dev/nvidia3"};
  gpu.suspects = {odd_process()};
  Observation observation;
  observation.taken = {WallTime(Duration(1'800'000'000'123'456'789)), Duration(-1), "a-boot"};
  observation.gpus = {gpu, GpuReading()};
  observation.observer = {"here", "a-boot", 4026531836, 12, 34};
  observation.source = "NVML 590.48.01";
  return observation;
}

ReadFailure failure_with(const Error& error) {
  return std::get<ReadFailure>(
      parse_result(result_text(ReadFailure{ReadFailure::Reason::Other, error})));
}

TEST(ResultText, GivesEveryFieldOfAnObservationBack) {
  for (const Observation& expected : {odd_observation(), Observation()}) {
    const auto found = std::get<Observation>(parse_result(result_text(expected)));
    EXPECT_EQ(found.taken, expected.taken);
    EXPECT_EQ(found.gpus, expected.gpus);
    EXPECT_EQ(found.observer, expected.observer);
    EXPECT_EQ(found.source, expected.source);
  }
}

TEST(ResultText, GivesAFailureBack) {
  for (const ReadFailure::Reason reason :
       {ReadFailure::Reason::LibraryMissing, ReadFailure::Reason::LibraryUnusable,
        ReadFailure::Reason::LibraryMismatch, ReadFailure::Reason::DriverNotLoaded,
        ReadFailure::Reason::Crashed, ReadFailure::Reason::Late, ReadFailure::Reason::Other}) {
    const ReadFailure failure{reason, Error(ErrorKind::NotPermitted, "no 'x' \xFF", "Do it.")};
    const auto found = std::get<ReadFailure>(parse_result(result_text(failure)));
    EXPECT_EQ(found.reason, reason);
    EXPECT_EQ(found.error.kind(), ErrorKind::NotPermitted);
    EXPECT_STREQ(found.error.what(), "no 'x' \xFF");
    EXPECT_EQ(found.error.hint(), "Do it.");
    EXPECT_FALSE(found.error.is_transient());
  }
  EXPECT_TRUE(
      failure_with(Error(ErrorKind::Failed, "busy").with(Retry::Later)).error.is_transient());
  for (const ErrorKind kind :
       {ErrorKind::Failed, ErrorKind::Usage, ErrorKind::Unavailable, ErrorKind::NotExecutable,
        ErrorKind::NotFound, ErrorKind::Interrupted}) {
    EXPECT_EQ(failure_with(Error(kind, "x")).error.kind(), kind);
  }
}

TEST(ResultText, RefusesWhatBreaksOffOrGoesOn) {
  for (const ReadResult& look :
       {ReadResult(odd_observation()),
        ReadResult(ReadFailure{ReadFailure::Reason::Other, {ErrorKind::Failed, "x"}})}) {
    const std::string whole = result_text(look);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(parse_result(whole.substr(0, size)), Error) << size;
    }
    expect_error(ErrorKind::Failed, "damaged", [&] { parse_result(whole + '\0'); });
  }
}

// Whatever a byte is overwritten with, it is refused or becomes some look; nothing else happens.
TEST(ResultText, SurvivesAnyByte) {
  const std::string whole = result_text(odd_observation());
  int refused = 0;
  for (std::size_t place = 0; place < whole.size(); ++place) {
    for (const char byte : {'\0', '\1', '\x7F', '\x80', '\xFF'}) {
      std::string damaged = whole;
      damaged[place] = byte;
      try {
        parse_result(damaged);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(ResultText, RefusesWordsThatThereAreNot) {
  const auto text = [](const std::string& reason, int kind) {
    return R"({"reason":")" + reason + R"(","kind":)" + std::to_string(kind) +
           R"(,"message":"m","hint":"","retry":"no"})";
  };
  EXPECT_THROW(parse_result(text("unknown", 77)), Error);
  EXPECT_THROW(parse_result(text("other", 78)), Error);
  EXPECT_NO_THROW(parse_result(text("other", 77)));
}

}  // namespace
}  // namespace chg
