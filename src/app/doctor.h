// Examines the host for those who ask why something doesn't work.
#pragma once

#include "app/diagnosis.h"
#include "app/host.h"

namespace chg {

/// Gathers the facts: looks around, opens the store, writes nothing new into it, looks at the GPUs.
/// Whatever fails is a fact; it throws nothing.
Facts gather_facts(Host& host);

}  // namespace chg
