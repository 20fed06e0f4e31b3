#include "sim/history.h"

#include <algorithm>
#include <exception>

#include "sim/generator.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace chg::sim {
namespace {

// Applies the event. Returns what went wrong.
std::optional<Failure> apply(World& world, const Event& event) {
  Failure failure;
  try {
    world.apply(event);
    return std::nullopt;
  } catch (const Violation& violation) {
    failure.rule = violation.rule();
    failure.message = violation.what();
  } catch (const std::exception& exception) {
    failure.rule = "exception";
    failure.message = std::string("exception: ") + exception.what();
  }
  return failure;
}

std::vector<Event> without(const std::vector<Event>& events, std::size_t begin, std::size_t end) {
  std::vector<Event> rest(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(begin));
  rest.insert(rest.end(), events.begin() + static_cast<std::ptrdiff_t>(end), events.end());
  return rest;
}

// Takes the shorter history over if it breaks the same promise.
bool try_instead(Failure& failure, const std::vector<Event>& events) {
  auto found = replay(failure.setup, events);
  if (!found || found->rule != failure.rule) return false;
  failure = std::move(*found);
  return true;
}

}  // namespace

std::optional<Failure> simulate(std::uint64_t seed, int steps, Counts& counts) {
  Generator generator(seed);
  World world(generator.setup());
  std::vector<Event> events;
  const int gpus = generator.setup().gpus;
  const int wanted = gpus <= 16 ? steps : std::max(steps * 16 / gpus, 50);
  std::optional<Failure> failure;
  for (int i = 0; i < wanted && !failure; ++i) {
    events.push_back(generator.next(world));
    if (i + 1 == wanted) events.back().what = What::Settle;
    failure = apply(world, events.back());
  }
  counts.add(world.counts());
  counts.ended_by_heartbeat += world.model().ended_by_heartbeat();
  counts.kept_for_leftovers += world.model().kept_for_leftovers();
  counts.returned += world.model().returned();
  counts.passed_on += world.model().passed_on();
  counts.inside += world.model().inside();
  counts.deeper += world.model().deeper();
  counts.alone += world.model().alone();
  if (failure) {
    failure->setup = generator.setup();
    failure->events = std::move(events);
  }
  return failure;
}

std::optional<Failure> replay(const Setup& setup, const std::vector<Event>& events) {
  World world(setup);
  for (std::size_t i = 0; i < events.size(); ++i) {
    auto failure = apply(world, events[i]);
    if (!failure) continue;
    failure->setup = setup;
    failure->events.assign(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return failure;
  }
  return std::nullopt;
}

// Delta debugging: leaves out halves, then quarters, and so on to single events.
Failure shortened(Failure failure) {
  std::size_t size = failure.events.size() / 2;
  while (size > 0) {
    bool is_shorter = false;
    for (std::size_t begin = 0; begin < failure.events.size();) {
      const std::size_t end = std::min(begin + size, failure.events.size());
      if (try_instead(failure, without(failure.events, begin, end))) {
        is_shorter = true;
      } else {
        begin = end;
      }
    }
    if (size == 1 && !is_shorter) break;
    if (size > 1) size = std::max<std::size_t>(size / 2, 1);
  }
  for (std::size_t i = 0; i < failure.events.size(); ++i) {
    std::vector<Event> simpler = failure.events;
    if (simpler[i].after_ms == 0) continue;
    simpler[i].after_ms = 0;
    try_instead(failure, simpler);
  }
  return failure;
}

}  // namespace chg::sim
