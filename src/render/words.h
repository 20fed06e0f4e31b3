// Small phrases that several views share.
#pragma once

#include <string>

#include "core/pool.h"

namespace chg {

/// "1st", "2nd", "3rd", "11th", "22nd".
std::string ordinal(int number);

/// "1 GPU", "2 GPUs".
std::string gpu_count(int count);

/// "run", "manual": in sentences.
std::string kind_word(ReservationKind kind);

/// "RUN", "MANUAL": as a value of its own.
std::string kind_label(ReservationKind kind);

}  // namespace chg
