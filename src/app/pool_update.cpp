#include "app/pool_update.h"

#include "base/error.h"
#include "base/random_id.h"
#include "core/reap.h"
#include "core/recall.h"
#include "core/schedule.h"

namespace chg {
namespace {

// A Redis that has begun anew, or another one after a failover, may have an older state of the
// pool. Returns whether runs are looked for now.
bool meet_server(Context& context, Pool& pool, const Instant& now) {
  const std::string server = context.store().server();
  if (server.empty() || server == pool.recall.server || is_of_another_host(pool)) return false;
  pool.recall.server = server;
  if (pool.gpus.empty()) return false;
  recall_missing(pool, context.supervised_runs(), now);
  return pool.recall.began.has_value();
}

// Those that are connected need not find out by themselves.
void wake_supervisors(Context& context) {
  try {
    context.store().signal_loss();
  } catch (const Error&) {
    context.close_store();
  }
}

}  // namespace

Pool update_pool(Context& context, const Observation* observation, const Change& change,
                 const Change& after_grants) {
  Pool result;
  bool recalls = false;
  context.store().update([&](Pool& pool) {
    Circumstances given = context.circumstances(observation);
    given.serial = random_number();
    recalls = meet_server(context, pool, given.now);
    bring_up_to_date(pool, given);
    change(pool, given);
    schedule(pool, given);
    if (after_grants) after_grants(pool, given);
    stamp_events(pool, given.now.wall);
    result = pool;
    result.events.clear();
  });
  if (recalls) wake_supervisors(context);
  return result;
}

void change_nothing(Pool& /*pool*/, const Circumstances& /*given*/) {}

}  // namespace chg
