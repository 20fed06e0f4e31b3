#include "render/words.h"

#include <fmt/format.h>

namespace chg {

std::string ordinal(int number) {
  const int tens = number % 100;
  const int ones = number % 10;
  const bool regular = tens < 11 || tens > 13;
  const char* ending = "th";
  if (regular && ones == 1) ending = "st";
  if (regular && ones == 2) ending = "nd";
  if (regular && ones == 3) ending = "rd";
  return fmt::format("{}{}", number, ending);
}

std::string kind_word(ReservationKind kind) {
  return kind == ReservationKind::Run ? "run" : "manual";
}

std::string kind_label(ReservationKind kind) {
  return kind == ReservationKind::Run ? "RUN" : "MANUAL";
}

}  // namespace chg
