// Which GPUs a request asks for, and which can be seen where it was made. Rule 6.
#pragma once

#include "core/pool.h"

namespace chg {

/// Whether the request names this GPU, or none at all.
bool names(const Request& request, int gpu);

/// Whether the GPU can be seen where the request was made.
bool sees(const Request& request, int gpu);

/// Whether the request sees as many GPUs as it asks for, and all that it names. Until it does, it
/// is granted nothing and holds nothing.
bool sees_enough(const Request& request);

/// Throws Error(Usage) with a hint when the request does not see enough of this pool.
void require_visible(const Pool& pool, const Request& request);

}  // namespace chg
