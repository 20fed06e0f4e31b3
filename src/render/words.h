// Small phrases that several views share.
#pragma once

#include <string>

#include "base/text.h"
#include "core/pool.h"

namespace chg {

/// "1st", "2nd", "3rd", "11th", "22nd".
std::string ordinal(int number);

/// "run", "manual": in sentences.
std::string kind_word(ReservationKind kind);

/// "RUN", "MANUAL": in cells and JSON.
std::string kind_label(ReservationKind kind);

}  // namespace chg
