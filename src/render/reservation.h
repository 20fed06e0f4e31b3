// What `reserve` prints: one manual reservation.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/pool.h"

namespace chg {

/// The GPUs, until when, and the line to copy into a shell: it exports the variables, and unsets
/// those without a value.
std::string reservation_text(
    const Reservation& reservation,
    const std::vector<std::pair<std::string, std::optional<std::string>>>& variables, WallTime now);

/// The object that docs/schema/reservation.schema.json describes.
std::string reservation_json(const Reservation& reservation);

}  // namespace chg
