// Histories: made up from a seed, told again from a list of events, and shortened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/counts.h"
#include "sim/event.h"

namespace chg::sim {

/// What went wrong, and after which events.
struct Failure {
  Setup setup;
  std::vector<Event> events;  ///< the last one broke the promise
  std::string rule;
  std::string message;
};

/// Makes up a history of `steps` events; fewer on hosts of many GPUs, whose steps take longer.
std::optional<Failure> simulate(std::uint64_t seed, int steps, Counts& counts);

/// Tells the events again. The failure, if they still end in one.
std::optional<Failure> replay(const Setup& setup, const std::vector<Event>& events);

/// A shorter history, of which no event can be left out, that breaks the same promise.
Failure shortened(Failure failure);

}  // namespace chg::sim
