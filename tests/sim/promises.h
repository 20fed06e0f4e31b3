// What is promised, held against what is true of the host, however the pool came to be as it is.
#pragma once

#include "core/pool.h"
#include "sim/machine.h"
#include "sim/model.h"

namespace chg::sim {

/// After any update by somebody in `place`: no GPU belongs to two, no id is there twice, and
/// whoever is over, as far as `place` can tell, is gone. Throws Violation.
void require_order(const Pool& pool, const Model& model, const Machine& machine,
                   const Place& place);

/// After an update in the light of a look at the host as it is now: nobody waits who could be
/// served, and no run goes on of which nothing is left. Throws Violation.
void require_service(const Pool& pool, const Model& model, const Machine& machine,
                     const Sighting& sighting);

/// When somebody begins to use what he was granted: he has seen it to be free, or to be in use by
/// nobody but himself where he forces his way. Throws Violation.
void require_free(const Request& request, const std::vector<int>& gpus, const Sighting& sighting,
                  const Policy& policy);

}  // namespace chg::sim
