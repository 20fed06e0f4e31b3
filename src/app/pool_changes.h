// What every change of a pool's GPUs or settings has to respect, and to tell.
#pragma once

#include <cstddef>
#include <string>

#include "core/account.h"
#include "core/pool.h"

namespace chg {

/// Throws Error(Failed) with this hint where a waiting request asks for GPUs that a pool of
/// `gpu_count` GPUs does not have.
void require_grantable(const Pool& pool, std::size_t gpu_count, const std::string& hint);

/// Adds the events of what differs from the pool before, in its GPUs, its admin group and its
/// policy. Which GPUs are out of service, set_service tells.
void note_changes(const Pool& before, Pool& pool, const Caller& caller);

}  // namespace chg
