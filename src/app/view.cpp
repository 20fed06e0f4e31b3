#include "app/view.h"

#include <optional>

#include "app/pool_update.h"
#include "base/error.h"
#include "core/reap.h"
#include "core/restore.h"
#include "process/identity.h"

namespace chg {
namespace {

Pool read_pool(Host& host) {
  Pool pool = host.store().read();
  require_pool(pool);
  return pool;
}

// The pool as it is now: without what is over, and with what could be granted granted. Written back
// if that changed it and the store lets us; shown in either case.
Pool current_pool(Host& host, const Observation* observation) {
  Pool pool = read_pool(host);
  const Pool before = pool;
  const Instant now = host.now();
  reap(pool, now, liveness, host.settings(), observation);
  drop_gone_waiters(pool, now, liveness, host.settings());
  return_lost_gpus(pool);
  const bool is_over = pool != before;
  if (observation != nullptr) observe(pool, *observation, host.settings());
  // What was seen matters to the store only if somebody waits for it.
  if (!is_over && (pool.queue.empty() || pool == before)) return pool;
  try {
    return update_pool(host, observation, [&](Pool& written, const Instant& then) {
      drop_gone_waiters(written, then, liveness, host.settings());
    });
  } catch (const Error&) {
    return pool;
  }
}

}  // namespace

Overview view_status(Host& host) {
  const Pool before = read_pool(host);
  std::optional<Observation> observation;
  std::string failure;
  try {
    observation = host.glance(before);
  } catch (const Error& error) {
    failure = error.what();
    observation = host.last_seen(before);
  }
  const Pool pool = current_pool(host, failure.empty() ? &*observation : nullptr);
  return overview(pool, observation, failure, host.now(), liveness, host.settings());
}

QueueOverview view_queue(Host& host) {
  return queue_overview(current_pool(host, nullptr), host.now());
}

Report view_report(Host& host, int days, ReportBy by) {
  const Pool pool = current_pool(host, nullptr);
  const WallTime now = host.now().wall;
  const WallTime from = now - std::chrono::hours(24) * days;
  return report(host.store().history(from), pool.reservations, from, now, by);
}

}  // namespace chg
