#include "app/pool_update.h"

#include "base/random_id.h"
#include "core/reap.h"
#include "core/schedule.h"

namespace chg {

Pool update_pool(Context& context, const Observation* observation, const Change& change,
                 const Change& after_grants) {
  Pool result;
  context.store().update([&](Pool& pool) {
    Circumstances given = context.circumstances(observation);
    given.serial = random_number();
    bring_up_to_date(pool, given);
    change(pool, given);
    schedule(pool, given);
    if (after_grants) after_grants(pool, given);
    stamp_events(pool, given.now.wall);
    result = pool;
    result.events.clear();
  });
  return result;
}

void change_nothing(Pool& /*pool*/, const Circumstances& /*given*/) {}

}  // namespace chg
