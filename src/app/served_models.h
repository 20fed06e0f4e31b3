// Which AI model the processes on the GPUs serve, where their own command lines do not tell.
#pragma once

#include "core/observation.h"

namespace chg {

/// Servers give the processes that compute titles ("VLLM::EngineCore"), or start them by
/// `python -c`: then the command line of the first ancestor that tells a model says it. Asks /proc
/// about the ancestors of those processes alone, for a second at most. REQUIRES: one thread.
void ask_ancestors_for_models(Observation& observation);

}  // namespace chg
