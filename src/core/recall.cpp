#include "core/recall.h"

namespace chg {
namespace {

constexpr const char* kRecalling = "runs of before are looked for";

}  // namespace

void begin_recall(Pool& pool, const Instant& now) {
  for (Gpu& gpu : pool.gpus) gpu.out_of_service = kRecalling;
  pool.recall_began = now;
}

void end_recall(Pool& pool) {
  for (Gpu& gpu : pool.gpus) {
    if (gpu.out_of_service == kRecalling) gpu.out_of_service.reset();
  }
  pool.recall_began.reset();
}

void end_old_recall(Pool& pool, const Instant& now) {
  const bool goes_on = pool.recall_began && !are_of_different_boots(*pool.recall_began, now) &&
                       age(*pool.recall_began, now) < kRecallPatience;
  if (!goes_on) end_recall(pool);
}

}  // namespace chg
