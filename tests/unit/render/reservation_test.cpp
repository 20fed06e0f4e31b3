#include "render/reservation.h"

#include "unit/render/samples.h"
#include "unit/render/schema.h"

namespace chg {
namespace {

using namespace samples;

class ReservationText : public InUtc {};

Reservation mine(std::vector<int> gpus) {
  Reservation reservation = *manual(3).reservation;
  reservation.gpus = std::move(gpus);
  return reservation;
}

TEST_F(ReservationText, TellsGpusExpiryAndTheLineToCopy) {
  const std::string text = reservation_text(
      mine({0, 2}), {{"CUDA_DEVICE_ORDER", "PCI_BUS_ID"}, {"CUDA_VISIBLE_DEVICES", "0,2"}},
      noon().wall);
  const auto lines = lines_of(text);
  EXPECT_NE(lines.at(0).find("GPUs 0 and 2 until 16:15"), std::string::npos) << text;
  EXPECT_NE(text.find("\nexport CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,2\n"),
            std::string::npos)
      << text;
}

TEST_F(ReservationText, UnsetsWhatWouldContradict) {
  const std::string text = reservation_text(
      mine({2}), {{"HIP_VISIBLE_DEVICES", "1"}, {"A", std::nullopt}, {"B", std::nullopt}},
      noon().wall);
  EXPECT_NE(text.find("\nexport HIP_VISIBLE_DEVICES=1; unset A B\n"), std::string::npos) << text;
}

TEST_F(ReservationText, AsJsonIsDocumented) {
  Reservation reservation = mine({0, 2});
  expect_documented(reservation_json(reservation), "reservation");
  EXPECT_FALSE(json::parse(reservation_json(reservation)).contains("note"));
  for (const std::string& text : nasty_texts()) {
    reservation.note = text;
    reservation.label = text;
    expect_documented(reservation_json(reservation), "reservation");
  }
}

}  // namespace
}  // namespace chg
