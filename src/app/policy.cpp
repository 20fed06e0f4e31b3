#include "app/policy.h"

#include "app/pool_update.h"

namespace chg {

Policy view_policy(Context& context) {
  const Pool pool = context.store().read();
  require_pool(pool);
  return pool.policy;
}

PolicyChange change_policy(Context& context, const std::function<void(Policy&)>& change) {
  PolicyChange made;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances&) {
    require_pool(pool);
    require_this_host(context, pool);
    require_owner(pool, current_caller(pool));
    made.before = pool.policy;
    change(pool.policy);
    made.after = pool.policy;
  });
  return made;
}

}  // namespace chg
