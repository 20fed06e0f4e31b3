// What comes with a store that is made: who may make it, who may use it, and the files beside it.
#pragma once

#include <optional>

#include "app/context.h"

namespace chg {

/// Whether there is a store at the host's address. A Redis always is one.
bool store_exists(const Context& context);

/// Who may use a store that is made there: everybody if root makes it, else its maker alone.
/// Missing where there is nothing to share: a Redis, or a file that exists.
std::optional<Sharing> sharing_of_new(const Context& context);

/// Throws Error(NotPermitted) when the place is somebody else's, who has not set a pool up yet:
/// whoever comes by must not become the creator of a host's.
void require_may_create(const Context& context, const Caller& caller);

/// A store that is a file brings a directory for all that the host keeps; a Redis leaves it none.
void make_state_directory(const Context& context);

}  // namespace chg
