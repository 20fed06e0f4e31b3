// How much has happened in simulated histories: one in which nothing happens keeps every promise.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace chg::sim {

struct Counts {
  std::uint64_t steps = 0;
  std::uint64_t updates = 0;
  std::uint64_t looks_of_now = 0;  ///< updates in the light of a look at the host as it was then
  std::uint64_t grants = 0;
  std::uint64_t given_back = 0;
  std::uint64_t trusted = 0;
  std::uint64_t refused = 0;
  std::uint64_t decisions = 0;
  std::uint64_t ended_by_heartbeat = 0;
  std::uint64_t kept_for_leftovers = 0;
  std::uint64_t came_back = 0;     ///< requests that were not in the pool any more
  std::uint64_t brought_back = 0;  ///< reservations that were not
  std::uint64_t returned = 0;      ///< GPUs that a run had lost to somebody else
  std::uint64_t passed_on = 0;     ///< grants that nobody took
  std::uint64_t answered = 0;      ///< waiters that were passed over and went on
  std::uint64_t taken = 0;         ///< grants whose GPUs another had by the time they were used
  std::uint64_t policies = 0;      ///< set by root
  std::uint64_t blind = 0;         ///< updates where it can't be told who lives
  std::uint64_t ahead = 0;         ///< updates by another wall clock
  std::uint64_t partial = 0;       ///< updates in the light of some GPUs
  std::uint64_t doubted = 0;       ///< views by another boot id
  std::uint64_t too_many = 0;      ///< requests that were one too many
  std::uint64_t limited = 0;       ///< reasons that name a limit
  std::uint64_t inside = 0;        ///< grants inside a reservation
  std::uint64_t deeper = 0;        ///< of them, inside one that is inside another
  std::uint64_t alone = 0;         ///< inner runs that went on alone
  std::array<std::uint64_t, 7> endings{};  ///< usage records, by End

  void add(const Counts& other);
  /// Each with its name.
  std::vector<std::pair<std::string, std::uint64_t>> named() const;
  /// What never happened; "" when everything did.
  std::string missing() const;
};

}  // namespace chg::sim
