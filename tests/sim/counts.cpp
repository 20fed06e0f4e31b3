#include "sim/counts.h"

namespace chg::sim {

void Counts::add(const Counts& other) {
  steps += other.steps;
  updates += other.updates;
  looks_of_now += other.looks_of_now;
  grants += other.grants;
  given_back += other.given_back;
  trusted += other.trusted;
  refused += other.refused;
  decisions += other.decisions;
  ended_by_heartbeat += other.ended_by_heartbeat;
  kept_for_leftovers += other.kept_for_leftovers;
  came_back += other.came_back;
  brought_back += other.brought_back;
  returned += other.returned;
  passed_on += other.passed_on;
  answered += other.answered;
  taken += other.taken;
  policies += other.policies;
  blind += other.blind;
  ahead += other.ahead;
  partial += other.partial;
  doubted += other.doubted;
  too_many += other.too_many;
  limited += other.limited;
  inside += other.inside;
  deeper += other.deeper;
  alone += other.alone;
  for (std::size_t i = 0; i < endings.size(); ++i) endings[i] += other.endings[i];
}

std::vector<std::pair<std::string, std::uint64_t>> Counts::named() const {
  return {{"steps", steps},
          {"updates", updates},
          {"looks of now", looks_of_now},
          {"grants", grants},
          {"given back", given_back},
          {"trusted", trusted},
          {"refused", refused},
          {"decisions checked", decisions},
          {"ended by heartbeat", ended_by_heartbeat},
          {"kept for leftovers", kept_for_leftovers},
          {"came back", came_back},
          {"brought back", brought_back},
          {"GPUs returned", returned},
          {"passed on", passed_on},
          {"answered", answered},
          {"taken by another", taken},
          {"policies set", policies},
          {"blind", blind},
          {"by other clocks", ahead},
          {"of some GPUs", partial},
          {"doubted", doubted},
          {"one too many", too_many},
          {"limited", limited},
          {"inside", inside},
          {"deeper inside", deeper},
          {"went on alone", alone},
          {"finished", endings[0]},
          {"released", endings[1]},
          {"expired", endings[2]},
          {"timed out", endings[3]},
          {"killed", endings[4]},
          {"lost", endings[5]},
          {"cleared", endings[6]}};
}

std::string Counts::missing() const {
  std::string text;
  for (const auto& [name, count] : named()) {
    if (count == 0) text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace chg::sim
