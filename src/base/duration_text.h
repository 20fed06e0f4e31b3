// Durations as people type and read them.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace chg {

/// The longest duration that is accepted: ten years. Longer ones are typing errors.
inline constexpr Duration kDurationMax = std::chrono::hours(24 * 3650);

/// Reads "90s", "30m", "2h", "1d", "0.5h", "1h30m". Throws Error(Usage) for anything else: an empty
/// text, a number without unit, zero, a negative, a repeated or misplaced unit, more than
/// kDurationMax.
Duration parse_duration(std::string_view text);

/// "0h 15m 30s"; hours are not folded into days. Fractions of a second are dropped.
std::string to_hms(Duration duration);

/// The shortest exact form that parse_duration reads: "1h30m", "90s" becomes "1m30s".
std::string to_short_text(Duration duration);

}  // namespace chg
