#include "core/recall.h"

#include <algorithm>

namespace chg {
namespace {

constexpr const char* kRecalling = "looking for runs that the store has lost";

}  // namespace

void begin_recall(Pool& pool, const Instant& now) {
  for (Gpu& gpu : pool.gpus) {
    if (!gpu.out_of_service) gpu.out_of_service = kRecalling;
  }
  pool.recall.began = now;
}

void recall_missing(Pool& pool, std::vector<std::string> runs, const Instant& now) {
  std::erase_if(runs, [&](const std::string& id) { return find_reservation(pool, id) != nullptr; });
  if (runs.empty()) return;
  begin_recall(pool, now);
  pool.recall.runs = std::move(runs);
}

void end_recall(Pool& pool) {
  for (Gpu& gpu : pool.gpus) {
    if (gpu.out_of_service == kRecalling) gpu.out_of_service.reset();
  }
  pool.recall.began.reset();
  pool.recall.runs.clear();
}

void end_old_recall(Pool& pool, const Instant& now) {
  const auto left = time_to_end_of_recall(pool, now);
  if (!left || *left <= Duration::zero()) end_recall(pool);
}

void end_recall_of_all(Pool& pool) {
  const auto& runs = pool.recall.runs;
  const bool are_back = std::all_of(runs.begin(), runs.end(), [&](const std::string& id) {
    return find_reservation(pool, id) != nullptr;
  });
  if (!runs.empty() && are_back) end_recall(pool);
}

std::optional<Duration> time_to_end_of_recall(const Pool& pool, const Instant& now) {
  const auto& began = pool.recall.began;
  if (!began) return std::nullopt;
  if (are_of_different_boots(*began, now)) return Duration::zero();
  const Duration patience = pool.recall.runs.empty() ? kRecallPatience : kReturnPatience;
  return patience - age(*began, now);
}

}  // namespace chg
