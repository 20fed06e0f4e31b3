// The line of one GPU, from its parts: wherever they come from, they stand in the same order.
#pragma once

#include <string>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// What a line says. Every text is printable; "" is left out.
struct StatusLine {
  int gpu = 0;
  GpuStatus status = GpuStatus::Available;
  std::string by_whom;
  std::string parenthesis;
  std::string validation;
  std::string leftovers;
  std::string foreign;  ///< "by user bob - …", of use beside a reservation
  std::string lost_by;
  std::string held_for;
  std::string draining;
  std::string note;
};

/// The line with its newline.
std::string to_text(const StatusLine& line, const Style& style);

}  // namespace chg
