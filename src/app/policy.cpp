#include "app/policy.h"

#include "app/pool_update.h"

namespace chg {

Policy view_policy(Context& context) {
  const Pool pool = context.store().read();
  require_pool(pool);
  return pool.policy;
}

PolicyChange change_policy(Context& context, const std::function<void(Policy&)>& change,
                           const std::function<std::string(const PolicyChange&)>& describe) {
  PolicyChange made;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances&) {
    require_pool(pool);
    require_this_host(context, pool);
    const Caller caller = context.caller_in(pool);
    require_owner(pool, caller);
    made.before = pool.policy;
    change(pool.policy);
    made.after = pool.policy;
    if (made.after == made.before) return;
    add_event(pool, EventKind::PolicyChanged, caller.account).detail = describe(made);
  });
  return made;
}

}  // namespace chg
