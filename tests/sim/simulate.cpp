// simulate --seeds N [--first S] [--steps M]: tells N made-up histories of M events each, and fails
// with the first that breaks a promise of docs/semantics.md, shortened.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "sim/history.h"

namespace {

// From here on everything that can happen should have happened.
constexpr std::uint64_t kStepsOfALivelySimulation = 100'000;

struct Options {
  std::uint64_t seeds = 100;
  std::uint64_t first = 1;
  std::uint64_t steps = 2000;
};

bool read_options(int argc, char** argv, Options& options) {
  const std::map<std::string_view, std::uint64_t*> known = {
      {"--seeds", &options.seeds}, {"--first", &options.first}, {"--steps", &options.steps}};
  for (int i = 1; i < argc; i += 2) {
    const auto found = known.find(argv[i]);
    if (found == known.end() || i + 1 == argc) return false;
    const std::string_view text = argv[i + 1];
    const auto [end, status] =
        std::from_chars(text.data(), text.data() + text.size(), *found->second);
    if (status != std::errc() || end != text.data() + text.size()) return false;
  }
  return options.steps > 0 && options.steps <= 10'000'000;
}

void tell(std::uint64_t seed, const chg::sim::Failure& failure) {
  fmt::print("seed {}, step {}: {}\n", seed, failure.events.size(), failure.message);
  const chg::sim::Failure small = chg::sim::shortened(failure);
  fmt::print("shortened to {} events: {}\non a host of {}\n", small.events.size(), small.message,
             to_text(small.setup));
  for (const chg::sim::Event& event : small.events) fmt::print("  {}\n", to_text(event));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) {
    fmt::print(stderr, "usage: simulate [--seeds N] [--first S] [--steps M]\n");
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  chg::sim::Counts counts;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    const std::uint64_t seed = options.first + i;
    const auto failure = chg::sim::simulate(seed, static_cast<int>(options.steps), counts);
    if (!failure) continue;
    tell(seed, *failure);
    return 1;
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  for (const auto& [name, count] : counts.named()) fmt::print("{:>12} {}\n", count, name);
  fmt::print("{} histories, {:.1f} s, {:.0f} steps/s\n", options.seeds, taken.count(),
             static_cast<double>(counts.steps) / taken.count());
  if (counts.steps >= kStepsOfALivelySimulation && !counts.missing().empty()) {
    fmt::print("too dull: never happened: {}\n", counts.missing());
    return 1;
  }
  return 0;
}
