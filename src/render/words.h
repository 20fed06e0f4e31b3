// Small phrases that several views share.
#pragma once

#include <cstdint>
#include <string>

#include "core/pool.h"

namespace chg {

/// "1st", "2nd", "3rd", "11th", "22nd".
std::string ordinal(int number);

/// "1 GPU", "2 GPUs", of a noun whose plural takes an s.
std::string count_of(std::int64_t count, const std::string& noun);

/// "run", "manual": in sentences.
std::string kind_word(ReservationKind kind);

/// "RUN", "MANUAL": in cells and JSON.
std::string kind_label(ReservationKind kind);

}  // namespace chg
