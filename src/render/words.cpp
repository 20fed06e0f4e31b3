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

std::string counted(std::int64_t number, const char* noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string gpu_count(int count) { return counted(count, "GPU"); }

std::string kind_word(Kind kind) { return kind == Kind::Run ? "run" : "manual"; }

std::string kind_label(Kind kind) { return kind == Kind::Run ? "RUN" : "MANUAL"; }

}  // namespace chg
