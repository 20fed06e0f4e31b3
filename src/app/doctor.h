// Examines the host for those who ask why something doesn't work.
#pragma once

#include "app/context.h"
#include "app/diagnosis.h"

namespace chg {

/// Gathers the facts: looks around, opens the store, writes nothing new into it, looks at the GPUs.
/// Whatever fails is a fact; it throws nothing.
Facts gather_facts(Context& context);

}  // namespace chg
