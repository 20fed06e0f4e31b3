// That all fields come back is tested with their list (core/fields_test.cpp); here, what a text
// that may come from anybody must not do.
#include "probe/observation_text.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "base/json.h"
#include "core/fields.h"
#include "support/expect_error.h"

namespace chg {
namespace {

Observation full_observation() {
  GpuProcess process;
  process.pid = 4711;
  process.uid = 1000;
  process.user = "bob";
  process.command_line = std::string("caf\xE9 \xFF\0\r\n", 9);
  process.memory_mib = 7333;
  process.started = Duration(77'000'000'001);
  GpuReading gpu;
  gpu.index = 3;
  gpu.uuid = "GPU-3";
  gpu.memory_used_mib = 8045;
  gpu.memory_total_mib = 81559;
  gpu.processes = {process};
  gpu.mig_devices = {{"MIG-1", "Example MIG 1g.10gb", 9, 9984}};
  Observation observation;
  observation.taken = {WallTime(Duration(1'800'000'000'123'456'789)), Duration(987'654'321'012'345),
                       "a-boot"};
  observation.gpus = {gpu, GpuReading()};
  observation.observer = {"here", "a-boot", 4026531836, 12, 34};
  observation.source = "NVML 590.48.01";
  return observation;
}

// The text of full_observation with one piece of it replaced, which must be there.
std::string with(const std::string& piece, const std::string& other) {
  std::string text = observation_text(full_observation());
  const std::size_t place = text.find(piece);
  EXPECT_NE(place, std::string::npos) << piece << " is not in " << text;
  return text.replace(std::min(place, text.size()), piece.size(), other);
}

void expect_damaged(const std::string& text) {
  expect_error(ErrorKind::Failed, "the text of a reading of the GPUs is damaged",
               [&] { parse_observation(text); });
}

TEST(ObservationText, ComesBackAsItWas) {
  const std::string text = observation_text(full_observation());
  EXPECT_EQ(write_json(parse_observation(text)), write_json(full_observation()));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(ObservationText, KeepsZeroApartFromUnknown) {
  Observation observation = full_observation();
  GpuProcess& process = observation.gpus[0].processes[0];
  process.memory_mib = 0;
  process.reservation_id = "";
  EXPECT_EQ(parse_observation(observation_text(observation)).gpus[0].processes[0], process);
  process.memory_mib = std::nullopt;
  process.reservation_id = std::nullopt;
  EXPECT_EQ(parse_observation(observation_text(observation)).gpus[0].processes[0], process);
}

TEST(ObservationText, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "nonsense", "\xFF\xFE", "{\"format\":2", "1e999", "[]", "{}"}) {
    expect_damaged(text);
  }
  expect_damaged(std::string(2'000'000, '['));
}

TEST(ObservationText, RefusesEveryTextThatBreaksOff) {
  const std::string text = observation_text(full_observation());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THROW(parse_observation(text.substr(0, size)), Error) << size;
  }
}

TEST(ObservationText, RefusesAnotherFormat) {
  expect_damaged(with("\"format\":2", "\"format\":3"));
  expect_damaged(with("\"format\":2", "\"format\":\"2\""));
}

TEST(ObservationText, RefusesAListThatIsMissing) {
  for (const char* list : {"\"processes\"", "\"parts\"", "\"gpus\""}) {
    expect_damaged(with(list, "\"others\""));
  }
  expect_damaged(with("\"gpus\":[", "\"gpus\":[null,"));
}

TEST(ObservationText, RefusesNumbersThatThereAreNot) {
  for (const auto& [piece, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"4711", "2147483648"},
           {"4711", "0"},
           {"\"index\":3", "\"index\":-1"},
           {"7333", "17592186044417"},
           {"8045", "17592186044417"},
           {"9984", "17592186044417"},
           {"81559", "18446744073709551616"},
           {"1800000000123456789", "4611686018427387905"},
           {"987654321012345", "-4611686018427387905"},
           {"77000000001", "4611686018427387905"}}) {
    expect_damaged(with(piece, other));
  }
}

TEST(ObservationText, AcceptsTheLargestNumbers) {
  const std::string text = with("7333", "17592186044416");
  EXPECT_EQ(parse_observation(text).gpus.at(0).processes.at(0).memory_mib, 1ULL << 44);
  const std::string early = with("1800000000123456789", "-4611686018427387904");
  EXPECT_EQ(parse_observation(early).taken.wall.time_since_epoch().count(), -(1LL << 62));
}

TEST(ObservationText, PassesOverWhatALaterProgramAdds) {
  const Observation found = parse_observation(with("\"gpus\"", "\"later\":[1],\"gpus\""));
  EXPECT_EQ(write_json(found), write_json(full_observation()));
}

}  // namespace
}  // namespace chg
