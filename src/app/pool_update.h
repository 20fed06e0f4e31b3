// The one way in which use cases change the pool.
#pragma once

#include <functional>

#include "app/context.h"
#include "core/pool.h"

namespace chg {

using Change = std::function<void(Pool&, const Circumstances& given)>;

/// In one transaction: ends what is over, notes what was observed (if given), applies `change`,
/// grants whatever can be granted now, and applies `after_grants` (if given), which must leave no
/// request waiting that could be served. Returns the pool as it was written.
Pool update_pool(Context& context, const Observation* observation, const Change& change,
                 const Change& after_grants = {});

/// The change that changes nothing, for callers that only end what is over.
void change_nothing(Pool& pool, const Circumstances& given);

}  // namespace chg
