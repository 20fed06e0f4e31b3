// The pool's policy: shown to everybody, changed by those whom the pool belongs to.
#pragma once

#include <functional>
#include <string>

#include "app/context.h"

namespace chg {

struct PolicyChange {
  Policy before;
  Policy after;
};

/// The policy in force. Throws Error(Failed) where there is no pool.
Policy view_policy(Context& context);

/// Changes the policy in one transaction. `change` throws for what can't be; it may be called
/// again. `describe` says for the event what has changed. Throws Error(NotPermitted) for those who
/// are neither root, admin group nor the pool's creator.
PolicyChange change_policy(Context& context, const std::function<void(Policy&)>& change,
                           const std::function<std::string(const PolicyChange&)>& describe);

}  // namespace chg
