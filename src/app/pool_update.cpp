#include "app/pool_update.h"

#include "core/reap.h"
#include "core/schedule.h"
#include "process/identity.h"

namespace chg {

Pool update_pool(Host& host, const Observation* observation, const Change& change) {
  Pool result;
  host.store().update([&](Pool& pool) {
    const Instant now = host.now();
    reap(pool, now, liveness, host.settings(), observation);
    if (observation != nullptr) observe(pool, *observation, host.settings());
    change(pool, now);
    schedule(pool, now, host.settings(), liveness);
    result = pool;
  });
  return result;
}

void change_nothing(Pool& /*pool*/, const Instant& /*now*/) {}

}  // namespace chg
